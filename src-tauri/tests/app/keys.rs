//! Which key a server has to show: the app against real servers on loopback, with keys that were pinned, met, or neither.

use std::{net::SocketAddr, path::Path};

use hutong_app::{
    driver::Event,
    network::Names,
    settings::File,
    tls::{Fingerprint, Trust},
};
use hutong_core::{
    Input, LinkEvent,
    app::{AppCommand, AppProblem, FromUi, OfferStep, ServerChoice, ToUi},
};
use hutong_server::{Options, Server, Tls};

use crate::common::{ANY_PORT, LOOPBACK, first, log_in, logged_in, names, run, tells_of, until, use_server};

/// A server with a key that is kept under this name.
struct Keyed {
    server: Server,
    /// As an invitation writes it.
    pin: String,
}

impl Keyed {
    async fn start(directory: &Path, name: &str, on: SocketAddr) -> Self {
        let tls = Tls::self_signed(&directory.join(name), &[]).unwrap();
        let pin = tls.key_to_pin().unwrap();
        let server = Server::bind(Options { tls: Some(tls), ..Options::listen_on(on) }).await.unwrap();
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

    fn key(&self) -> Fingerprint {
        Fingerprint::from_pin(&self.pin).unwrap()
    }
}

/// Another key than any server's, as an invitation writes it.
fn another() -> String {
    Fingerprint::of(b"another key").to_pin().unwrap()
}

fn is_up(events: &[Event]) -> bool {
    matches!(events, [Event::Input(Input::Link(LinkEvent::Up))])
}

fn is_another_key(events: &[Event]) -> bool {
    matches!(events, [Event::AnotherKey, Event::Input(Input::Link(LinkEvent::Down))])
}

#[tokio::test]
async fn a_key_that_is_known_is_the_only_one_that_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let one = Keyed::start(directory.path(), "one", ANY_PORT).await;
    let wrong = Fingerprint::of(b"another key");
    let address = one.address();
    let link = |trust: Trust| first(&address, trust, Names::System);

    let events = link(Trust::Unknown).await;
    let [Event::FirstMet(met, Input::Link(LinkEvent::Up))] = &events[..] else { panic!("{events:?}") };
    assert_eq!(*met, one.key());
    for (trust, is_right) in [
        (Trust::Met(one.key()), true),
        (Trust::Pinned(one.key()), true),
        (Trust::Met(wrong.clone()), false),
        (Trust::Pinned(wrong), false),
    ] {
        let events = link(trust.clone()).await;
        assert!(if is_right { is_up(&events) } else { is_another_key(&events) }, "{trust:?}: {events:?}");
    }
    one.server.shutdown().await;
}

#[tokio::test]
async fn a_pin_vouches_for_a_server_outside_the_own_network_too() {
    let directory = tempfile::tempdir().unwrap();
    let one = Keyed::start(directory.path(), "one", ANY_PORT).await;
    let address = format!("https://calls.example:{}", one.at().port());
    let link = |trust: Trust| first(&address, trust, names("calls.example", &[LOOPBACK]));
    assert!(is_up(&link(Trust::Pinned(one.key())).await));
    assert!(is_another_key(&link(Trust::Pinned(Fingerprint::of(b"another key"))).await));
    let events = link(Trust::Unknown).await;
    assert!(matches!(events[..], [Event::Input(Input::Link(LinkEvent::Down))]), "{events:?}");
    one.server.shutdown().await;
}

#[tokio::test]
async fn a_server_whose_key_is_pinned_is_not_spoken_to_in_the_clear() {
    let server = Server::bind(Options::listen_on(ANY_PORT)).await.unwrap();
    let address = format!("http://{}", server.local_addr());
    let events = first(&address, Trust::Pinned(Fingerprint::of(b"a key")), Names::System).await;
    assert!(matches!(events[..], [Event::NotSecure, Event::Input(Input::Link(LinkEvent::Down))]), "{events:?}");
    assert!(is_up(&first(&address, Trust::Unknown, Names::System).await));
    server.shutdown().await;
}

#[tokio::test]
async fn who_joins_by_an_invitation_meets_that_server_and_no_other_ever_after() {
    let directory = tempfile::tempdir().unwrap();
    let one = Keyed::start(directory.path(), "one", ANY_PORT).await;
    let (at, address) = (one.at(), one.address());
    let (control, mut heard) = run(directory.path(), Names::System).await;
    use_server(&control, &one.invitation()).await;
    let app = until(&mut heard, "the server is chosen", tells_of(None)).await;
    log_in(&control, "Ana").await;
    until(&mut heard, "Ana is in", logged_in).await;
    let kept = File::within(directory.path()).read();
    assert_eq!(kept.pinned_servers.get(&at.to_string()), Some(&one.key()));
    assert!(kept.known_servers.is_empty());
    drop(app);

    // Another server in its place, with another key.
    one.server.shutdown().await;
    let other = Keyed::start(directory.path(), "other", at).await;
    let problem = tells_of(Some(AppProblem::ServerKeyWrong));
    let app = until(&mut heard, "the other key is told", &problem).await;
    assert_eq!(app.invitation, Some(format!("{address}/#key={}", one.pin)));
    assert_eq!(app.server, ServerChoice::Other { address: format!("{address}/#key={}", one.pin) });
    // To enter the address anew does not forget a key that an invitation told.
    use_server(&control, &address).await;
    until(&mut heard, "the choice is taken", tells_of(None)).await;
    until(&mut heard, "the other key is told again", &problem).await;
    // Another invitation does.
    use_server(&control, &other.invitation()).await;
    until(&mut heard, "Ana is in again", logged_in).await;
    assert_eq!(File::within(directory.path()).read().pinned_servers.get(&at.to_string()), Some(&other.key()));
    control.stop().await;
    other.server.shutdown().await;
}

#[tokio::test]
async fn an_invitation_with_another_key_leads_nowhere_and_is_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let one = Keyed::start(directory.path(), "one", ANY_PORT).await;
    let (control, mut heard) = run(directory.path(), Names::System).await;
    use_server(&control, &format!("{}/#key={}", one.address(), another())).await;
    log_in(&control, "Ana").await;
    until(&mut heard, "the wrong key is told", tells_of(Some(AppProblem::ServerKeyWrong))).await;
    let kept = File::within(directory.path()).read();
    assert!(kept.pinned_servers.is_empty() && kept.known_servers.is_empty());
    use_server(&control, &format!("{}/#key=half", one.address())).await;
    until(&mut heard, "half a key is no address", tells_of(Some(AppProblem::AddressInvalid))).await;
    use_server(&control, &one.invitation()).await;
    until(&mut heard, "Ana is in", logged_in).await;
    control.stop().await;
    one.server.shutdown().await;
}

#[tokio::test]
async fn a_key_that_was_met_and_changed_is_told_and_entering_the_address_again_forgets_it() {
    let directory = tempfile::tempdir().unwrap();
    let one = Keyed::start(directory.path(), "one", ANY_PORT).await;
    let (at, address) = (one.at(), one.address());
    let (control, mut heard) = run(directory.path(), Names::System).await;
    use_server(&control, &address).await;
    log_in(&control, "Ana").await;
    until(&mut heard, "Ana is in", logged_in).await;
    assert_eq!(File::within(directory.path()).read().known_servers.get(&at.to_string()), Some(&one.key()));

    one.server.shutdown().await;
    let other = Keyed::start(directory.path(), "other", at).await;
    let app = until(&mut heard, "the change is told", tells_of(Some(AppProblem::ServerKeyChanged))).await;
    // Others are handed the key that was met; the field has the address alone, so that entering it again forgets the key.
    assert_eq!(app.invitation, Some(format!("{address}/#key={}", one.pin)));
    assert_eq!(app.server, ServerChoice::Other { address: address.clone() });
    use_server(&control, &address).await;
    until(&mut heard, "Ana is in again", logged_in).await;
    assert_eq!(File::within(directory.path()).read().known_servers.get(&at.to_string()), Some(&other.key()));
    control.stop().await;
    other.server.shutdown().await;
}

#[tokio::test]
async fn a_link_may_tell_a_key_and_never_changes_one() {
    let directory = tempfile::tempdir().unwrap();
    let one = Keyed::start(directory.path(), "one", ANY_PORT).await;
    let (control, mut heard) = run(directory.path(), Names::System).await;
    log_in(&control, "Ana").await;
    until(&mut heard, "Ana is in on her own server", logged_in).await;
    let link = |key: &str| format!("hutong://call/Bo?server={}/#key={key}", one.address());
    let offered = |told: &ToUi| match told {
        ToUi::App(app) => app.offer.clone(),
        _ => None,
    };

    // For a server that nobody knows: followed, and kept.
    control.open_link(link(&one.pin)).await;
    let offer = until(&mut heard, "the offer", offered).await;
    assert_eq!((offer.server.as_str(), offer.step), (one.address().as_str(), OfferStep::Asking));
    control.hear(FromUi::App(AppCommand::TakeOffer { offer })).await;
    until(&mut heard, "Ana is in there", logged_in).await;
    let pinned = |directory: &Path| File::within(directory).read().pinned_servers.get(&one.at().to_string()).cloned();
    assert_eq!(pinned(directory.path()), Some(one.key()));

    // For one that is known: not followed.
    control.open_link(link(&another())).await;
    let app = until(&mut heard, "the contradiction", tells_of(Some(AppProblem::LinkKeyDiffers))).await;
    assert!(app.offer.is_none_or(|offer| offer.step == OfferStep::Asking));
    assert_eq!(pinned(directory.path()), Some(one.key()));
    control.stop().await;
    one.server.shutdown().await;
}

#[tokio::test]
async fn two_apps_meet_by_the_address_that_one_of_them_shows() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ana, mut anas) = run(here.path(), Names::System).await;
    ana.hear(FromUi::App(AppCommand::Share { on: true })).await;
    let embedded = until(&mut anas, "the server is shared", |told| match told {
        ToUi::App(app) => app.embedded.clone().filter(|embedded| embedded.shared),
        _ => None,
    })
    .await;
    assert_eq!(embedded.fingerprint.as_ref().map(|text| text.split(':').count()), Some(32));
    let Some(address) = embedded.addresses.first() else {
        eprintln!("this machine has no address but loopback: nothing to see here");
        return;
    };
    assert!(address.contains("/#key="), "{address}");
    let (bo, mut bos) = run(there.path(), Names::System).await;
    use_server(&bo, address).await;
    log_in(&bo, "Bo").await;
    until(&mut bos, "Bo is in", logged_in).await;
    assert_eq!(File::within(there.path()).read().pinned_servers.len(), 1);
    bo.stop().await;
    ana.hear(FromUi::App(AppCommand::Share { on: false })).await;
    let closed = until(&mut anas, "the server is closed again", |told| match told {
        ToUi::App(app) => app.embedded.clone().filter(|embedded| !embedded.shared),
        _ => None,
    })
    .await;
    assert_eq!((closed.fingerprint, closed.addresses), (None, Vec::new()));
    ana.stop().await;
}
