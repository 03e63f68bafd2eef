//! Connections over a TURN server only: coturn on loopback.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hutong_core::Connectivity;
use hutong_media::{CandidateStats, Config, Error, Event, Stats};
use hutong_protocol::IceServer;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::common::call::OneWayCall;
use crate::common::{self, TestPeer};

/// TURN server process, killed on drop.
struct TurnServer {
    process: Child,
    address: SocketAddr,
}

impl Drop for TurnServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The certificate authority that has issued a server's certificate.
struct Authority {
    certificate: CertificateDer<'static>,
}

impl Authority {
    /// Makes an authority, and writes a certificate for `localhost` and its key into the directory.
    fn new(directory: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let issued = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        std::fs::write(directory.join("cert.pem"), issued.pem()).unwrap();
        std::fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
        Self { certificate }
    }

    /// A TLS configuration that trusts this authority alone.
    fn tls(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(config.with_root_certificates(roots).with_no_client_auth())
    }
}

impl TurnServer {
    fn start() -> Self {
        // A free port; the test fails if another process takes it before the server does.
        let address = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        Self::start_at(address, &["--no-tls", "--no-dtls", "--no-tcp"])
    }

    fn start_with_tls(directory: &Path) -> Self {
        let address = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let file = |option: &str, name: &str| format!("--{option}={}", directory.join(name).display());
        Self::start_at(address, &["--no-dtls", &file("cert", "cert.pem"), &file("pkey", "key.pem")])
    }

    fn start_at(address: SocketAddr, options: &[&str]) -> Self {
        let process = Command::new("turnserver")
            .args(["-n", "--no-cli", "--allow-loopback-peers", "--lt-cred-mech"])
            .args(["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--realm=hutong.test", "--user=ana:secret"])
            .args(options)
            .arg(format!("--listening-port={}", address.port()))
            .arg(format!("--tls-listening-port={}", address.port()))
            .arg(format!("--pidfile={}", std::env::temp_dir().join(format!("turn-{}.pid", address.port())).display()))
            .args(["--log-file=stdout", "--simple-log"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("turnserver, from Debian's coturn");
        let server = Self { process, address };
        server.wait_until_ready();
        server
    }

    /// Sends STUN binding requests (RFC 8489) until one is answered.
    fn wait_until_ready(&self) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];
        request.extend([7; 12]);
        for _ in 0..100 {
            // Fails until the server listens.
            let _ = socket.send_to(&request, self.address);
            if socket.recv(&mut [0; 512]).is_ok() {
                return;
            }
        }
        panic!("the TURN server does not answer");
    }

    fn config(&self, credential: &str) -> Config {
        Config { ice_servers: self.ice_servers(credential), relay_only: true, ..common::config() }
    }

    fn ice_servers(&self, credential: &str) -> Vec<IceServer> {
        Self::servers(format!("turn:{}?transport=udp", self.address), credential)
    }

    /// A configuration that uses the server over TCP only.
    fn tcp_config(&self) -> Config {
        let url = format!("turn:{}?transport=tcp", self.address);
        Config { ice_servers: Self::servers(url, "secret"), relay_only: true, ..common::config() }
    }

    /// A configuration that uses the server over TLS only.
    fn tls_config(&self, tls: Arc<ClientConfig>) -> Config {
        let url = format!("turns:localhost:{}?transport=tcp", self.address.port());
        Config { ice_servers: Self::servers(url, "secret"), relay_only: true, tls: Some(tls), ..common::config() }
    }

    fn servers(url: String, credential: &str) -> Vec<IceServer> {
        vec![IceServer { urls: vec![url], username: Some("ana".into()), credential: Some(credential.into()) }]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_flows_over_a_relay_only() {
    let _lock = common::shared().await;
    let server = TurnServer::start();
    let mut offerer = common::test_peer(server.config("secret")).await;
    let mut answerer = common::test_peer(server.config("secret")).await;
    let offer = offerer.peer.offer().await.unwrap();
    let assert_relayed = |candidate: hutong_protocol::IceCandidate| {
        assert!(candidate.candidate.is_empty() || candidate.candidate.contains(" typ relay "));
        candidate
    };
    common::connect(&mut offerer, &mut answerer, &offer, assert_relayed, assert_relayed).await;
    let mut call = OneWayCall::new(offerer, answerer);
    call.run(Duration::from_secs(4)).await;
    let (frames, audio) = (call.record.frames.len(), call.record.audio.len());
    assert!(frames >= 20, "{frames} frames");
    assert!(audio * 100 >= call.record.audio_sent * 85, "{audio} of {} audio packets", call.record.audio_sent);
    let OneWayCall { sender: offerer, receiver: answerer, .. } = call;
    let [local, remote] = selected_candidates(&offerer).await;
    assert_eq!((&*local.candidate_type, local.relay_protocol.as_deref()), ("relay", Some("udp")));
    assert_eq!((&*remote.candidate_type, remote.relay_protocol), ("relay", None));
    offerer.peer.close().await.unwrap();
    answerer.peer.close().await.unwrap();
}

/// The candidates of the selected pair: the local and the remote one.
async fn selected_candidates(side: &TestPeer) -> [CandidateStats; 2] {
    let stats = side.peer.stats().await;
    let local =
        stats.iter().find_map(|stats| if let Stats::LocalCandidate(it) = stats { Some(it.clone()) } else { None });
    let remote =
        stats.iter().find_map(|stats| if let Stats::RemoteCandidate(it) = stats { Some(it.clone()) } else { None });
    [local.unwrap(), remote.unwrap()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remote_relay_is_reported_as_one_although_its_packets_arrive_first() {
    let _lock = common::shared().await;
    let server = TurnServer::start();
    let mut offerer = common::test_peer(common::config()).await;
    let mut answerer = common::test_peer(server.config("secret")).await;
    let offer = offerer.peer.offer().await.unwrap();
    let delayed = Mutex::new(Vec::new());
    common::connect(
        &mut offerer,
        &mut answerer,
        &offer,
        |candidate| candidate,
        |candidate| {
            delayed.lock().unwrap().push(candidate.clone());
            common::no_candidate(candidate)
        },
    )
    .await;
    let [local, remote] = selected_candidates(&offerer).await;
    assert_eq!([&*local.candidate_type, &*remote.candidate_type], ["host", "prflx"]);
    for candidate in delayed.into_inner().unwrap() {
        offerer.peer.add_ice_candidate(candidate).await.unwrap();
    }
    let [_, remote] = selected_candidates(&offerer).await;
    assert_eq!(remote.candidate_type, "relay");
    let [local, _] = selected_candidates(&answerer).await;
    assert_eq!(local.candidate_type, "relay");
}

/// With relayed candidates only, there is no other candidate either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_turn_password_yields_no_candidate() {
    let _lock = common::shared().await;
    let server = TurnServer::start();
    let mut side = common::test_peer(server.config("wrong")).await;
    side.peer.offer().await.unwrap();
    let candidate = side.wait(|event| match event {
        Event::Candidate(candidate) => Some(candidate),
        _ => None,
    });
    assert_eq!(candidate.await.candidate, "", "the end of candidates comes first");
}

/// The server of the start is gone by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ice_restart_allocates_on_the_servers_that_were_set_last() {
    let _lock = common::shared().await;
    let first = TurnServer::start();
    let mut offerer = common::test_peer(first.config("secret")).await;
    let mut answerer = common::test_peer(first.config("secret")).await;
    let offer = offerer.peer.offer().await.unwrap();
    common::connect(&mut offerer, &mut answerer, &offer, |candidate| candidate, |candidate| candidate).await;

    let second = TurnServer::start();
    for credential in ["wrong", "secret"] {
        for side in [&offerer, &answerer] {
            side.peer.set_ice_servers(&second.ice_servers(credential)).await.unwrap();
        }
    }
    drop(first);
    offerer.wait_for(Event::Connectivity(Connectivity::Disconnected)).await;
    let offer = offerer.peer.ice_restart_offer().await.unwrap();
    common::connect(&mut offerer, &mut answerer, &offer, |candidate| candidate, |candidate| candidate).await;
    assert_eq!(answerer.peer.set_ice_servers(&[]).await, Ok(()));
    answerer.peer.close().await.unwrap();
    assert_eq!(answerer.peer.set_ice_servers(&[]).await, Err(Error::Closed));
}

/// Media over the relay alone for two seconds, and the protocol that the statistics name.
async fn assert_media_flows(config: impl Fn() -> Config, protocol: &str) {
    let mut offerer = common::test_peer(config()).await;
    let mut answerer = common::test_peer(config()).await;
    let offer = offerer.peer.offer().await.unwrap();
    common::connect(&mut offerer, &mut answerer, &offer, |candidate| candidate, |candidate| candidate).await;
    let mut call = OneWayCall::new(offerer, answerer);
    call.run(Duration::from_secs(2)).await;
    let (frames, audio) = (call.record.frames.len(), call.record.audio.len());
    assert!(frames >= 10, "{frames} frames");
    assert!(audio * 100 >= call.record.audio_sent * 85, "{audio} of {} audio packets", call.record.audio_sent);
    let OneWayCall { sender: offerer, receiver: answerer, .. } = call;
    let [local, _] = selected_candidates(&offerer).await;
    assert_eq!((&*local.candidate_type, local.relay_protocol.as_deref()), ("relay", Some(protocol)));
    offerer.peer.close().await.unwrap();
    answerer.peer.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_flows_over_a_relay_by_tcp_and_by_tls() {
    let _lock = common::shared().await;
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    let server = TurnServer::start_with_tls(directory.path());
    assert_media_flows(|| server.tcp_config(), "tcp").await;
    assert_media_flows(|| server.tls_config(authority.tls()), "tls").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ice_restart_reaches_a_restarted_relay_over_tcp() {
    let _lock = common::shared().await;
    let directory = tempfile::tempdir().unwrap();
    Authority::new(directory.path());
    let server = TurnServer::start_with_tls(directory.path());
    let mut offerer = common::test_peer(server.tcp_config()).await;
    let mut answerer = common::test_peer(server.tcp_config()).await;
    let offer = offerer.peer.offer().await.unwrap();
    common::connect(&mut offerer, &mut answerer, &offer, |candidate| candidate, |candidate| candidate).await;
    let address = server.address;
    drop(server);
    let file = |option: &str, name: &str| format!("--{option}={}", directory.path().join(name).display());
    let _server = TurnServer::start_at(address, &["--no-dtls", &file("cert", "cert.pem"), &file("pkey", "key.pem")]);
    offerer.wait_for(Event::Connectivity(Connectivity::Disconnected)).await;
    let offer = offerer.peer.ice_restart_offer().await.unwrap();
    common::connect(&mut offerer, &mut answerer, &offer, |candidate| candidate, |candidate| candidate).await;
}
