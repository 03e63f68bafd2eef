//! A user who presses another: the other stays connected, is rung a few times only, and reads no more than a budget.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use hutong_protocol::{
    CallId, CancelReason, ClientMessage, ErrorCode, MediaKind, SUBPROTOCOL, SdpKind, ServerMessage, Token,
    decode_server,
};
use hutong_server::Server;
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::Message;

use crate::common::{TIMEOUT, TestClient, set_up_call, start_server, start_server_with, with_timeout};

/// Sends `offering`. Returns the call that rings, or the error.
async fn offer(caller: &mut TestClient, to: Token) -> Result<CallId, ErrorCode> {
    caller.send(&ClientMessage::Offering { to, media: MediaKind::Voice }).await;
    caller
        .wait_for(|message| match message {
            ServerMessage::Ringing { call, .. } => Some(Ok(call)),
            ServerMessage::Error { code, about, .. } if about.as_deref() == Some("offering") => Some(Err(code)),
            _ => None,
        })
        .await
}

/// The caller cancels the ringing call, and the target releases it. Returns when the target may be called again.
async fn cancel(caller: &mut TestClient, target: &mut TestClient, call: CallId) {
    caller.send(&ClientMessage::Cancel { call, reason: CancelReason::Cancelled }).await;
    caller.send(&ClientMessage::Released { call }).await;
    target
        .wait_for(|message| matches!(message, ServerMessage::Ended { call: ended, .. } if ended == call).then_some(()))
        .await;
    target.send(&ClientMessage::Released { call }).await;
    target.send(&ClientMessage::Ping).await;
    target.wait_for(|message| matches!(message, ServerMessage::Pong).then_some(())).await;
}

#[tokio::test]
async fn a_caller_who_rings_and_cancels_in_a_loop_rings_five_times() {
    /// Shorter than the first pause.
    const ATTACK: Duration = Duration::from_secs(4);
    let server = start_server().await;
    let (mut mallory, _) = TestClient::login(server.local_addr(), "Mallory").await;
    let (mut victim, login) = TestClient::login(server.local_addr(), "Victim").await;
    let (mut rings, mut refused) = (0, 0);
    let start = Instant::now();
    while start.elapsed() < ATTACK {
        match offer(&mut mallory, login.me.token).await {
            Ok(call) => {
                rings += 1;
                cancel(&mut mallory, &mut victim, call).await;
            }
            Err(code) => {
                assert_eq!(code, ErrorCode::TooManyCalls);
                refused += 1;
                // Within the message rate.
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        }
    }
    // A sixth could ring where the last message took more than a second.
    assert!((5..=6).contains(&rings) && refused > 0, "{rings} rings, {refused} refused");
    let (mut friend, _) = TestClient::login(server.local_addr(), "Friend").await;
    assert!(offer(&mut friend, login.me.token).await.is_ok(), "others reach the victim");
}

/// Logs in through a proxy on this machine, as a client of this address.
async fn login_from(server: &Server, address: &str, name: &str) -> TestClient {
    let headers = [("sec-websocket-protocol", SUBPROTOCOL), ("x-forwarded-for", address)];
    let client = TestClient::open_with_headers(server.local_addr(), &headers).await.unwrap();
    client.log_in(name).await.0
}

#[tokio::test]
async fn one_name_after_another_at_one_address_rings_thirty_times() {
    let server = start_server_with(|options| {
        options.admission.trusted_proxies = vec![hutong_server::parse_network("127.0.0.1").unwrap()];
    })
    .await;
    let (mut victim, login) = TestClient::login(server.local_addr(), "Victim").await;
    let mut rings = 0;
    for number in 0..40 {
        let mut mallory = login_from(&server, "203.0.113.7", &format!("Mallory {number}")).await;
        match offer(&mut mallory, login.me.token).await {
            Ok(call) => {
                rings += 1;
                cancel(&mut mallory, &mut victim, call).await;
            }
            Err(code) => assert_eq!(code, ErrorCode::TooManyCalls),
        }
        mallory.send(&ClientMessage::LogOut).await;
    }
    // One more for each ten seconds that the test takes.
    assert!((30..=32).contains(&rings), "{rings} rings");
    let mut friend = login_from(&server, "203.0.113.8", "Friend").await;
    assert!(offer(&mut friend, login.me.token).await.is_ok(), "other addresses reach the victim");
}

#[tokio::test]
async fn a_call_partner_who_floods_a_slow_reader_is_refused_and_the_reader_stays_in_the_call() {
    let server = start_server_with(|options| options.deadlines.write = TIMEOUT).await;
    let address = server.local_addr();
    let (mut mallory, _) = TestClient::login(address, "Mallory").await;

    // With a tiny receive buffer, unread messages soon queue in the server.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(address).await.unwrap();
    let headers = [("sec-websocket-protocol", SUBPROTOCOL)];
    let mut slow = TestClient::open_over(Box::new(stream), &format!("ws://{address}/ws"), &headers).await.unwrap();
    slow.send(&ClientMessage::Hello { name: "Slow".into(), resume: None, secret: None, replace: false }).await;
    let login = slow.expect_welcome().await;
    let call = set_up_call(&mut mallory, &mut slow, login.me.token).await;

    let mut refused = 0;
    for number in 0..150 {
        let sdp = "x".repeat(if number < 50 { 60_000 } else { 1 });
        mallory.send(&ClientMessage::Description { call, kind: SdpKind::Offer, sdp }).await;
        mallory.send(&ClientMessage::Ping).await;
        mallory
            .wait_for(|message| match message {
                ServerMessage::Error { code: ErrorCode::RateLimited, call: Some(of), .. } if of == call => {
                    refused += 1;
                    None
                }
                ServerMessage::Pong => Some(()),
                _ => None,
            })
            .await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(refused >= 45, "{refused}");

    // When it reads again, it receives what was within the budget, and is still in the call.
    slow.send(&ClientMessage::Description { call, kind: SdpKind::Answer, sdp: "v=0 answer".into() }).await;
    slow.send(&ClientMessage::Ping).await;
    let mut bytes = 0;
    loop {
        let Some(Ok(Message::Text(text))) = with_timeout("waiting messages", slow.socket.next()).await else {
            continue;
        };
        match decode_server(&text).unwrap() {
            ServerMessage::Description { sdp, .. } => bytes += sdp.len(),
            ServerMessage::Pong => break,
            ServerMessage::Presence { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert!((200_000..600_000).contains(&bytes), "{bytes} bytes");
    mallory
        .wait_for(|message| match message {
            ServerMessage::Description { sdp, .. } => {
                assert_eq!(sdp, "v=0 answer");
                Some(())
            }
            _ => None,
        })
        .await;
}
