//! Connections over a TURN server only: coturn on loopback.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use hutong_core::Connectivity;
use hutong_media::{CandidateStats, Config, Error, Event, Stats};
use hutong_protocol::IceServer;

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

impl TurnServer {
    fn start() -> Self {
        // A free port; the test fails if another process takes it before the server does.
        let address = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let process = Command::new("turnserver")
            .args(["-n", "--no-cli", "--no-tls", "--no-dtls", "--no-tcp", "--allow-loopback-peers", "--lt-cred-mech"])
            .args(["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--realm=hutong.test", "--user=ana:secret"])
            .arg(format!("--listening-port={}", address.port()))
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
        vec![IceServer {
            urls: vec![format!("turn:{}?transport=udp", self.address)],
            username: Some("ana".into()),
            credential: Some(credential.into()),
        }]
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
