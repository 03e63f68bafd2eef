//! Timeouts of silent connections, before and after login.
//!
//! Most tests use tokio's paused clock, which jumps to the next deadline whenever all tasks are idle.

use std::time::Duration;

use futures_util::StreamExt;
use hutong_protocol::{
    ClientMessage, RefusedCode, ServerMessage, UserState, decode_server,
    limits::{HELLO_TIMEOUT, IDLE_TIMEOUT, PING_INTERVAL},
};
use hutong_server::Server;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

use crate::common::{LoginReply, TestClient, start_server, start_server_with, with_timeout};

async fn log_in(server: &Server, name: &str) -> (TestClient, LoginReply) {
    TestClient::open_in_memory(server).await.log_in(name).await
}

/// Receives the next frame, at any virtual time.
async fn next(client: &mut TestClient) -> Message {
    let longer_than_any_deadline = Duration::from_secs(3_600);
    let message = timeout(longer_than_any_deadline, client.socket.next()).await.expect("a frame arrives");
    message.expect("connection is open").expect("no transport error")
}

/// Waits for the hello timeout. Returns the seconds since `since`.
async fn wait_for_hello_timeout(client: &mut TestClient, since: Instant) -> u64 {
    client.expect_refused(RefusedCode::HelloTimeout, CloseCode::Policy).await;
    since.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_hello_times_out() {
    let server = start_server().await;
    let start = Instant::now();
    let mut silent = TestClient::open_in_memory(&server).await;
    assert_eq!(wait_for_hello_timeout(&mut silent, start).await, HELLO_TIMEOUT.as_secs());

    // Other messages do not extend the deadline, only an accepted hello does.
    let start = Instant::now();
    let mut active = TestClient::open_in_memory(&server).await;
    active.send_text("{}").await;
    assert_eq!(wait_for_hello_timeout(&mut active, start).await, HELLO_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_logged_in_user_outlives_the_hello_deadline() {
    let server = start_server().await;
    let (mut ana, _) = log_in(&server, "Ana").await;
    let start = Instant::now();
    let mut silent = TestClient::open_in_memory(&server).await;
    assert_eq!(wait_for_hello_timeout(&mut silent, start).await, HELLO_TIMEOUT.as_secs());
    ana.send(&ClientMessage::Hello { name: "Ana".into(), resume: None, secret: None, replace: false }).await;
    ana.next_error().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_user_stays_online_while_it_answers_pings() {
    let server = start_server().await;
    let (mut ana, _) = log_in(&server, "Ana").await;
    for _ in 0..10 {
        let start = Instant::now();
        // Reading makes the library answer the previous ping.
        while !matches!(next(&mut ana).await, Message::Ping(_)) {}
        assert_eq!(start.elapsed().as_secs(), PING_INTERVAL.as_secs());
    }
    assert_eq!(server.users_online(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered_and_no_client_has_to_send_any() {
    let server = start_server().await;
    let (mut ana, _) = log_in(&server, "Ana").await;
    ana.send(&ClientMessage::Ping).await;
    ana.wait_for(|message| (message == ServerMessage::Pong).then_some(())).await;
    // An older client sends no `ping`, and a frozen page's browser answers the server's ping frames for it.
    let frozen_for = Duration::from_secs(3_600);
    let pings = timeout(frozen_for, async { while !matches!(next(&mut ana).await, Message::Close(_)) {} }).await;
    assert!(pings.is_err(), "the server closed the connection");
    assert_eq!(server.users_online(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_user_that_does_not_answer_pings_goes_offline() {
    let server = start_server().await;
    let (_silent, login) = log_in(&server, "Silent").await;
    let start = Instant::now();
    let (mut ana, _) = log_in(&server, "Ana").await;
    let shows_offline = |message: Message| {
        let Message::Text(text) = message else { return false };
        let ServerMessage::Presence { changes, .. } = decode_server(&text).unwrap() else { return false };
        changes.iter().any(|user| user.token == login.me.token && user.state == UserState::Offline)
    };
    while !shows_offline(next(&mut ana).await) {}
    assert_eq!(start.elapsed().as_secs(), IDLE_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_logged_out_connection_receives_no_presence_and_must_log_in_again_in_time() {
    let server = start_server().await;
    let (mut ana, login) = log_in(&server, "Ana").await;
    let (mut bo, _) = log_in(&server, "Bo").await;
    ana.send(&ClientMessage::LogOut).await;
    bo.wait_for_state(login.me.token, UserState::Offline).await;
    let (_cy, cy_login) = log_in(&server, "Cy").await;
    bo.wait_for_state(cy_login.me.token, UserState::Online).await;

    // The name is free again at once, also for the same connection.
    ana.send(&ClientMessage::Hello { name: "Ana".into(), resume: None, secret: None, replace: false }).await;
    let again = ana
        .wait_for(|message| match message {
            ServerMessage::Welcome { me, .. } => Some(me),
            ServerMessage::Presence { changes, .. } => {
                assert!(changes.iter().all(|user| user.token != cy_login.me.token), "{changes:?}");
                None
            }
            other => panic!("{other:?}"),
        })
        .await;
    assert_ne!(again.token, login.me.token);

    ana.send(&ClientMessage::LogOut).await;
    let start = Instant::now();
    assert_eq!(wait_for_hello_timeout(&mut ana, start).await, HELLO_TIMEOUT.as_secs());
}

#[tokio::test]
async fn on_real_sockets_only_the_user_that_answers_pings_stays_online() {
    let server = start_server_with(|options| {
        options.deadlines.ping_every = Duration::from_millis(50);
        options.deadlines.silence = Duration::from_secs(2);
    })
    .await;
    let (_silent, login) = TestClient::login(server.local_addr(), "Silent").await;
    let (mut ana, _) = TestClient::login(server.local_addr(), "Ana").await;
    // Ana's pings are answered because this loop reads her socket. Nothing reads the other one.
    let mut pings = 0;
    loop {
        match with_timeout("Silent to go offline", ana.socket.next()).await {
            Some(Ok(Message::Ping(_))) => pings += 1,
            Some(Ok(Message::Text(text))) => {
                let Ok(ServerMessage::Presence { changes, .. }) = decode_server(&text) else { continue };
                if changes.iter().any(|user| user.token == login.me.token && user.state == UserState::Offline) {
                    break;
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(pings > 1, "{pings}");
}
