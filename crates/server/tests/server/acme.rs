//! ACME end to end, against pebble, the test server of Let's Encrypt (in Debian).
//!
//! Pebble checks signatures and nonces like a real authority, and validates the challenge over a connection to the server.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use hutong_server::{AcmeOptions, Tls, TlsError};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{self, ClientConfig, RootCertStore, pki_types::CertificateDer, pki_types::pem::PemObject},
};

use crate::common::{
    http_request, http_request_over, program::ServerProgram, start_server_with, test_ca::TestCa, tls_connect_trusting,
    with_timeout,
};

const NAME: &str = "calls.hutong.test";

/// Ports that are free at the moment. Pebble cannot select free ports itself.
fn free_ports<const N: usize>() -> [u16; N] {
    let sockets = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    sockets.map(|socket| socket.local_addr().unwrap().port())
}

/// An address on loopback.
const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Whether pebble is installed. Panics in CI, where it always has to be.
fn is_installed() -> bool {
    let installed = ["pebble", "pebble-challtestsrv"].iter().all(|program| {
        std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|at| at.join(program).is_file()))
    });
    assert!(installed || std::env::var_os("CI").is_none(), "pebble is not installed");
    if !installed {
        eprintln!("skipped: pebble is not installed");
    }
    installed
}

/// Pebble and its DNS server. Its ports and root certificate are fixed before it starts.
struct Pebble {
    directory: tempfile::TempDir,
    /// CA of pebble's own https certificate.
    ca: TestCa,
    port: u16,
    management: u16,
    running: Vec<Child>,
}

impl Pebble {
    fn new() -> Self {
        let [port, management] = free_ports();
        let (directory, ca) = (tempfile::tempdir().unwrap(), TestCa::new());
        fs::write(directory.path().join("root.pem"), ca.pem()).unwrap();
        Self { directory, ca, port, management, running: Vec::new() }
    }

    fn url(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.port)
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("root.pem")
    }

    fn options(&self, cache: &Path) -> AcmeOptions {
        AcmeOptions {
            names: vec![NAME.to_owned()],
            contacts: vec!["ana@hutong.test".to_owned()],
            directory: cache.to_owned(),
            authority: self.url(),
            roots: Some(self.root()),
        }
    }

    /// Starts pebble. Every name resolves to loopback, and validations connect to this port there.
    async fn start(&mut self, challenges: u16) {
        let directory = self.directory.path().to_owned();
        let at = |name: &str| directory.join(name);
        let https = self.ca.issue("127.0.0.1");
        fs::write(at("cert.pem"), https.certificate).unwrap();
        fs::write(at("key.pem"), https.key).unwrap();
        let config = serde_json::json!({"pebble": {
            "listenAddress": local(self.port), "managementListenAddress": local(self.management),
            "certificate": at("cert.pem"), "privateKey": at("key.pem"),
            "httpPort": challenges, "tlsPort": challenges, "externalAccountBindingRequired": false,
        }});
        fs::write(at("config.json"), config.to_string()).unwrap();
        let [names, names_management] = free_ports();
        let mut resolver = Command::new("pebble-challtestsrv");
        resolver.args(["-dns01", &local(names).to_string(), "-management", &local(names_management).to_string()]);
        resolver.args(["-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", ""]);
        self.run(resolver, names).await;
        let mut pebble = Command::new("pebble");
        pebble.arg("-config").arg(at("config.json")).args(["-strict", "-dnsserver", &local(names).to_string()]);
        // No artificial delays, and no rejection of valid nonces, which pebble does at random by default.
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0");
        self.run(pebble, self.port).await;
    }

    /// Starts a program, and waits until it listens on this port.
    async fn run(&mut self, mut command: Command, port: u16) {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        self.running.push(command.spawn().unwrap());
        let listens = async {
            // Polled: pebble logs that it listens before it does.
            while TcpStream::connect(local(port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        with_timeout("pebble to listen", listens).await;
    }

    /// Root certificate (DER) of the certificates that pebble issues.
    async fn issuing_root(&self) -> Vec<u8> {
        let stream = tls_connect_trusting(local(self.management), &self.ca.certificate, "127.0.0.1").await.unwrap();
        let response = http_request_over(stream, "127.0.0.1", "GET /roots/0", &[]).await;
        CertificateDer::from_pem_slice(&response.body).unwrap().to_vec()
    }
}

/// Connects like a TLS-ALPN-01 validation.
async fn connect_as_validation(address: SocketAddr) -> std::io::Result<()> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let stream = TcpStream::connect(address).await?;
    let connector = TlsConnector::from(Arc::new(config));
    with_timeout("TLS handshake", connector.connect(NAME.try_into().unwrap(), stream)).await.map(drop)
}

#[tokio::test]
async fn a_certificate_is_ordered_installed_and_reused_after_a_restart() {
    if !is_installed() {
        return;
    }
    let (mut pebble, cache) = (Pebble::new(), tempfile::tempdir().unwrap());
    let tls = Tls::acme(pebble.options(cache.path())).unwrap();
    let server = start_server_with(|options| options.tls = Some(tls.clone())).await;
    let address = server.local_addr();
    // The authority is not running yet. Plain http works already.
    assert_eq!(http_request(address, "GET /healthz", &[]).await.text(), "ok");
    assert_eq!((tls.fingerprint(), tls.key_to_pin()), (None, None));
    assert!(tls_connect_trusting(address, &pebble.ca.certificate, NAME).await.is_err());

    pebble.start(address.port()).await;
    tls.reload().await.unwrap();
    with_timeout("certificate", tls.until_replaced(None)).await;
    let root = pebble.issuing_root().await;
    let stream = tls_connect_trusting(address, &root, NAME).await.unwrap();
    let response = http_request_over(stream, NAME, "GET /healthz", &[]).await;
    assert_eq!((response.text(), response.header("strict-transport-security")), ("ok", Some("max-age=15552000")));
    let error = connect_as_validation(address).await.unwrap_err().to_string();
    assert!(!error.contains("UnknownIssuer"), "the server still answers challenges after the order: {error}");

    // Another server loads the certificate from the cache, without the authority.
    server.shutdown().await;
    let options = pebble.options(cache.path());
    pebble.running.clear();
    let cached = Tls::acme(options.clone()).unwrap();
    assert_eq!(cached.fingerprint(), tls.fingerprint());
    let server = start_server_with(|options| options.tls = Some(cached)).await;
    tls_connect_trusting(server.local_addr(), &root, NAME).await.unwrap();
    // The cached certificate is not used for another name.
    let other = Tls::acme(AcmeOptions { names: vec!["other.hutong.test".to_owned()], ..options }).unwrap();
    assert_eq!(other.fingerprint(), None);
}

#[tokio::test]
async fn a_failed_challenge_is_logged_with_advice_and_the_server_keeps_running() {
    if !is_installed() {
        return;
    }
    let (mut pebble, cache) = (Pebble::new(), tempfile::tempdir().unwrap());
    // A port on which nothing listens.
    let [unused] = free_ports();
    pebble.start(unused).await;
    let (url, root) = (pebble.url(), pebble.root());
    let arguments = ["--acme", NAME, "--acme-directory", &url, "--acme-roots", root.to_str().unwrap(), "--acme-cache"];
    let arguments: Vec<_> = arguments.into_iter().chain(cache.path().to_str()).collect();
    let program = ServerProgram::start(&arguments).await;
    program.wait_for_log("must reach this server on port 443 by that name", 1).await;
    assert!(program.log().contains("retry_minutes=5"), "{}", program.log());
    assert_eq!(http_request(program.address, "GET /healthz", &[]).await.text(), "ok");
    // SIGHUP triggers another attempt at once.
    program.signal("-HUP").await;
    program.wait_for_log("must reach this server on port 443 by that name", 2).await;
}

#[tokio::test]
async fn an_unreachable_authority_is_logged_with_advice() {
    let cache = tempfile::tempdir().unwrap();
    let [unused] = free_ports();
    let url = format!("https://127.0.0.1:{unused}/dir");
    let arguments = ["--acme", NAME, "--acme-directory", &url, "--acme-cache", cache.path().to_str().unwrap()];
    let program = ServerProgram::start(&arguments).await;
    program.wait_for_log("can reach the authority's directory over https", 1).await;
    assert_eq!(http_request(program.address, "GET /healthz", &[]).await.text(), "ok");
}

#[test]
fn invalid_names_and_missing_roots_are_errors_at_the_start() {
    let pebble = Pebble::new();
    let cache = tempfile::tempdir().unwrap();
    let options = pebble.options(cache.path());
    let wildcard = AcmeOptions { names: vec!["*.hutong.test".to_owned()], ..options.clone() };
    assert!(matches!(Tls::acme(wildcard), Err(TlsError::PublicName(_))));
    let no_roots = AcmeOptions { roots: Some(cache.path().join("none.pem")), ..options };
    assert!(matches!(Tls::acme(no_roots), Err(TlsError::File(..))));
}
