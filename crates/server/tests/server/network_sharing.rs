//! Opening a running server to the network, and closing it again.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

use hutong_protocol::{ClientMessage, MediaKind, RefusedCode, SdpKind, ServerMessage};
use hutong_server::{BindError, Options, Server, Tls};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, protocol::frame::coding::CloseCode};

use crate::common::{TestClient, call_and_hang_up, http_request, set_up_call, start_server};

pub fn certificate() -> Tls {
    Tls::self_signed(tempfile::tempdir().unwrap().path(), &[]).unwrap()
}

/// A non-loopback address of this machine, if there is one. Traffic to it stays on the machine. Connecting the UDP socket only
/// looks up a route and sends nothing.
pub fn external_address() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// Starts a server on a port below those that the system gives to outgoing connections (Linux: from 32768): a connection of
/// another test may have such a port at another address, and then the server could not open to the network.
pub async fn start_server_below_ephemeral_ports() -> Server {
    /// Ports that were tried. Each is used by one test: a server that opens to the network gives up its port for a moment.
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let first = 30_000 + u16::try_from(std::process::id() % 700).unwrap();
    for port in (0..2_000).map(|_| first + TRIED.fetch_add(1, Ordering::Relaxed)) {
        if let Ok(server) = Server::bind(Options::listen_on(([127, 0, 0, 1], port).into())).await {
            return server;
        }
    }
    panic!("no free port");
}

#[tokio::test]
async fn local_users_stay_in_their_call_while_the_server_opens_and_closes() {
    let mut server = start_server_below_ephemeral_ports().await;
    let address = server.local_addr();
    let (mut ana, _) = TestClient::login(address, "Ana").await;
    let (mut bo, bo_login) = TestClient::login(address, "Bo").await;
    let call = set_up_call(&mut ana, &mut bo, bo_login.me.token).await;

    server.open_to_network(certificate()).await.unwrap();
    assert!(server.is_open_to_network());
    assert_eq!(server.local_addr(), address);
    let (mut cy, _) = TestClient::login(address, "Cy").await;
    server.open_to_network(certificate()).await.unwrap();
    server.close_to_network().await.unwrap();
    assert!(!server.is_open_to_network());
    server.close_to_network().await.unwrap();
    let (_dee, dee_login) = TestClient::login(address, "Dee").await;
    assert_eq!(dee_login.users.len(), 3);

    ana.send(&ClientMessage::Description { call, kind: SdpKind::Offer, sdp: "v=0 2".into() }).await;
    bo.wait_for(|message| matches!(message, ServerMessage::Description { .. }).then_some(())).await;
    cy.send(&ClientMessage::Offering { to: dee_login.me.token, media: MediaKind::Voice }).await;
    cy.wait_for(|message| matches!(message, ServerMessage::Ringing { .. }).then_some(())).await;
}

#[tokio::test]
async fn remote_users_join_over_https_and_are_disconnected_when_the_server_closes() {
    let Some(external) = external_address() else {
        eprintln!("skipped: this machine has only loopback addresses");
        return;
    };
    let mut server = start_server_below_ephemeral_ports().await;
    let (mut ana, ana_login) = TestClient::login(server.local_addr(), "Ana").await;
    let outside = SocketAddr::new(external, server.local_addr().port());
    assert!(TcpStream::connect(outside).await.is_err(), "the server is closed to the network");
    let tls = certificate();
    server.open_to_network(tls.clone()).await.unwrap();

    // Plain http serves the page, which asks for https, and refuses the WebSocket.
    assert!([200, 503].contains(&http_request(outside, "GET /", &[]).await.status));
    match TestClient::open_with_headers(outside, &[("sec-websocket-protocol", "hutong.v1")]).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 403),
        other => panic!("{:?}", other.map(|_| "opened")),
    }

    let stream = crate::common::tls_connect(outside, &tls, "localhost").await.unwrap();
    let url = format!("wss://localhost:{}/ws", outside.port());
    let headers = [("sec-websocket-protocol", "hutong.v1")];
    let mut bo = TestClient::open_over(Box::new(stream), &url, &headers).await.unwrap();
    bo.send(&ClientMessage::Hello { name: "Bo".into(), resume: None, secret: None, replace: false }).await;
    bo.expect_welcome().await;
    call_and_hang_up(&mut bo, &mut ana, ana_login.me.token).await;

    let closing = async {
        server.close_to_network().await.unwrap();
        server
    };
    let (server, ()) = tokio::join!(closing, bo.expect_refused(RefusedCode::ShuttingDown, CloseCode::Away));
    assert!(TcpStream::connect(outside).await.is_err(), "the server is closed to the network again");
    assert_eq!(server.users_online(), 1);
}

#[tokio::test]
async fn a_port_in_use_is_an_error_and_the_server_stays_as_it_was() {
    let first = start_server().await;
    let taken = first.local_addr();
    match Server::bind(Options::listen_on(taken)).await {
        Err(BindError::AddressInUse(address)) => assert_eq!(address, taken),
        other => panic!("{other:?}"),
    }

    let mut second = start_server_below_ephemeral_ports().await;
    let port = second.local_addr().port();
    let Some(external) = external_address() else { return };
    let _other_program = std::net::TcpListener::bind((external, port)).unwrap();
    assert!(matches!(second.open_to_network(certificate()).await, Err(BindError::AddressInUse(_))));
    assert!(!second.is_open_to_network());
    TestClient::login(second.local_addr(), "Ana").await;
}
