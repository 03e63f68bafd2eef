//! Readiness of a full server, and draining: logins are refused, and clients are disconnected over time.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hutong_protocol::{ClientMessage, RefusedCode, UserState};
use hutong_server::Server;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::common::{TestClient, http_request, start_server, start_server_with, with_timeout};

/// Status and body of `/readyz`.
async fn readiness(server: &Server) -> (u16, String) {
    let response = http_request(server.local_addr(), "GET /readyz", &[]).await;
    (response.status, response.text().to_owned())
}

#[tokio::test]
async fn a_full_server_is_not_ready_until_a_user_disconnects() {
    let server = start_server_with(|options| options.max_users = 2).await;
    assert_eq!(readiness(&server).await, (200, "ok".into()));
    let (mut ana, _) = TestClient::login(server.local_addr(), "Ana").await;
    assert_eq!(readiness(&server).await.0, 200);
    let (bo, bo_login) = TestClient::login(server.local_addr(), "Bo").await;
    assert_eq!(readiness(&server).await, (503, "full".into()));
    assert_eq!(
        http_request(server.local_addr(), "GET /healthz", &[]).await.status,
        200,
        "a full server is still alive"
    );
    drop(bo);
    ana.wait_for_state(bo_login.me.token, UserState::Offline).await;
    assert_eq!(readiness(&server).await.0, 200);
    assert_eq!(http_request(server.local_addr(), "POST /readyz", &[]).await.status, 405);
}

#[tokio::test]
async fn a_drain_disconnects_clients_over_time_and_refuses_logins() {
    let server = start_server().await;
    let address = server.local_addr();
    let mut clients = Vec::new();
    for number in 0..20 {
        clients.push(TestClient::login(address, &format!("person {number}")).await);
    }
    let (first, login) = clients.pop().unwrap();
    drop(first);

    let over = Duration::from_secs(2);
    let disconnects = clients.into_iter().map(|(mut client, _)| async move {
        client.expect_refused(RefusedCode::ShuttingDown, CloseCode::Away).await;
        Instant::now()
    });
    let late_logins = async {
        // The drain has begun: `join!` polls it first.
        assert_eq!(readiness(&server).await, (503, "shutting_down".into()));
        for resume in [None, Some(login.ticket)] {
            let mut late = TestClient::open(address).await;
            late.send(&ClientMessage::Hello { name: "Late".into(), resume, secret: None, replace: false }).await;
            late.expect_refused(RefusedCode::ShuttingDown, CloseCode::Away).await;
        }
    };
    let (_, mut times, ()) = with_timeout("all clients to be disconnected", async {
        tokio::join!(biased; server.drain(over), join_all(disconnects), late_logins)
    })
    .await;
    times.sort();
    let spread = *times.last().unwrap() - times[0];
    assert!(spread >= over / 2, "all disconnected within {spread:?}");
    let middle = times[times.len() / 2] - times[0];
    assert!(middle >= over / 4, "half disconnected within {middle:?}");
    assert_eq!(server.users_online(), 0);
    with_timeout("shutdown", server.shutdown()).await;
}

#[tokio::test]
async fn a_drain_without_clients_ends_at_once() {
    let server = start_server().await;
    with_timeout("drain", server.drain(Duration::from_secs(3_600))).await;
    assert_eq!(readiness(&server).await.0, 503);
}
