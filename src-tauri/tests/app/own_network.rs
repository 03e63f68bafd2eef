//! Tests of connections without TLS: allowed on the own network only, whatever a name resolves to. Real servers on
//! loopback, fixed resolvers.

use std::net::{IpAddr, Ipv4Addr};

use hutong_app::{
    driver::DriverEvent,
    settings::{SavedServer, Settings, SettingsFile},
    tls::KeyTrust,
};
use hutong_core::{
    Input, SocketEvent,
    host_messages::{AppCommand, AppProblem, PageToHost},
};
use hutong_server::{Options, Server, Tls};

use crate::common::{ANY_PORT, LOOPBACK, app_with_problem, log_in, logged_in, resolver, run, until, use_server};

/// A documentation address (RFC 5737), outside the own network. No test connects to it.
const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

/// A name of the own network.
const NAME: &str = "nas.local";

/// Options of a server that answers for [`NAME`].
fn options() -> Options {
    Options { names: vec![NAME.parse().unwrap()], ..Options::listen_on(ANY_PORT) }
}

/// The events of the first link to this server, without a known key.
async fn first_link_events(address: &str, resolver: hutong_app::route::Resolver) -> Vec<DriverEvent> {
    crate::common::first_link_events(address, KeyTrust::Unknown, resolver).await
}

#[tokio::test]
async fn a_plain_name_that_resolves_outside_is_not_connected_to_and_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let (control, mut messages) = run(directory.path(), resolver(NAME, &[OUTSIDE])).await;
    use_server(&control, "http://nas.local:8017").await;
    log_in(&control, "Ana").await;
    until(&mut messages, "the problem", app_with_problem(Some(AppProblem::AddressNotSecure))).await;
    control.page_message(PageToHost::App(AppCommand::UseEmbedded)).await;
    until(&mut messages, "the next command clears it", app_with_problem(None)).await;
    until(&mut messages, "Ana is logged in", logged_in).await;
    control.stop().await;
}

#[tokio::test]
async fn a_plain_name_uses_its_addresses_on_the_own_network_only() {
    let server = Server::bind(options()).await.unwrap();
    let address = format!("http://{NAME}:{}", server.local_addr().port());
    let events = first_link_events(&address, resolver(NAME, &[OUTSIDE, LOOPBACK])).await;
    assert!(matches!(events[..], [DriverEvent::Input(Input::Socket(SocketEvent::Opened))]), "{events:?}");
    let events = first_link_events(&address, resolver(NAME, &[OUTSIDE])).await;
    assert!(
        matches!(events[..], [DriverEvent::InsecureAddress, DriverEvent::Input(Input::Socket(SocketEvent::Closed))]),
        "{events:?}"
    );
    let events = first_link_events(&address, resolver("else.local", &[LOOPBACK])).await;
    assert!(matches!(events[..], [DriverEvent::Input(Input::Socket(SocketEvent::Closed))]), "{events:?}");
    server.shutdown().await;
}

#[tokio::test]
async fn keys_are_trusted_on_first_use_on_the_own_network_only() {
    let directory = tempfile::tempdir().unwrap();
    let tls = Tls::self_signed(directory.path(), &[]).unwrap();
    let server = Server::bind(Options { tls: Some(tls), ..options() }).await.unwrap();
    let port = server.local_addr().port();
    let events = first_link_events(&format!("https://{NAME}:{port}"), resolver(NAME, &[LOOPBACK])).await;
    assert!(matches!(events[..], [DriverEvent::FirstUse(..)]), "{events:?}");
    let events =
        first_link_events(&format!("https://calls.example:{port}"), resolver("calls.example", &[LOOPBACK])).await;
    assert!(matches!(events[..], [DriverEvent::Input(Input::Socket(SocketEvent::Closed))]), "{events:?}");
    server.shutdown().await;
}

#[tokio::test]
async fn a_plain_public_address_in_the_settings_is_reported_and_not_used() {
    let directory = tempfile::tempdir().unwrap();
    let server = SavedServer::Other { address: "http://calls.example".into() };
    SettingsFile::in_directory(directory.path()).write(&Settings { server, ..Settings::default() }).unwrap();
    let (control, mut messages) = run(directory.path(), resolver("calls.example", &[LOOPBACK])).await;
    until(&mut messages, "the problem", app_with_problem(Some(AppProblem::AddressNotSecure))).await;
    control.stop().await;
}
