//! Frames over a relay alone: coturn, on loopback.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hutong_media::{Config, Event, Stats};
use hutong_protocol::IceServer;

use crate::common;
use crate::common::call::Call;

/// Ends with the test.
struct Relay {
    process: Child,
    address: SocketAddr,
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Relay {
    fn start() -> Self {
        // Free now; whoever takes it in between fails the test.
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
        let relay = Self { process, address };
        relay.wait();
        relay
    }

    /// Asks for its own address (RFC 8489) until there is an answer.
    fn wait(&self) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];
        request.extend([7; 12]);
        for _ in 0..100 {
            // Refused until it listens.
            let _ = socket.send_to(&request, self.address);
            if socket.recv(&mut [0; 512]).is_ok() {
                return;
            }
        }
        panic!("the relay does not answer");
    }

    fn config(&self, credential: &str) -> Config {
        let server = IceServer {
            urls: vec![format!("turn:{}?transport=udp", self.address)],
            username: Some("ana".into()),
            credential: Some(credential.into()),
        };
        Config { ice_servers: vec![server], relay_only: true, ..common::config() }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_flow_over_a_relay_alone() {
    let _turn = common::beside_others().await;
    let relay = Relay::start();
    let mut offering = common::side(relay.config("secret")).await;
    let mut answering = common::side(relay.config("secret")).await;
    let offer = offering.peer.offer().await.unwrap();
    let only_relayed = |candidate: hutong_protocol::IceCandidate| {
        assert!(candidate.candidate.is_empty() || candidate.candidate.contains(" typ relay "));
        candidate
    };
    common::connect(&mut offering, &mut answering, &offer, only_relayed, only_relayed).await;
    let mut call = Call::new(offering, answering);
    call.run(Duration::from_secs(4)).await;
    let (pictures, voice) = (call.seen.frames.len(), call.seen.voice.len());
    assert!(pictures >= 20, "{pictures} pictures");
    assert!(voice * 100 >= call.seen.said * 85, "{voice} of {} packets of voice", call.seen.said);
    let Call { sending: offering, receiving: answering, .. } = call;
    let stats = offering.peer.stats().await;
    let local = stats.iter().find_map(|stats| match stats {
        Stats::LocalCandidate(candidate) => Some(candidate.candidate_type.clone()),
        _ => None,
    });
    assert_eq!(local.as_deref(), Some("relay"));
    offering.peer.close().await.unwrap();
    answering.peer.close().await.unwrap();
}

/// Neither the relay nor anything else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_gives_no_candidate() {
    let _turn = common::beside_others().await;
    let relay = Relay::start();
    let mut side = common::side(relay.config("wrong")).await;
    side.peer.offer().await.unwrap();
    let candidate = side.wait(|event| match event {
        Event::Candidate(candidate) => Some(candidate),
        _ => None,
    });
    assert_eq!(candidate.await.candidate, "", "the end, and nothing before");
}
