//! Certificates that change while the server runs.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use hutong_protocol::{ClientMessage, MediaKind, ServerMessage};
use hutong_server::{Reloaded, Tls, TlsError};

use crate::common::{
    Client,
    authority::{Authority, Signed},
    http_over, server_with, soon, tls_connect, tls_connect_trusting,
};

const NAME: &str = "hutong.test";

/// A directory with a certificate, reached by a symbolic link that is turned to a newer one, as certbot does it.
struct Live {
    directory: tempfile::TempDir,
    certificate: PathBuf,
    key: PathBuf,
}

impl Live {
    fn new(first: &Signed) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let live = directory.path().join("live");
        let this = Self { directory, certificate: live.join("cert.pem"), key: live.join("key.pem") };
        this.turn_to("first", first);
        this
    }

    fn tls(&self) -> Tls {
        Tls::from_pem_files(&self.certificate, &self.key).unwrap()
    }

    fn turn_to(&self, version: &str, signed: &Signed) {
        let (at, live) = (self.directory.path().join(version), self.directory.path().join("live"));
        fs::create_dir(&at).unwrap();
        fs::write(at.join("cert.pem"), &signed.certificate).unwrap();
        fs::write(at.join("key.pem"), &signed.key).unwrap();
        link(&at, &live.with_extension("new"));
        fs::rename(live.with_extension("new"), live).unwrap();
    }
}

#[cfg(unix)]
fn link(to: &Path, at: &Path) {
    std::os::unix::fs::symlink(to, at).unwrap();
}

#[cfg(windows)]
fn link(to: &Path, at: &Path) {
    std::os::windows::fs::symlink_dir(to, at).unwrap();
}

/// The certificate that a new connection is shown.
async fn shown(address: SocketAddr, authority: &Authority) -> Vec<u8> {
    let stream = tls_connect_trusting(address, &authority.certificate, NAME).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

async fn log_in(address: SocketAddr, authority: &Authority, name: &str) -> Client {
    let stream = tls_connect_trusting(address, &authority.certificate, NAME).await.unwrap();
    let url = format!("wss://{NAME}:{}/ws", address.port());
    let headers = [("sec-websocket-protocol", "hutong.v1")];
    let mut client = Client::open_over(Box::new(stream), &url, &headers).await.unwrap();
    client.send(&ClientMessage::Hello { name: name.into(), resume: None, secret: None }).await;
    client
}

#[tokio::test]
async fn new_connections_are_shown_a_changed_file_and_old_ones_live_on() {
    let authority = Authority::new();
    let live = Live::new(&authority.sign(NAME));
    let tls = live.tls().looked_at_every(Duration::from_millis(50));
    let server = server_with(|options| options.tls = Some(tls.clone())).await;
    let address = server.local_addr();
    let mut ana = log_in(address, &authority, "Ana").await;
    ana.welcome().await;
    let (first, fingerprint) = (shown(address, &authority).await, tls.fingerprint());

    live.turn_to("second", &authority.sign(NAME));
    soon("the new certificate", tls.until_not(fingerprint.as_deref())).await;
    let second = shown(address, &authority).await;
    assert_ne!(second, first);
    assert_eq!(Some(second), tls.certificate_der());
    let mut bo = log_in(address, &authority, "Bo").await;
    let to = bo.welcome().await.me.token;
    ana.send(&ClientMessage::Offering { to, media: MediaKind::Voice }).await;
    ana.wait_for(|message| matches!(message, ServerMessage::Ringing { .. }).then_some(())).await;
}

#[tokio::test]
async fn a_pair_that_does_not_fit_changes_nothing() {
    let authority = Authority::new();
    let live = Live::new(&authority.sign(NAME));
    let tls = live.tls();
    let server = server_with(|options| options.tls = Some(tls.clone())).await;
    let first = shown(server.local_addr(), &authority).await;
    let (one, other) = (authority.sign(NAME), authority.sign(NAME));
    let with_certificate = |certificate: &str| Signed { certificate: certificate.to_owned(), ..one.clone() };
    let with_key = |key: &str| Signed { key: key.to_owned(), ..one.clone() };
    for (what, pair) in [
        ("another's key", with_key(&other.key)),
        ("no key", with_key("")),
        ("no certificate", with_certificate("")),
        ("half a certificate", with_certificate(&one.certificate[..one.certificate.len() / 2])),
        ("no DER", with_certificate("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")),
    ] {
        live.turn_to(what, &pair);
        let read = tls.reload().await;
        assert!(matches!(read, Err(TlsError::Use(_) | TlsError::Pem(_))), "{what}: {read:?}");
        assert_eq!(shown(server.local_addr(), &authority).await, first, "{what}");
    }
    fs::remove_file(&live.key).unwrap();
    assert!(matches!(tls.reload().await, Err(TlsError::File(..))));
    assert_eq!(shown(server.local_addr(), &authority).await, first);

    live.turn_to("good", &one);
    assert_eq!(tls.reload().await.unwrap(), Reloaded::Changed);
    assert_eq!(tls.reload().await.unwrap(), Reloaded::Unchanged);
    assert_ne!(shown(server.local_addr(), &authority).await, first);
}

#[tokio::test]
async fn a_certificate_of_its_own_that_is_about_to_end_is_made_anew_with_the_same_key() {
    let directory = tempfile::tempdir().unwrap();
    let tls = Tls::self_signed(directory.path(), &[]).unwrap().looked_at_every(Duration::from_millis(50));
    let server = server_with(|options| options.tls = Some(tls.clone())).await;
    let stream = tls_connect(server.local_addr(), &tls, "localhost").await.unwrap();
    let (fingerprint, key) = (tls.fingerprint(), tls.key_to_pin());
    assert!(key.is_some());

    // The text above the certificate says when it ends.
    let file = directory.path().join("certificate.pem");
    let text = fs::read_to_string(&file).unwrap();
    let ends = text.lines().find(|line| line.starts_with("ends: ")).unwrap();
    fs::write(&file, text.replace(ends, "ends: 1000000000")).unwrap();
    soon("the new certificate", tls.until_not(fingerprint.as_deref())).await;
    assert_eq!(tls.key_to_pin(), key);
    assert_eq!(http_over(stream, "localhost", "GET /healthz", &[]).await.text(), "ok");
    tls_connect(server.local_addr(), &tls, "localhost").await.unwrap();
}

#[test]
fn only_a_key_that_stays_is_offered_for_pinning() {
    let directory = tempfile::tempdir().unwrap();
    let own = Tls::self_signed(directory.path(), &[]).unwrap();
    assert!(!own.is_vouched_for() && own.key_to_pin().is_some());
    let by_another = Authority::new().sign(NAME).tls(directory.path());
    assert!(by_another.is_vouched_for() && by_another.key_to_pin().is_none());
    // Its own, but in files.
    let text = fs::read_to_string(directory.path().join("certificate.pem")).unwrap();
    let in_files = Signed { certificate: text.clone(), key: text }.tls(directory.path());
    assert!(!in_files.is_vouched_for());
    assert_eq!(in_files.key_to_pin(), own.key_to_pin());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_program_looks_again_on_a_hangup_and_says_what_is_wrong() {
    let authority = Authority::new();
    let live = Live::new(&authority.sign(NAME));
    let (certificate, key) = (live.certificate.to_str().unwrap(), live.key.to_str().unwrap());
    let program = crate::common::program::Program::start(&["--tls-cert", certificate, "--tls-key", key]).await;
    program.until_said("fingerprint, as browsers show it", 1).await;
    let first = shown(program.address, &authority).await;

    live.turn_to("broken", &Signed { key: authority.sign(NAME).key, ..authority.sign(NAME) });
    program.signal("-HUP").await;
    program.until_said("the old one is shown on", 1).await;
    assert_eq!(shown(program.address, &authority).await, first);
    live.turn_to("good", &authority.sign(NAME));
    program.signal("-HUP").await;
    program.until_said("are shown another certificate", 1).await;
    assert_ne!(shown(program.address, &authority).await, first);
}
