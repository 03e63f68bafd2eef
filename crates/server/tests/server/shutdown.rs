//! Shutdown: clients are disconnected with a reason, and the wait for them is bounded.

use std::time::{Duration, Instant};

use hutong_protocol::RefusedCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::common::{TestClient, start_server, start_server_with, with_timeout};

#[tokio::test]
async fn all_clients_are_disconnected_with_a_reason() {
    let server = start_server().await;
    let (mut ana, _) = TestClient::login(server.local_addr(), "Ana").await;
    let mut not_logged_in = TestClient::open(server.local_addr()).await;
    let address = server.local_addr();
    let stopping = tokio::spawn(server.shutdown());
    ana.expect_refused(RefusedCode::ShuttingDown, CloseCode::Away).await;
    not_logged_in.expect_refused(RefusedCode::ShuttingDown, CloseCode::Away).await;
    with_timeout("shutdown", stopping).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "the port is closed");
}

#[tokio::test]
async fn clients_that_do_not_read_do_not_block_the_shutdown() {
    let server = start_server_with(|options| options.deadlines.close = Duration::from_millis(200)).await;
    let (_silent, _) = TestClient::login(server.local_addr(), "Silent").await;
    let mut half_request = TcpStream::connect(server.local_addr()).await.unwrap();
    half_request.write_all(b"GET / HT").await.unwrap();
    let start = Instant::now();
    with_timeout("shutdown", server.shutdown()).await;
    let close = Duration::from_millis(200);
    assert!((close..close + Duration::from_secs(4)).contains(&start.elapsed()), "{:?}", start.elapsed());
    let mut rest = Vec::new();
    let _reset = with_timeout("end of the half request", half_request.read_to_end(&mut rest)).await;
}

#[tokio::test]
async fn a_dropped_server_disconnects_its_users() {
    let server = start_server().await;
    let address = server.local_addr();
    let (mut ana, _) = TestClient::login(address, "Ana").await;
    drop(server);
    let (refused, _) = ana.wait_for_close().await;
    assert_eq!(refused, Some(RefusedCode::ShuttingDown));
}

#[tokio::test]
async fn session_tickets_are_valid_after_a_restart_with_the_same_key() {
    use hutong_protocol::ClientMessage;
    use hutong_server::TicketKey;
    let key = TicketKey::random().unwrap();
    let first = start_server_with(|options| options.ticket_key = Some(key.clone())).await;
    let (_ana, before) = TestClient::login(first.local_addr(), "Ana").await;
    drop(first);
    let second = start_server_with(|options| options.ticket_key = Some(key)).await;
    let mut ana = TestClient::open(second.local_addr()).await;
    ana.send(&ClientMessage::Hello { name: "Ana".into(), resume: Some(before.ticket), secret: None, replace: false })
        .await;
    assert_eq!(ana.expect_welcome().await.me.token, before.me.token);
}

#[tokio::test]
async fn after_a_panic_of_the_hub_clients_are_disconnected_and_the_server_reports_the_failure() {
    let server = start_server().await;
    let (mut ana, _) = TestClient::login(server.local_addr(), "Ana").await;
    server.break_registry();
    assert_eq!(ana.wait_for_close().await.0, Some(RefusedCode::ShuttingDown));
    let failure = with_timeout("failure", server.failed()).await;
    assert!(failure.to_string().contains("\"hub\" has panicked"), "{failure}");
    with_timeout("shutdown", server.shutdown()).await;
}
