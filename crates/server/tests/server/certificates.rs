//! Certificates that are replaced while the server runs.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use hutong_protocol::{ClientMessage, MediaKind, ServerMessage};
use hutong_server::{ReloadOutcome, Tls, TlsError};

use crate::common::{
    TestClient, http_request_over, start_server_with,
    test_ca::{IssuedCert, TestCa},
    tls_connect, tls_connect_trusting, with_timeout,
};

const NAME: &str = "hutong.test";

/// Certificate files behind a symbolic link that is switched to a newer version, as certbot does.
struct LiveCert {
    directory: tempfile::TempDir,
    certificate: PathBuf,
    key: PathBuf,
}

impl LiveCert {
    fn new(first: &IssuedCert) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let live = directory.path().join("live");
        let this = Self { directory, certificate: live.join("cert.pem"), key: live.join("key.pem") };
        this.switch_to("first", first);
        this
    }

    fn tls(&self) -> Tls {
        Tls::from_pem_files(&self.certificate, &self.key).unwrap()
    }

    fn switch_to(&self, version: &str, cert: &IssuedCert) {
        let (at, live) = (self.directory.path().join(version), self.directory.path().join("live"));
        fs::create_dir(&at).unwrap();
        fs::write(at.join("cert.pem"), &cert.certificate).unwrap();
        fs::write(at.join("key.pem"), &cert.key).unwrap();
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

/// The certificate (DER) that a new connection receives.
async fn served_cert(address: SocketAddr, ca: &TestCa) -> Vec<u8> {
    let stream = tls_connect_trusting(address, &ca.certificate, NAME).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

async fn log_in(address: SocketAddr, ca: &TestCa, name: &str) -> TestClient {
    let stream = tls_connect_trusting(address, &ca.certificate, NAME).await.unwrap();
    let url = format!("wss://{NAME}:{}/ws", address.port());
    let headers = [("sec-websocket-protocol", "hutong.v1")];
    let mut client = TestClient::open_over(Box::new(stream), &url, &headers).await.unwrap();
    client.send(&ClientMessage::Hello { name: name.into(), resume: None, secret: None, replace: false }).await;
    client
}

#[tokio::test]
async fn new_connections_get_a_changed_certificate_and_open_ones_continue() {
    let ca = TestCa::new();
    let live = LiveCert::new(&ca.issue(NAME));
    let tls = live.tls().with_poll_interval(Duration::from_millis(50));
    let server = start_server_with(|options| options.tls = Some(tls.clone())).await;
    let address = server.local_addr();
    let mut ana = log_in(address, &ca, "Ana").await;
    ana.expect_welcome().await;
    let (first, fingerprint) = (served_cert(address, &ca).await, tls.fingerprint());

    live.switch_to("second", &ca.issue(NAME));
    with_timeout("new certificate", tls.until_replaced(fingerprint.as_deref())).await;
    let second = served_cert(address, &ca).await;
    assert_ne!(second, first);
    assert_eq!(Some(second), tls.certificate_der());
    let mut bo = log_in(address, &ca, "Bo").await;
    let to = bo.expect_welcome().await.me.token;
    ana.send(&ClientMessage::Offering { to, media: MediaKind::Voice }).await;
    ana.wait_for(|message| matches!(message, ServerMessage::Ringing { .. }).then_some(())).await;
}

#[tokio::test]
async fn an_invalid_certificate_or_key_leaves_the_previous_one_in_use() {
    let ca = TestCa::new();
    let live = LiveCert::new(&ca.issue(NAME));
    let tls = live.tls();
    let server = start_server_with(|options| options.tls = Some(tls.clone())).await;
    let first = served_cert(server.local_addr(), &ca).await;
    let (one, other) = (ca.issue(NAME), ca.issue(NAME));
    let with_certificate = |certificate: &str| IssuedCert { certificate: certificate.to_owned(), ..one.clone() };
    let with_key = |key: &str| IssuedCert { key: key.to_owned(), ..one.clone() };
    for (problem, pair) in [
        ("key of another certificate", with_key(&other.key)),
        ("no key", with_key("")),
        ("no certificate", with_certificate("")),
        ("half a certificate", with_certificate(&one.certificate[..one.certificate.len() / 2])),
        ("no DER", with_certificate("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")),
    ] {
        live.switch_to(problem, &pair);
        let result = tls.reload().await;
        assert!(matches!(result, Err(TlsError::Unusable(_) | TlsError::Pem(_))), "{problem}: {result:?}");
        assert_eq!(served_cert(server.local_addr(), &ca).await, first, "{problem}");
    }
    fs::remove_file(&live.key).unwrap();
    assert!(matches!(tls.reload().await, Err(TlsError::File(..))));
    assert_eq!(served_cert(server.local_addr(), &ca).await, first);

    live.switch_to("good", &one);
    assert_eq!(tls.reload().await.unwrap(), ReloadOutcome::Changed);
    assert_eq!(tls.reload().await.unwrap(), ReloadOutcome::Unchanged);
    assert_ne!(served_cert(server.local_addr(), &ca).await, first);
}

#[tokio::test]
async fn a_self_signed_certificate_about_to_expire_is_renewed_with_the_same_key() {
    let directory = tempfile::tempdir().unwrap();
    let tls = Tls::self_signed(directory.path(), &[]).unwrap().with_poll_interval(Duration::from_millis(50));
    let server = start_server_with(|options| options.tls = Some(tls.clone())).await;
    let stream = tls_connect(server.local_addr(), &tls, "localhost").await.unwrap();
    let (fingerprint, key) = (tls.fingerprint(), tls.key_to_pin());
    assert!(key.is_some());

    // A header line of the file has the expiry.
    let file = directory.path().join("certificate.pem");
    let text = fs::read_to_string(&file).unwrap();
    let expiry = text.lines().find(|line| line.starts_with("ends: ")).unwrap();
    fs::write(&file, text.replace(expiry, "ends: 1000000000")).unwrap();
    with_timeout("new certificate", tls.until_replaced(fingerprint.as_deref())).await;
    assert_eq!(tls.key_to_pin(), key);
    assert_eq!(http_request_over(stream, "localhost", "GET /healthz", &[]).await.text(), "ok");
    tls_connect(server.local_addr(), &tls, "localhost").await.unwrap();
}

#[test]
fn only_the_key_of_a_self_signed_certificate_is_offered_for_pinning() {
    let directory = tempfile::tempdir().unwrap();
    let self_signed = Tls::self_signed(directory.path(), &[]).unwrap();
    assert!(!self_signed.is_ca_issued() && self_signed.key_to_pin().is_some());
    let ca_issued = TestCa::new().issue(NAME).tls(directory.path());
    assert!(ca_issued.is_ca_issued() && ca_issued.key_to_pin().is_none());
    // A self-signed certificate from files.
    let text = fs::read_to_string(directory.path().join("certificate.pem")).unwrap();
    let in_files = IssuedCert { certificate: text.clone(), key: text }.tls(directory.path());
    assert!(!in_files.is_ca_issued());
    assert_eq!(in_files.key_to_pin(), self_signed.key_to_pin());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn sighup_reloads_the_certificate_and_logs_an_error() {
    let ca = TestCa::new();
    let live = LiveCert::new(&ca.issue(NAME));
    let (certificate, key) = (live.certificate.to_str().unwrap(), live.key.to_str().unwrap());
    let program = crate::common::program::ServerProgram::start(&["--tls-cert", certificate, "--tls-key", key]).await;
    program.wait_for_log("certificate loaded", 1).await;
    let first = served_cert(program.address, &ca).await;

    live.switch_to("broken", &IssuedCert { key: ca.issue(NAME).key, ..ca.issue(NAME) });
    program.signal("-HUP").await;
    program.wait_for_log("the previous certificate stays in use", 1).await;
    assert_eq!(served_cert(program.address, &ca).await, first);
    live.switch_to("good", &ca.issue(NAME));
    program.signal("-HUP").await;
    program.wait_for_log("certificate changed; new connections use it", 1).await;
    assert_ne!(served_cert(program.address, &ca).await, first);
}
