//! Connections that keep silent: before hello, and later. The clock is the test's: it stands still while anything happens, and jumps to
//! the next deadline when nothing does.

use std::time::Duration;

use futures_util::StreamExt;
use hutong_protocol::{
    ClientMessage, RefusedCode, ServerMessage, UserState, decode_server,
    limits::{HELLO, PING_EVERY, SILENCE},
};
use hutong_server::Server;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

use crate::common::{Client, Login, server, server_with, soon};

async fn log_in(server: &Server, name: &str) -> (Client, Login) {
    Client::open_in_memory(server).await.log_in(name).await
}

/// What comes next, however long that takes.
async fn next(client: &mut Client) -> Message {
    let longer_than_any_deadline = Duration::from_secs(3_600);
    let message = timeout(longer_than_any_deadline, client.socket.next()).await.expect("something comes");
    message.expect("the connection is open").expect("the connection is whole")
}

/// Waits to be refused for want of a hello, and says how long that took, in seconds.
async fn until_hello_is_due(client: &mut Client, since: Instant) -> u64 {
    client.is_refused(RefusedCode::HelloTimeout, CloseCode::Policy).await;
    since.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn hello_has_a_deadline() {
    let server = server().await;
    let start = Instant::now();
    let mut silent = Client::open_in_memory(&server).await;
    assert_eq!(until_hello_is_due(&mut silent, start).await, HELLO.as_secs());

    // Talking is not enough: it takes an accepted hello.
    let start = Instant::now();
    let mut talking = Client::open_in_memory(&server).await;
    talking.send_text("{}").await;
    assert_eq!(until_hello_is_due(&mut talking, start).await, HELLO.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_logged_in_user_outlives_the_hello_deadline() {
    let server = server().await;
    let (mut ana, _) = log_in(&server, "Ana").await;
    let start = Instant::now();
    let mut silent = Client::open_in_memory(&server).await;
    assert_eq!(until_hello_is_due(&mut silent, start).await, HELLO.as_secs());
    ana.send(&ClientMessage::Hello { name: "Ana".into(), resume: None, secret: None }).await;
    ana.error().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_user_is_pinged_and_stays_while_it_answers() {
    let server = server().await;
    let (mut ana, _) = log_in(&server, "Ana").await;
    // The next ping may also come when the last one would have had to be answered.
    let pauses = PING_EVERY.as_secs()..=(SILENCE - PING_EVERY).as_secs();
    for _ in 0..10 {
        let start = Instant::now();
        // Reading answers the ping before.
        while !matches!(next(&mut ana).await, Message::Ping(_)) {}
        assert!(pauses.contains(&start.elapsed().as_secs()), "pinged after {:?}", start.elapsed());
    }
    assert_eq!(server.users_online(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_user_that_does_not_answer_pings_is_lost() {
    let server = server().await;
    let (_silent, login) = log_in(&server, "Silent").await;
    let start = Instant::now();
    let (mut ana, _) = log_in(&server, "Ana").await;
    let is_told = |message: Message| {
        let Message::Text(text) = message else { return false };
        let ServerMessage::Presence { changes, .. } = decode_server(&text).unwrap() else { return false };
        changes.iter().any(|user| user.token == login.me.token && user.state == UserState::Offline)
    };
    while !is_told(next(&mut ana).await) {}
    assert_eq!(start.elapsed().as_secs(), SILENCE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn who_logs_out_is_told_of_nobody_and_has_a_while_for_another_hello() {
    let server = server().await;
    let (mut ana, login) = log_in(&server, "Ana").await;
    let (mut bo, _) = log_in(&server, "Bo").await;
    ana.send(&ClientMessage::LogOut).await;
    bo.sees(login.me.token, UserState::Offline).await;
    let (_cy, cy_login) = log_in(&server, "Cy").await;
    bo.sees(cy_login.me.token, UserState::Online).await;

    // The name is free at once, also for the one who had it.
    ana.send(&ClientMessage::Hello { name: "Ana".into(), resume: None, secret: None }).await;
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
    assert_eq!(until_hello_is_due(&mut ana, start).await, HELLO.as_secs());
}

#[tokio::test]
async fn over_a_socket_who_answers_pings_stays_and_who_does_not_is_lost() {
    let server = server_with(|options| {
        options.deadlines.ping_every = Duration::from_millis(50);
        options.deadlines.silence = Duration::from_secs(2);
    })
    .await;
    let (_silent, login) = Client::login(server.local_addr(), "Silent").await;
    let (mut ana, _) = Client::login(server.local_addr(), "Ana").await;
    // Reading answers Ana's pings; nobody reads for the other.
    let mut pings = 0;
    loop {
        match soon("Silent to be lost", ana.socket.next()).await {
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
