//! A client that reads too slowly is disconnected.

use std::time::Duration;

use futures_util::StreamExt;
use hutong_protocol::{ClientMessage, RefusedCode, SdpKind, ServerMessage, UserState, decode_server};
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::Message;

use crate::common::{TIMEOUT, TestClient, set_up_call, start_server_with, with_timeout};

#[tokio::test]
async fn a_slow_reader_that_would_lose_a_call_message_is_disconnected() {
    let server = start_server_with(|options| options.deadlines.write = TIMEOUT).await;
    let address = server.local_addr();
    let (mut ana, _) = TestClient::login(address, "Ana").await;
    let (mut watcher, _) = TestClient::login(address, "Watcher").await;

    // With a tiny receive buffer, unread messages soon queue in the server.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(address).await.unwrap();
    let headers = [("sec-websocket-protocol", "hutong.v1")];
    let mut slow = TestClient::open_over(Box::new(stream), &format!("ws://{address}/ws"), &headers).await.unwrap();
    slow.send(&ClientMessage::Hello { name: "Slow".into(), resume: None, secret: None }).await;
    let login = slow.expect_welcome().await;
    let call = set_up_call(&mut ana, &mut slow, login.me.token).await;

    let sdp = "x".repeat(60_000);
    let flood = async {
        loop {
            ana.send(&ClientMessage::Description { call, kind: SdpKind::Offer, sdp: sdp.clone() }).await;
            // Within the rate limit of a connection.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = flood => {}
        () = watcher.wait_for_state(login.me.token, UserState::Offline) => {}
    }

    // When it reads again, it receives the messages in flight, then the reason.
    let mut refused = None;
    while let Some(Ok(message)) = with_timeout("remaining messages", slow.socket.next()).await {
        if let Message::Text(text) = message
            && let ServerMessage::Refused { code, .. } = decode_server(&text).unwrap()
        {
            refused = Some(code);
        }
    }
    assert_eq!(refused, Some(RefusedCode::TooSlow));
}
