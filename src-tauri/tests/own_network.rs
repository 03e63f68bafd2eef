//! Plain connections stay on the own network, whatever a name says: the app against real servers on loopback, with names that
//! the test makes up.

// Clippy's leave for tests covers the test functions, not what they share.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use hutong_app::{
    address::Address,
    controller::{self, Control, Otherwise, Start},
    driver::{Driver, Event},
    link::Target,
    network::Names,
    settings::{Choice, File, Settings},
    tls::Roots,
};
use hutong_core::{
    Command, Input, LinkEvent, Session, Update,
    app::{AppCommand, AppProblem, FromUi, ToUi},
};
use hutong_server::{Options, Server, Tls};
use tokio::{sync::mpsc, time::timeout};

/// Far longer than anything here takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const ANY_PORT: SocketAddr = SocketAddr::new(LOOPBACK, 0);

/// A documentation address (RFC 5737): public, and nobody's. Nothing here ever gets as far as to connect to it.
const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

fn names(name: &str, addresses: &[IpAddr]) -> Names {
    Names::Only(Arc::new([(name.to_owned(), addresses.to_vec())].into()))
}

/// The app, and what its page hears.
async fn run(directory: &Path, names: Names) -> (Control, mpsc::UnboundedReceiver<ToUi>) {
    let directory = directory.to_owned();
    let with = Start { directory, port: Some(0), otherwise: Otherwise::Usual, names, autostart: None };
    let (control, running) = controller::start(with);
    tokio::spawn(running);
    let (tell, heard) = mpsc::unbounded_channel();
    control.attach(Box::new(move |what| tell.send(what).is_ok())).await;
    (control, heard)
}

async fn until(heard: &mut mpsc::UnboundedReceiver<ToUi>, what: &str, done: impl Fn(&ToUi) -> bool) {
    let found = timeout(PATIENCE, async {
        while let Some(told) = heard.recv().await {
            if done(&told) {
                return true;
            }
        }
        false
    });
    assert_eq!(found.await, Ok(true), "{what}");
}

fn tells_of(problem: Option<AppProblem>) -> impl Fn(&ToUi) -> bool {
    move |told| matches!(told, ToUi::App(app) if app.problem == problem)
}

/// What the first link to this server ends in.
async fn first(address: &str, names: Names) -> Vec<Event> {
    let mut driver = Driver::new(7, Some(Roots::of_this_computer().unwrap())).with_names(names);
    driver.aim(Some(Target { address: Address::parse(address).unwrap(), known: None }));
    driver.step(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    let mut events = Vec::new();
    loop {
        let event = timeout(PATIENCE, driver.next()).await.unwrap();
        let is_last = matches!(event, Event::Input(Input::Link(_)) | Event::FirstMet(..));
        events.push(event);
        if is_last {
            return events;
        }
    }
}

#[tokio::test]
async fn a_plain_name_that_leads_outside_is_not_connected_to_and_the_person_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let (control, mut heard) = run(directory.path(), names("nas.local", &[OUTSIDE])).await;
    control.hear(FromUi::App(AppCommand::UseServer { address: "http://nas.local:8017".into() })).await;
    control.hear(FromUi::Command(Command::LogIn { name: "Ana".into(), secret: None })).await;
    until(&mut heard, "the problem", tells_of(Some(AppProblem::AddressNotSecure))).await;
    control.hear(FromUi::App(AppCommand::UseEmbedded)).await;
    until(&mut heard, "the next command clears it", tells_of(None)).await;
    until(&mut heard, "Ana is in", |told| matches!(told, ToUi::Show(Update::Session(Session::LoggedIn { .. })))).await;
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
