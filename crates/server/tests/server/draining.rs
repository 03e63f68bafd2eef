//! A server that is about to stop, or full: it says so, lets nobody in, and lets its clients go bit by bit.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hutong_protocol::{ClientMessage, RefusedCode, UserState};
use hutong_server::Server;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::common::{Client, http, server, server_with, soon};

async fn ready(server: &Server) -> (u16, String) {
    let answer = http(server.local_addr(), "GET /readyz", &[]).await;
    (answer.status, answer.text().to_owned())
}

#[tokio::test]
async fn a_full_server_is_not_ready_until_somebody_leaves() {
    let server = server_with(|options| options.max_users = 2).await;
    assert_eq!(ready(&server).await, (200, "ok".into()));
    let (mut ana, _) = Client::login(server.local_addr(), "Ana").await;
    assert_eq!(ready(&server).await.0, 200);
    let (bo, bo_login) = Client::login(server.local_addr(), "Bo").await;
    assert_eq!(ready(&server).await, (503, "full".into()));
    assert_eq!(http(server.local_addr(), "GET /healthz", &[]).await.status, 200, "it is alive");
    drop(bo);
    ana.sees(bo_login.me.token, UserState::Offline).await;
    assert_eq!(ready(&server).await.0, 200);
    assert_eq!(http(server.local_addr(), "POST /readyz", &[]).await.status, 405);
}

#[tokio::test]
async fn clients_are_let_go_one_after_the_other_and_nobody_comes_in() {
    let server = server().await;
    let address = server.local_addr();
    let mut clients = Vec::new();
    for number in 0..20 {
        clients.push(Client::login(address, &format!("person {number}")).await);
    }
    let (first, login) = clients.pop().unwrap();
    drop(first);

    let over = Duration::from_secs(2);
    let told = clients.into_iter().map(|(mut client, _)| async move {
        client.is_refused(RefusedCode::ShuttingDown, CloseCode::Away).await;
        Instant::now()
    });
    let others = async {
        // Draining has begun: it is polled before this.
        assert_eq!(ready(&server).await, (503, "shutting_down".into()));
        for resume in [None, Some(login.ticket)] {
            let mut late = Client::open(address).await;
            late.send(&ClientMessage::Hello { name: "Late".into(), resume, secret: None }).await;
            late.is_refused(RefusedCode::ShuttingDown, CloseCode::Away).await;
        }
    };
    let (_, mut told, ()) =
        soon("everybody to be told", async { tokio::join!(biased; server.drain(over), join_all(told), others) }).await;
    told.sort();
    let spread = *told.last().unwrap() - told[0];
    assert!(spread >= over / 2, "all of them within {spread:?}");
    let middle = told[told.len() / 2] - told[0];
    assert!(middle >= over / 4, "half of them within {middle:?}");
    assert_eq!(server.users_online(), 0);
    soon("the server to stop", server.shutdown()).await;
}

#[tokio::test]
async fn where_nobody_is_nothing_is_waited_for() {
    let server = server().await;
    soon("the end", server.drain(Duration::from_secs(3_600))).await;
    assert_eq!(ready(&server).await.0, 503);
}
