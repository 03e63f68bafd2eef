//! Certificates from an authority: the whole way, with pebble, which is Let's Encrypt's own server for tests (Debian has it). It
//! checks signatures and nonces as a real one does, and looks at the challenge over a connection to the server.

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

use crate::common::{authority::Authority, http, http_over, program::Program, server_with, soon, tls_connect_trusting};

const NAME: &str = "calls.hutong.test";

/// Ports that nobody has at the moment. Pebble cannot be told to take free ones.
fn free_ports<const N: usize>() -> [u16; N] {
    let sockets = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    sockets.map(|socket| socket.local_addr().unwrap().port())
}

const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Whether pebble is there. CI installs it first, so there a test that sees nothing has failed.
fn is_installed() -> bool {
    let there = ["pebble", "pebble-challtestsrv"].iter().all(|program| {
        std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|at| at.join(program).is_file()))
    });
    assert!(there || std::env::var_os("CI").is_none(), "pebble is not installed");
    if !there {
        eprintln!("pebble is not installed: nothing to see here");
    }
    there
}

/// Pebble, not started yet: what a server has to know of it beforehand.
struct Pebble {
    directory: tempfile::TempDir,
    /// Vouches for its own address.
    authority: Authority,
    port: u16,
    management: u16,
    running: Vec<Child>,
}

impl Pebble {
    fn new() -> Self {
        let [port, management] = free_ports();
        let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        fs::write(directory.path().join("root.pem"), authority.pem()).unwrap();
        Self { directory, authority, port, management, running: Vec::new() }
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

    /// Starts it. Every name leads to loopback, and challenges to this port there.
    async fn start(&mut self, challenges: u16) {
        let directory = self.directory.path().to_owned();
        let at = |name: &str| directory.join(name);
        let own = self.authority.sign("127.0.0.1");
        fs::write(at("cert.pem"), own.certificate).unwrap();
        fs::write(at("key.pem"), own.key).unwrap();
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
        // Without pauses, and without the one in twenty of good nonces that it refuses to keep clients on their toes.
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0");
        self.run(pebble, self.port).await;
    }

    /// Starts a program, and waits until it listens.
    async fn run(&mut self, mut command: Command, port: u16) {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        self.running.push(command.spawn().unwrap());
        let listens = async {
            // There is no event to wait for: pebble writes that it listens before it does.
            while TcpStream::connect(local(port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        soon("a program of pebble's", listens).await;
    }

    /// The root of what it issues.
    async fn issues_by(&self) -> Vec<u8> {
        let stream =
            tls_connect_trusting(local(self.management), &self.authority.certificate, "127.0.0.1").await.unwrap();
        let answer = http_over(stream, "127.0.0.1", "GET /roots/0", &[]).await;
        CertificateDer::from_pem_slice(&answer.body).unwrap().to_vec()
    }
}

/// Whether anybody answers who offers to speak a challenge's protocol.
async fn challenge(address: SocketAddr) -> std::io::Result<()> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let stream = TcpStream::connect(address).await?;
    let connector = TlsConnector::from(Arc::new(config));
    soon("the handshake", connector.connect(NAME.try_into().unwrap(), stream)).await.map(drop)
}

#[tokio::test]
async fn a_certificate_is_ordered_shown_and_found_again_after_a_restart() {
    if !is_installed() {
        return;
    }
    let (mut pebble, cache) = (Pebble::new(), tempfile::tempdir().unwrap());
    let tls = Tls::acme(pebble.options(cache.path())).unwrap();
    let server = server_with(|options| options.tls = Some(tls.clone())).await;
    let address = server.local_addr();
    // The authority does not answer yet. All else does.
    assert_eq!(http(address, "GET /healthz", &[]).await.text(), "ok");
    assert_eq!((tls.fingerprint(), tls.key_to_pin()), (None, None));
    assert!(tls_connect_trusting(address, &pebble.authority.certificate, NAME).await.is_err());

    pebble.start(address.port()).await;
    tls.reload().await.unwrap();
    soon("the certificate", tls.until_not(None)).await;
    let root = pebble.issues_by().await;
    let stream = tls_connect_trusting(address, &root, NAME).await.unwrap();
    let answer = http_over(stream, NAME, "GET /healthz", &[]).await;
    assert_eq!((answer.text(), answer.header("strict-transport-security")), ("ok", Some("max-age=15552000")));
    let refused = challenge(address).await.unwrap_err().to_string();
    assert!(!refused.contains("UnknownIssuer"), "there is nothing to be shown any more: {refused}");

    // Another server, without the authority, knows it at once.
    server.shutdown().await;
    let options = pebble.options(cache.path());
    pebble.running.clear();
    let again = Tls::acme(options.clone()).unwrap();
    assert_eq!(again.fingerprint(), tls.fingerprint());
    let server = server_with(|options| options.tls = Some(again)).await;
    tls_connect_trusting(server.local_addr(), &root, NAME).await.unwrap();
    // For another name it is of no use.
    let other = Tls::acme(AcmeOptions { names: vec!["other.hutong.test".to_owned()], ..options }).unwrap();
    assert_eq!(other.fingerprint(), None);
}

#[tokio::test]
async fn a_challenge_that_fails_is_told_with_what_to_do_and_the_server_serves_on() {
    if !is_installed() {
        return;
    }
    let (mut pebble, cache) = (Pebble::new(), tempfile::tempdir().unwrap());
    // Nobody answers there.
    let [nowhere] = free_ports();
    pebble.start(nowhere).await;
    let (url, root) = (pebble.url(), pebble.root());
    let arguments = ["--acme", NAME, "--acme-directory", &url, "--acme-roots", root.to_str().unwrap(), "--acme-cache"];
    let arguments: Vec<_> = arguments.into_iter().chain(cache.path().to_str()).collect();
    let program = Program::start(&arguments).await;
    program.until_said("has to reach this server at port 443 by that name", 1).await;
    assert!(program.said().contains("Next attempt in 5 minutes"), "{}", program.said());
    assert_eq!(http(program.address, "GET /healthz", &[]).await.text(), "ok");
    // It tries again at once where it is told to.
    program.signal("-HUP").await;
    program.until_said("has to reach this server at port 443 by that name", 2).await;
}

#[tokio::test]
async fn an_authority_that_cannot_be_reached_is_told() {
    let cache = tempfile::tempdir().unwrap();
    let [nowhere] = free_ports();
    let url = format!("https://127.0.0.1:{nowhere}/dir");
    let arguments = ["--acme", NAME, "--acme-directory", &url, "--acme-cache", cache.path().to_str().unwrap()];
    let program = Program::start(&arguments).await;
    program.until_said("reaches the authority's directory by https", 1).await;
    assert_eq!(http(program.address, "GET /healthz", &[]).await.text(), "ok");
}

#[test]
fn what_cannot_be_ordered_is_an_error_at_the_start() {
    let pebble = Pebble::new();
    let cache = tempfile::tempdir().unwrap();
    let options = pebble.options(cache.path());
    let wildcard = AcmeOptions { names: vec!["*.hutong.test".to_owned()], ..options.clone() };
    assert!(matches!(Tls::acme(wildcard), Err(TlsError::PublicName(_))));
    let no_roots = AcmeOptions { roots: Some(cache.path().join("none.pem")), ..options };
    assert!(matches!(Tls::acme(no_roots), Err(TlsError::File(..))));
}
