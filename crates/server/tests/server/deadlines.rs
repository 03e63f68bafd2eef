//! Connections that keep silent: before hello, and later.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use hutong_protocol::{ClientMessage, RefusedCode, ServerMessage, UserState};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

use crate::common::{Client, PATIENCE, server_with, soon};

#[tokio::test]
async fn hello_has_a_deadline() {
    let server = server_with(|options| options.deadlines.hello = Duration::from_millis(100)).await;
    let mut silent = Client::open(server.local_addr()).await;
    silent.is_refused(RefusedCode::HelloTimeout, CloseCode::Policy).await;

    // Talking is not enough: it takes an accepted hello.
    let mut talking = Client::open(server.local_addr()).await;
    talking.send_text("{}").await;
    talking.is_refused(RefusedCode::HelloTimeout, CloseCode::Policy).await;
}

#[tokio::test]
async fn a_logged_in_user_outlives_the_hello_deadline() {
    let server = server_with(|options| options.deadlines.hello = Duration::from_millis(50)).await;
    let (mut ana, _) = Client::login(server.local_addr(), "Ana").await;
    let mut silent = Client::open(server.local_addr()).await;
    silent.is_refused(RefusedCode::HelloTimeout, CloseCode::Policy).await;
    ana.send(&ClientMessage::Hello { name: "Ana".into(), resume: None, secret: None }).await;
    ana.error().await;
}

#[tokio::test]
async fn a_silent_user_is_pinged_and_stays_while_it_answers() {
    let server = server_with(|options| {
        options.deadlines.ping_every = Duration::from_millis(50);
        options.deadlines.silence = Duration::from_millis(400);
    })
    .await;
    let (mut ana, _) = Client::login(server.local_addr(), "Ana").await;
    let start = Instant::now();
    let mut pings = 0;
    // Reading answers the pings.
    while start.elapsed() < Duration::from_millis(900) {
        match soon("a ping", ana.socket.next()).await {
            Some(Ok(Message::Ping(_))) => pings += 1,
            Some(Ok(Message::Text(_))) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(pings >= 3, "{pings}");
}

#[tokio::test]
async fn a_user_that_does_not_answer_pings_is_lost() {
    let server = server_with(|options| {
        options.deadlines.ping_every = Duration::from_millis(50);
        options.deadlines.silence = Duration::from_millis(200);
    })
    .await;
    let (_silent, login) = Client::login(server.local_addr(), "Silent").await;
    let (mut ana, _) = Client::login(server.local_addr(), "Ana").await;
    tokio::time::timeout(PATIENCE, ana.sees(login.me.token, UserState::Offline)).await.unwrap();
}

#[tokio::test]
async fn who_logs_out_is_told_of_nobody_and_has_a_while_for_another_hello() {
    let server = server_with(|options| options.deadlines.hello = Duration::from_millis(500)).await;
    let (mut ana, login) = Client::login(server.local_addr(), "Ana").await;
    let (mut bo, _) = Client::login(server.local_addr(), "Bo").await;
    ana.send(&ClientMessage::LogOut).await;
    bo.sees(login.me.token, UserState::Offline).await;
    let (_cy, cy_login) = Client::login(server.local_addr(), "Cy").await;
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
    ana.is_refused(RefusedCode::HelloTimeout, CloseCode::Policy).await;
}
