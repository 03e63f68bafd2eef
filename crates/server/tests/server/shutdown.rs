//! A server that stops tells everybody, and does not wait for ever.

use std::time::{Duration, Instant};

use hutong_protocol::RefusedCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::common::{Client, server, server_with, soon};

#[tokio::test]
async fn everybody_is_told() {
    let server = server().await;
    let (mut ana, _) = Client::login(server.local_addr(), "Ana").await;
    let mut guest = Client::open(server.local_addr()).await;
    let address = server.local_addr();
    let stopping = tokio::spawn(server.shutdown());
    ana.is_refused(RefusedCode::ShuttingDown, CloseCode::Away).await;
    guest.is_refused(RefusedCode::ShuttingDown, CloseCode::Away).await;
    soon("the server to stop", stopping).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "the port is closed");
}

#[tokio::test]
async fn whoever_does_not_listen_is_not_waited_for() {
    let server = server_with(|options| options.deadlines.farewell = Duration::from_millis(200)).await;
    let (_deaf, _) = Client::login(server.local_addr(), "Deaf").await;
    let mut half = TcpStream::connect(server.local_addr()).await.unwrap();
    half.write_all(b"GET / HT").await.unwrap();
    let start = Instant::now();
    soon("the server to stop", server.shutdown()).await;
    let farewell = Duration::from_millis(200);
    assert!((farewell..farewell + Duration::from_secs(4)).contains(&start.elapsed()), "{:?}", start.elapsed());
    let mut rest = Vec::new();
    let _reset = soon("the half request to end", half.read_to_end(&mut rest)).await;
}

#[tokio::test]
async fn a_dropped_server_frees_its_port_and_its_users() {
    let server = server().await;
    let address = server.local_addr();
    let (mut ana, _) = Client::login(address, "Ana").await;
    drop(server);
    let (refused, _) = ana.end().await;
    assert_eq!(refused, Some(RefusedCode::ShuttingDown));
}

#[tokio::test]
async fn a_restarted_server_knows_its_users_by_their_tickets() {
    use hutong_protocol::ClientMessage;
    use hutong_server::TicketKey;
    let key = TicketKey::random().unwrap();
    let first = server_with(|options| options.ticket_key = Some(key.clone())).await;
    let (_ana, before) = Client::login(first.local_addr(), "Ana").await;
    drop(first);
    let second = server_with(|options| options.ticket_key = Some(key)).await;
    let mut ana = Client::open(second.local_addr()).await;
    ana.send(&ClientMessage::Hello { name: "Ana".into(), resume: Some(before.ticket), secret: None }).await;
    assert_eq!(ana.welcome().await.me.token, before.me.token);
}
