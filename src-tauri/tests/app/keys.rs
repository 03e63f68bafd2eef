//! Tests of server keys: pinned, trusted on first use, or unknown, against real servers on loopback.

use std::{net::SocketAddr, path::Path};

use hutong_app::{
    driver::DriverEvent,
    route::Resolver,
    settings::SettingsFile,
    tls::{KeyFingerprint, KeyTrust},
};
use hutong_core::{
    Input, SocketEvent,
    host_messages::{AppCommand, AppProblem, CallLinkStage, HostToPage, PageToHost, ServerChoice},
};
use hutong_protocol::MediaKind;
use hutong_server::{Options, Server, Tls};

use crate::common::{
    ANY_PORT, LOOPBACK, app_with_problem, first_link_events, log_in, logged_in, resolver, run, until, use_server,
};

/// A name of the servers on the internet, which their certificates do not have.
const PUBLIC_NAME: &str = "calls.example";

/// A server with a self-signed certificate.
struct KeyedServer {
    server: Server,
    /// The key as in an invitation.
    pin: String,
}

impl KeyedServer {
    /// Starts a server with the key in the subdirectory `name`.
    async fn start(directory: &Path, name: &str, on: SocketAddr) -> Self {
        let tls = Tls::self_signed(&directory.join(name), &[]).unwrap();
        let pin = tls.key_to_pin().unwrap();
        let names = vec![PUBLIC_NAME.parse().unwrap()];
        let server = Server::bind(Options { tls: Some(tls), names, ..Options::listen_on(on) }).await.unwrap();
        Self { server, pin }
    }

    fn at(&self) -> SocketAddr {
        self.server.local_addr()
    }

    fn address(&self) -> String {
        format!("https://{}", self.at())
    }

    fn invitation(&self) -> String {
        format!("{}/#key={}", self.address(), self.pin)
    }

    fn key(&self) -> KeyFingerprint {
        KeyFingerprint::from_pin(&self.pin).unwrap()
    }
}

/// A key that no server has, as in an invitation.
fn other_pin() -> String {
    KeyFingerprint::of(b"another key").to_pin().unwrap()
}

fn is_up(events: &[DriverEvent]) -> bool {
    matches!(events, [DriverEvent::Input(Input::Socket(SocketEvent::Opened))])
}

fn is_key_mismatch(events: &[DriverEvent]) -> bool {
    matches!(events, [DriverEvent::KeyMismatch, DriverEvent::Input(Input::Socket(SocketEvent::Closed))])
}

#[tokio::test]
async fn only_the_known_key_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let one = KeyedServer::start(directory.path(), "one", ANY_PORT).await;
    let wrong = KeyFingerprint::of(b"another key");
    let address = one.address();
    let link = |trust: KeyTrust| first_link_events(&address, trust, Resolver::System);

    let events = link(KeyTrust::Unknown).await;
    let [DriverEvent::FirstUse(key, Input::Socket(SocketEvent::Opened))] = &events[..] else { panic!("{events:?}") };
    assert_eq!(*key, one.key());
    for (trust, is_right) in [
        (KeyTrust::FirstUse(one.key()), true),
        (KeyTrust::Pinned(one.key()), true),
        (KeyTrust::FirstUse(wrong.clone()), false),
        (KeyTrust::Pinned(wrong), false),
    ] {
        let events = link(trust.clone()).await;
        assert!(if is_right { is_up(&events) } else { is_key_mismatch(&events) }, "{trust:?}: {events:?}");
    }
    one.server.shutdown().await;
}

#[tokio::test]
async fn a_pinned_key_authenticates_a_public_server_too() {
    let directory = tempfile::tempdir().unwrap();
    let one = KeyedServer::start(directory.path(), "one", ANY_PORT).await;
    let address = format!("https://{PUBLIC_NAME}:{}", one.at().port());
    let link = |trust: KeyTrust| first_link_events(&address, trust, resolver(PUBLIC_NAME, &[LOOPBACK]));
    assert!(is_up(&link(KeyTrust::Pinned(one.key())).await));
    assert!(is_key_mismatch(&link(KeyTrust::Pinned(KeyFingerprint::of(b"another key"))).await));
    let events = link(KeyTrust::Unknown).await;
    assert!(matches!(events[..], [DriverEvent::Input(Input::Socket(SocketEvent::Closed))]), "{events:?}");
    one.server.shutdown().await;
}

#[tokio::test]
async fn a_server_with_a_pinned_key_is_never_connected_to_without_tls() {
    let server = Server::bind(Options::listen_on(ANY_PORT)).await.unwrap();
    let address = format!("http://{}", server.local_addr());
    let events = first_link_events(&address, KeyTrust::Pinned(KeyFingerprint::of(b"a key")), Resolver::System).await;
    assert!(
        matches!(events[..], [DriverEvent::InsecureAddress, DriverEvent::Input(Input::Socket(SocketEvent::Closed))]),
        "{events:?}"
    );
    assert!(is_up(&first_link_events(&address, KeyTrust::Unknown, Resolver::System).await));
    server.shutdown().await;
}

#[tokio::test]
async fn an_invitations_key_is_the_only_one_accepted_until_another_invitation() {
    let directory = tempfile::tempdir().unwrap();
    let one = KeyedServer::start(directory.path(), "one", ANY_PORT).await;
    let (at, address) = (one.at(), one.address());
    let (control, mut messages) = run(directory.path(), Resolver::System).await;
    use_server(&control, &one.invitation()).await;
    let app = until(&mut messages, "the server is chosen", app_with_problem(None)).await;
    log_in(&control, "Ana").await;
    until(&mut messages, "Ana is logged in", logged_in).await;
    let kept = SettingsFile::in_directory(directory.path()).read().into_settings();
    assert_eq!(kept.pinned_servers.get(&at.to_string()), Some(&one.key()));
    assert!(kept.known_servers.is_empty());
    drop(app);

    // Another server in its place, with another key.
    one.server.shutdown().await;
    let other = KeyedServer::start(directory.path(), "other", at).await;
    let problem = app_with_problem(Some(AppProblem::ServerKeyWrong));
    let app = until(&mut messages, "the wrong key is reported", &problem).await;
    assert_eq!(app.invitation, Some(format!("{address}/#key={}", one.pin)));
    assert_eq!(app.server, ServerChoice::Other { address: format!("{address}/#key={}", one.pin) });
    // Entering the address again does not forget a key from an invitation.
    use_server(&control, &address).await;
    until(&mut messages, "the server is chosen", app_with_problem(None)).await;
    until(&mut messages, "the wrong key is reported again", &problem).await;
    // Another invitation does.
    use_server(&control, &other.invitation()).await;
    until(&mut messages, "Ana is logged in again", logged_in).await;
    assert_eq!(
        SettingsFile::in_directory(directory.path()).read().into_settings().pinned_servers.get(&at.to_string()),
        Some(&other.key())
    );
    control.stop().await;
    other.server.shutdown().await;
}

#[tokio::test]
async fn an_invitation_with_a_wrong_key_gives_no_connection_and_is_not_stored() {
    let directory = tempfile::tempdir().unwrap();
    let one = KeyedServer::start(directory.path(), "one", ANY_PORT).await;
    let (control, mut messages) = run(directory.path(), Resolver::System).await;
    use_server(&control, &format!("{}/#key={}", one.address(), other_pin())).await;
    log_in(&control, "Ana").await;
    until(&mut messages, "the wrong key is reported", app_with_problem(Some(AppProblem::ServerKeyWrong))).await;
    let kept = SettingsFile::in_directory(directory.path()).read().into_settings();
    assert!(kept.pinned_servers.is_empty() && kept.known_servers.is_empty());
    use_server(&control, &format!("{}/#key=half", one.address())).await;
    until(&mut messages, "an incomplete key is rejected", app_with_problem(Some(AppProblem::AddressInvalid))).await;
    use_server(&control, &one.invitation()).await;
    until(&mut messages, "Ana is logged in", logged_in).await;
    control.stop().await;
    one.server.shutdown().await;
}

#[tokio::test]
async fn a_changed_first_use_key_is_reported_and_forgotten_when_the_address_is_entered_again() {
    let directory = tempfile::tempdir().unwrap();
    let one = KeyedServer::start(directory.path(), "one", ANY_PORT).await;
    let (at, address) = (one.at(), one.address());
    let (control, mut messages) = run(directory.path(), Resolver::System).await;
    use_server(&control, &address).await;
    log_in(&control, "Ana").await;
    until(&mut messages, "Ana is logged in", logged_in).await;
    assert_eq!(
        SettingsFile::in_directory(directory.path()).read().into_settings().known_servers.get(&at.to_string()),
        Some(&one.key())
    );

    one.server.shutdown().await;
    let other = KeyedServer::start(directory.path(), "other", at).await;
    let app =
        until(&mut messages, "the changed key is reported", app_with_problem(Some(AppProblem::ServerKeyChanged))).await;
    // The invitation contains the known key; the address field does not, so that entering it again forgets the key.
    assert_eq!(app.invitation, Some(format!("{address}/#key={}", one.pin)));
    assert_eq!(app.server, ServerChoice::Other { address: address.clone() });
    use_server(&control, &address).await;
    until(&mut messages, "Ana is logged in again", logged_in).await;
    assert_eq!(
        SettingsFile::in_directory(directory.path()).read().into_settings().known_servers.get(&at.to_string()),
        Some(&other.key())
    );
    control.stop().await;
    other.server.shutdown().await;
}

#[tokio::test]
async fn a_call_link_may_add_a_key_but_never_replace_one() {
    let directory = tempfile::tempdir().unwrap();
    let one = KeyedServer::start(directory.path(), "one", ANY_PORT).await;
    let (control, mut messages) = run(directory.path(), Resolver::System).await;
    log_in(&control, "Ana").await;
    until(&mut messages, "Ana is logged in on her own server", logged_in).await;
    let link = |key: &str| format!("hutong://call/Bo?server={}/#key={key}", one.address());
    let pending_link = |message: &HostToPage| match message {
        HostToPage::App(app) => app.call_link.clone(),
        _ => None,
    };

    // An unknown server: the link's key is used and stored.
    control.open_link(link(&one.pin)).await;
    let pending = until(&mut messages, "the call link", pending_link).await;
    assert_eq!((pending.server.as_str(), pending.stage), (one.address().as_str(), CallLinkStage::AwaitingConfirmation));
    control.page_message(PageToHost::App(AppCommand::ConfirmCallLink { link: pending, media: MediaKind::Video })).await;
    until(&mut messages, "Ana is logged in there", logged_in).await;
    let pinned = |directory: &Path| {
        SettingsFile::in_directory(directory).read().into_settings().pinned_servers.get(&one.at().to_string()).cloned()
    };
    assert_eq!(pinned(directory.path()), Some(one.key()));

    // A known server: the link is rejected.
    control.open_link(link(&other_pin())).await;
    let app = until(&mut messages, "the key conflict", app_with_problem(Some(AppProblem::LinkKeyDiffers))).await;
    assert!(app.call_link.is_none_or(|link| link.stage == CallLinkStage::AwaitingConfirmation));
    assert_eq!(pinned(directory.path()), Some(one.key()));
    control.stop().await;
    one.server.shutdown().await;
}

#[tokio::test]
async fn an_app_joins_a_shared_server_by_its_shown_address() {
    let (anas_directory, bos_directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ana, mut anas) = run(anas_directory.path(), Resolver::System).await;
    ana.page_message(PageToHost::App(AppCommand::Share { on: true })).await;
    let embedded = until(&mut anas, "the server is shared", |message| match message {
        HostToPage::App(app) => app.embedded.clone().filter(|embedded| embedded.shared),
        _ => None,
    })
    .await;
    assert_eq!(embedded.fingerprint.as_ref().map(|text| text.split(':').count()), Some(32));
    let Some(address) = embedded.addresses.first() else {
        eprintln!("skipped: this machine has only loopback addresses");
        return;
    };
    assert!(address.contains("/#key="), "{address}");
    let (bo, mut bos) = run(bos_directory.path(), Resolver::System).await;
    use_server(&bo, address).await;
    log_in(&bo, "Bo").await;
    until(&mut bos, "Bo is logged in", logged_in).await;
    assert_eq!(SettingsFile::in_directory(bos_directory.path()).read().into_settings().pinned_servers.len(), 1);
    bo.stop().await;
    ana.page_message(PageToHost::App(AppCommand::Share { on: false })).await;
    let closed = until(&mut anas, "the server is closed again", |message| match message {
        HostToPage::App(app) => app.embedded.clone().filter(|embedded| !embedded.shared),
        _ => None,
    })
    .await;
    assert_eq!((closed.fingerprint, closed.addresses), (None, Vec::new()));
    ana.stop().await;
}
