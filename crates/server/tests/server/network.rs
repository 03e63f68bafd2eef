//! Letting others join a running server, and no longer.

use std::net::{SocketAddr, UdpSocket};

use hutong_protocol::{ClientMessage, MediaKind, RefusedCode, SdpKind, ServerMessage};
use hutong_server::{BindError, Options, Server, Tls};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, protocol::frame::coding::CloseCode};

use crate::common::{Client, call_and_hang_up, http, server, set_up_call};

fn certificate() -> Tls {
    Tls::self_signed(tempfile::tempdir().unwrap().path(), &[]).unwrap()
}

/// An address of this machine that is not loopback, if it has one. What goes there does not leave the machine, and nothing
/// is sent to find it.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[tokio::test]
async fn users_of_this_machine_stay_in_their_call_through_opening_and_closing() {
    let mut server = server().await;
    let address = server.local_addr();
    let (mut ana, _) = Client::login(address, "Ana").await;
    let (mut bo, bo_login) = Client::login(address, "Bo").await;
    let call = set_up_call(&mut ana, &mut bo, bo_login.me.token).await;

    server.open_to_network(certificate()).await.unwrap();
    assert!(server.is_open_to_network());
    assert_eq!(server.local_addr(), address);
    let (mut cy, _) = Client::login(address, "Cy").await;
    server.open_to_network(certificate()).await.unwrap();
    server.close_to_network().await.unwrap();
    assert!(!server.is_open_to_network());
    server.close_to_network().await.unwrap();
    let (_dee, dee_login) = Client::login(address, "Dee").await;
    assert_eq!(dee_login.users.len(), 3);

    ana.send(&ClientMessage::Description { call, kind: SdpKind::Offer, sdp: "v=0 2".into() }).await;
    bo.wait_for(|message| matches!(message, ServerMessage::Description { .. }).then_some(())).await;
    cy.send(&ClientMessage::Offering { to: dee_login.me.token, media: MediaKind::Voice }).await;
    cy.wait_for(|message| matches!(message, ServerMessage::Ringing { .. }).then_some(())).await;
}

#[tokio::test]
async fn others_join_by_https_and_are_told_when_it_closes() {
    let Some(own) = own_address() else {
        eprintln!("this machine has no address but loopback: nothing to see here");
        return;
    };
    let mut server = server().await;
    let (mut ana, ana_login) = Client::login(server.local_addr(), "Ana").await;
    let outside = SocketAddr::new(own, server.local_addr().port());
    assert!(TcpStream::connect(outside).await.is_err(), "closed");
    let tls = certificate();
    server.open_to_network(tls.clone()).await.unwrap();

    // In the clear there is the page, which says how to go on, and nothing else.
    assert!([200, 503].contains(&http(outside, "GET /", &[]).await.status));
    match Client::open_with(outside, &[("sec-websocket-protocol", "hutong.v1")]).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 403),
        other => panic!("{:?}", other.map(|_| "opened")),
    }

    let stream = crate::common::tls_connect(outside, &tls, "localhost").await.unwrap();
    let url = format!("wss://localhost:{}/ws", outside.port());
    let headers = [("sec-websocket-protocol", "hutong.v1")];
    let mut bo = Client::open_over(Box::new(stream), &url, &headers).await.unwrap();
    bo.send(&ClientMessage::Hello { name: "Bo".into(), resume: None, secret: None }).await;
    bo.welcome().await;
    call_and_hang_up(&mut bo, &mut ana, ana_login.me.token).await;

    let closing = async {
        server.close_to_network().await.unwrap();
        server
    };
    let (server, ()) = tokio::join!(closing, bo.is_refused(RefusedCode::ShuttingDown, CloseCode::Away));
    assert!(TcpStream::connect(outside).await.is_err(), "closed again");
    assert_eq!(server.users_online(), 1);
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_and_nothing_changes() {
    let first = server().await;
    let taken = first.local_addr();
    match Server::bind(Options::listen_on(taken)).await {
        Err(BindError::AddressInUse(address)) => assert_eq!(address, taken),
        other => panic!("{other:?}"),
    }

    let mut second = server().await;
    let port = second.local_addr().port();
    let Some(own) = own_address() else { return };
    let _other_program = std::net::TcpListener::bind((own, port)).unwrap();
    assert!(matches!(second.open_to_network(certificate()).await, Err(BindError::AddressInUse(_))));
    assert!(!second.is_open_to_network());
    Client::login(second.local_addr(), "Ana").await;
}
