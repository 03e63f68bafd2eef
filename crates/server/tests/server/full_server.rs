//! A server whose places are all taken: it answers health checks, and refuses everybody else at once.

use std::{net::SocketAddr, time::Duration};

use hutong_protocol::{SUBPROTOCOL, UserState};
use hutong_server::{Options, Server, Tls};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_tungstenite::tungstenite::Error;

use crate::common::{
    HttpResponse, LoginReply, TestClient, http_request, http_request_over, start_server_with, tls_connect, with_timeout,
};

/// Time within which a health check must be answered: probes give up soon after.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(1);

const PLACES: usize = 4;

/// Starts a server whose places are all taken by users.
async fn start_full(change: impl FnOnce(&mut Options)) -> (Server, Vec<(TestClient, LoginReply)>) {
    let server = start_server_with(|options| {
        options.max_connections = Some(PLACES);
        change(options);
    })
    .await;
    let mut users = Vec::new();
    for number in 0..PLACES {
        users.push(TestClient::login(server.local_addr(), &format!("User {number}")).await);
    }
    (server, users)
}

async fn health(address: SocketAddr, path: &str) -> HttpResponse {
    timeout(HEALTH_TIMEOUT, http_request(address, path, &[])).await.expect("health check is answered in time")
}

fn assert_refused(response: &HttpResponse) {
    assert_eq!((response.status, response.header("retry-after")), (503, Some("15")), "{response:?}");
    assert_eq!(response.text().lines().next(), Some("full"));
    assert!(response.text().contains("Try again") && response.text().contains("请过几秒再试"), "{}", response.text());
}

#[tokio::test]
async fn a_full_server_answers_health_checks_and_refuses_others_with_503() {
    let (server, mut users) = start_full(|_| {}).await;
    let address = server.local_addr();
    for _ in 0..20 {
        assert_eq!(health(address, "GET /healthz").await.text(), "ok");
    }
    assert_eq!(health(address, "HEAD /healthz").await.status, 200);
    let ready = health(address, "GET /readyz").await;
    assert_eq!((ready.status, ready.text(), ready.header("retry-after")), (503, "full", Some("15")));
    for path in ["GET /", "GET /ws", "GET /metrics", "POST /healthz"] {
        assert_refused(&http_request(address, path, &["content-length: 0"]).await);
    }
    match TestClient::open_with_headers(address, &[("sec-websocket-protocol", SUBPROTOCOL)]).await {
        Err(Error::Http(response)) => {
            assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"15".parse().unwrap()));
        }
        other => panic!("{:?}", other.map(|_| "opened")),
    }
    // Users stay, and a place that one frees is available.
    let (gone, login) = users.pop().unwrap();
    drop(gone);
    users[0].0.wait_for_state(login.me.token, UserState::Offline).await;
    users.push(TestClient::login(address, "Next").await);
    assert_eq!(health(address, "GET /readyz").await.status, 503);
}

#[tokio::test]
async fn silent_connections_beyond_the_limit_do_not_delay_health_checks_and_are_closed() {
    let (server, _users) = start_full(|_| {}).await;
    let address = server.local_addr();
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(address).await.unwrap());
        if silent.len() % 10 == 0 {
            assert_eq!(health(address, "GET /healthz").await.text(), "ok", "after {} connections", silent.len());
        }
    }
    let start = Instant::now();
    for mut stream in silent {
        // Closed or reset.
        let _ended = with_timeout("end of a silent connection", stream.read_to_end(&mut Vec::new())).await;
    }
    assert!(start.elapsed() < Duration::from_secs(10), "the last of them had two seconds");
}

#[tokio::test]
async fn a_request_head_that_never_ends_is_cut_off() {
    let (server, _users) = start_full(|_| {}).await;
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ").await.unwrap();
    let endless = async { while stream.write_all(&[b'x'; 100]).await.is_ok() {} };
    with_timeout("end of the connection", endless).await;
}

#[tokio::test]
async fn health_checks_by_https_are_answered_too_and_turn_streams_are_closed() {
    let directory = tempfile::tempdir().unwrap();
    let tls = Tls::self_signed(directory.path(), &[]).unwrap();
    let (server, _users) = start_full(|options| options.tls = Some(tls.clone())).await;
    let address = server.local_addr();
    let request = async |path: &str| {
        let stream = tls_connect(address, &tls, "localhost").await.unwrap();
        http_request_over(stream, "localhost", path, &[]).await
    };
    let health = timeout(HEALTH_TIMEOUT, request("GET /healthz")).await.expect("health check is answered in time");
    assert_eq!(health.text(), "ok");
    assert_refused(&request("GET /").await);
    // A STUN binding request.
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = [0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    stream.write_all(&request).await.unwrap();
    let mut answer = Vec::new();
    // Closed or reset.
    let _ended = with_timeout("end of the connection", stream.read_to_end(&mut answer)).await;
    assert_eq!(answer, b"");
}

#[tokio::test]
async fn a_full_server_stays_full_only_while_its_users_are_connected() {
    let (server, users) = start_full(|options| options.metrics = Some(([127, 0, 0, 1], 0).into())).await;
    let address = server.local_addr();
    assert_refused(&http_request(address, "GET /", &[]).await);
    let metrics = http_request(server.metrics_addr().unwrap(), "GET /metrics", &[]).await;
    for series in ["hutong_connections 4", "hutong_connections_refused_total{lack=\"places\"} 1"] {
        assert!(metrics.text().lines().any(|line| line == series), "{series} in {}", metrics.text());
    }
    drop(users);
    let next = async {
        while http_request(address, "GET /readyz", &[]).await.status == 503 {
            tokio::task::yield_now().await;
        }
    };
    with_timeout("a free place", next).await;
    TestClient::login(address, "Next").await;
}
