//! A reader that does not read holds nobody else up, and is closed.

use std::time::Duration;

use futures_util::StreamExt;
use hutong_protocol::{ClientMessage, RefusedCode, SdpKind, ServerMessage, UserState, decode_server};
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::Message;

use crate::common::{Client, PATIENCE, server_with, set_up_call, soon};

#[tokio::test]
async fn a_reader_that_would_lose_a_calls_message_is_closed() {
    let server = server_with(|options| options.deadlines.write = PATIENCE).await;
    let address = server.local_addr();
    let (mut ana, _) = Client::login(address, "Ana").await;
    let (mut watcher, _) = Client::login(address, "Watcher").await;

    // The system takes little in for this one, so that what it does not read soon waits in the server.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(address).await.unwrap();
    let headers = [("sec-websocket-protocol", "hutong.v1")];
    let mut slow = Client::open_over(Box::new(stream), &format!("ws://{address}/ws"), &headers).await.unwrap();
    slow.send(&ClientMessage::Hello { name: "Slow".into(), resume: None, secret: None }).await;
    let login = slow.welcome().await;
    let call = set_up_call(&mut ana, &mut slow, login.me.token).await;

    let sdp = "x".repeat(60_000);
    let flood = async {
        loop {
            ana.send(&ClientMessage::Description { call, kind: SdpKind::Offer, sdp: sdp.clone() }).await;
            // At the rate that a connection may send for ever.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = flood => {}
        () = watcher.sees(login.me.token, UserState::Offline) => {}
    }

    // Once it reads, it gets what was on its way, and then the reason.
    let mut refused = None;
    while let Some(Ok(message)) = soon("the rest", slow.socket.next()).await {
        if let Message::Text(text) = message
            && let ServerMessage::Refused { code, .. } = decode_server(&text).unwrap()
        {
            refused = Some(code);
        }
    }
    assert_eq!(refused, Some(RefusedCode::TooSlow));
}
