//! Plain connections stay on the own network, whatever a name says: the app against real servers on loopback, with names that
//! the test makes up.

use std::net::{IpAddr, Ipv4Addr};

use hutong_app::{
    driver::Event,
    settings::{Choice, File, Settings},
    tls::Trust,
};
use hutong_core::{
    Input, LinkEvent,
    app::{AppCommand, AppProblem, FromUi},
};
use hutong_server::{Options, Server, Tls};

use crate::common::{ANY_PORT, LOOPBACK, log_in, logged_in, names, run, tells_of, until, use_server};

/// A documentation address (RFC 5737): public, and nobody's. Nothing here ever gets as far as to connect to it.
const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

/// What the first link to this server ends in.
async fn first(address: &str, names: hutong_app::network::Names) -> Vec<Event> {
    crate::common::first(address, Trust::Unknown, names).await
}

#[tokio::test]
async fn a_plain_name_that_leads_outside_is_not_connected_to_and_the_person_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let (control, mut heard) = run(directory.path(), names("nas.local", &[OUTSIDE])).await;
    use_server(&control, "http://nas.local:8017").await;
    log_in(&control, "Ana").await;
    until(&mut heard, "the problem", tells_of(Some(AppProblem::AddressNotSecure))).await;
    control.hear(FromUi::App(AppCommand::UseEmbedded)).await;
    until(&mut heard, "the next command clears it", tells_of(None)).await;
    until(&mut heard, "Ana is in", logged_in).await;
    control.stop().await;
}

#[tokio::test]
async fn a_plain_name_takes_the_addresses_of_the_own_network_alone() {
    let server = Server::bind(Options::listen_on(ANY_PORT)).await.unwrap();
    let address = format!("http://nas.local:{}", server.local_addr().port());
    let events = first(&address, names("nas.local", &[OUTSIDE, LOOPBACK])).await;
    assert!(matches!(events[..], [Event::Input(Input::Link(LinkEvent::Up))]), "{events:?}");
    let events = first(&address, names("nas.local", &[OUTSIDE])).await;
    assert!(matches!(events[..], [Event::NotSecure, Event::Input(Input::Link(LinkEvent::Down))]), "{events:?}");
    let events = first(&address, names("else.local", &[LOOPBACK])).await;
    assert!(matches!(events[..], [Event::Input(Input::Link(LinkEvent::Down))]), "{events:?}");
    server.shutdown().await;
}

#[tokio::test]
async fn a_key_is_trusted_when_first_met_for_names_of_the_own_network_alone() {
    let directory = tempfile::tempdir().unwrap();
    let tls = Tls::self_signed(directory.path(), &[]).unwrap();
    let server = Server::bind(Options { tls: Some(tls), ..Options::listen_on(ANY_PORT) }).await.unwrap();
    let port = server.local_addr().port();
    let events = first(&format!("https://nas.local:{port}"), names("nas.local", &[LOOPBACK])).await;
    assert!(matches!(events[..], [Event::FirstMet(..)]), "{events:?}");
    let events = first(&format!("https://calls.example:{port}"), names("calls.example", &[LOOPBACK])).await;
    assert!(matches!(events[..], [Event::Input(Input::Link(LinkEvent::Down))]), "{events:?}");
    server.shutdown().await;
}

#[tokio::test]
async fn a_plain_public_address_in_the_settings_is_told_of_and_not_used() {
    let directory = tempfile::tempdir().unwrap();
    let server = Choice::Other { address: "http://calls.example".into() };
    File::within(directory.path()).write(&Settings { server, ..Settings::default() }).unwrap();
    let (control, mut heard) = run(directory.path(), names("calls.example", &[LOOPBACK])).await;
    until(&mut heard, "the problem", tells_of(Some(AppProblem::AddressNotSecure))).await;
    control.stop().await;
}
