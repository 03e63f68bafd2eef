//! Attacks by the other side of a call, by a server, or by others on the network: this side must not send packets to whomever
//! they name, and must not change its role.

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hutong_media::{Config, Event, MediaType};
use hutong_protocol::{IceCandidate, IceServer, SdpKind};
use rtc::ice::attributes::control::AttrControlled;
use rtc::stun::attributes::{ATTR_ICE_CONTROLLED, ATTR_ICE_CONTROLLING, ATTR_USERNAME, AttrType};
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Message, Setter, TransactionId};
use rtc::stun::textattrs::TextAttribute;

use crate::common::{self, TestPeer};
use crate::namespace;

/// UDP sockets that never answer, and count what arrives.
struct SilentHosts {
    addresses: Vec<SocketAddr>,
    /// The addresses at which packets arrived, in order.
    arrived: Arc<Mutex<Vec<SocketAddr>>>,
}

impl SilentHosts {
    async fn new(count: usize) -> Self {
        let arrived = Arc::<Mutex<Vec<_>>>::default();
        let mut addresses = Vec::new();
        for _ in 0..count {
            let socket = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let address = socket.local_addr().unwrap();
            addresses.push(address);
            let arrived = arrived.clone();
            tokio::spawn(async move {
                loop {
                    socket.recv_from(&mut [0; 2_000]).await.unwrap();
                    arrived.lock().unwrap().push(address);
                }
            });
        }
        Self { addresses, arrived }
    }

    fn arrived(&self) -> Vec<SocketAddr> {
        self.arrived.lock().unwrap().clone()
    }
}

fn candidate(text: String) -> IceCandidate {
    IceCandidate { candidate: text, sdp_mid: None, sdp_m_line_index: Some(0), username_fragment: None }
}

fn host(address: SocketAddr) -> String {
    format!("candidate:1 1 udp 2122260223 {} {} typ host", address.ip(), address.port())
}

/// Gives an offer and candidates to a peer, and returns the answer.
async fn answer(peer: &TestPeer, offer: &str, candidates: &[SocketAddr]) -> String {
    let (in_offer, trickled) = candidates.split_at(candidates.len() / 2);
    let lines: String = in_offer.iter().map(|address| format!("a={}\r\n", host(*address))).collect();
    peer.peer.set_remote_description(SdpKind::Offer, &format!("{offer}{lines}a=end-of-candidates\r\n")).await.unwrap();
    let answer = peer.peer.answer().await.unwrap();
    for address in trickled {
        peer.peer.add_ice_candidate(candidate(host(*address))).await.unwrap();
        peer.peer.add_ice_candidate(candidate(String::new())).await.unwrap();
    }
    answer
}

#[tokio::test]
async fn silent_addresses_get_fewer_than_20_packets_a_second_whoever_names_them() {
    const GENERATIONS: usize = 4;
    let _lock = common::exclusive().await;
    let hosts = SilentHosts::new(300).await;
    let (servers, candidates) = hosts.addresses.split_at(2);
    let urls = servers.iter().flat_map(|address| [format!("stun:{address}"), format!("turn:{address}")]).collect();
    let ice_servers = IceServer { urls, username: Some("a".into()), credential: Some("b".into()) };
    let config = Config { ice_servers: vec![ice_servers], ..common::config() };
    let attacked = common::test_peer(config).await;
    let attacker = common::test_peer(common::config()).await;
    let start = Instant::now();
    for (generation, candidates) in candidates.chunks(candidates.len() / GENERATIONS).enumerate() {
        let offer = match generation {
            0 => attacker.peer.offer().await.unwrap(),
            _ => attacker.peer.ice_restart_offer().await.unwrap(),
        };
        // The same candidates again and again, also at the end, count once.
        let answer = answer(&attacked, &offer, &[candidates, candidates].concat()).await;
        attacker.peer.set_remote_description(SdpKind::Answer, &answer).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1_500)).await;
    }
    let seconds = start.elapsed().as_secs_f64();
    let arrived = hosts.arrived();
    println!(
        "| packets a second to addresses that never answer, by hostile descriptions and servers | 20 | {:.1} |",
        arrived.len() as f64 / seconds
    );
    // 19 may arrive in each second, and in the one that has begun.
    assert!((arrived.len() as f64) < 20.0 * (seconds + 1.0), "{} packets in {seconds} s", arrived.len());
    let reached: HashSet<_> = arrived.iter().collect();
    assert!(reached.len() > 40, "only {} addresses were tried", reached.len());
    attacked.peer.close().await.unwrap();
    attacker.peer.close().await.unwrap();
}

#[tokio::test]
async fn a_64th_candidate_is_checked_and_further_ones_are_not() {
    let _lock = common::exclusive().await;
    let hosts = SilentHosts::new(100).await;
    let attacked = common::test_peer(common::config()).await;
    let attacker = common::test_peer(common::config()).await;
    let offer = attacker.peer.offer().await.unwrap();
    answer(&attacked, &offer, &hosts.addresses).await;
    let all_reached = async {
        while hosts.arrived().iter().collect::<HashSet<_>>().len() < 64 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all_reached).await.expect("64 addresses are tried");
    let further = hosts.arrived().into_iter().find(|address| hosts.addresses[64..].contains(address));
    assert_eq!(further, None);
    attacked.peer.close().await.unwrap();
}

/// Waits for a check, and returns its role.
async fn role_in_check(socket: &tokio::net::UdpSocket) -> (AttrType, SocketAddr) {
    let mut buffer = [0; 2_000];
    let receive = async {
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let mut message = Message { raw: buffer[..length].to_vec(), ..Message::default() };
            message.decode().unwrap();
            assert_eq!(message.typ, BINDING_REQUEST, "no reply to the forged check");
            let mut roles = [ATTR_ICE_CONTROLLED, ATTR_ICE_CONTROLLING].into_iter();
            if let Some(role) = roles.find(|role| message.contains(*role)) {
                return (role, from);
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), receive).await.expect("a check")
}

#[tokio::test]
async fn a_forged_check_neither_changes_the_role_nor_is_answered() {
    let _lock = common::shared().await;
    let forger = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let attacked = common::test_peer(common::config()).await;
    let other = common::test_peer(common::config()).await;
    let offer = other.peer.offer().await.unwrap();
    answer(&attacked, &offer, &[forger.local_addr().unwrap()]).await;
    let (role, peer) = role_in_check(&forger).await;
    assert_eq!(role, ATTR_ICE_CONTROLLED, "the answering side");
    let mut forged = Message::new();
    forged.build(&[Box::new(BINDING_REQUEST), Box::new(TransactionId::new())]).unwrap();
    // The lowest tie breaker: the attacked side would win, and take the other role.
    AttrControlled(0).add_to(&mut forged).unwrap();
    for _ in 0..3 {
        forger.send_to(&forged.raw, peer).await.unwrap();
        let (role, _) = role_in_check(&forger).await;
        assert_eq!(role, ATTR_ICE_CONTROLLED);
    }
    attacked.peer.close().await.unwrap();
}

/// A pair is paced only until its remote address has answered.
#[tokio::test]
async fn connections_come_about_beside_silent_candidates() {
    let _lock = common::exclusive().await;
    let hosts = SilentHosts::new(50).await;
    let mut offerer = common::test_peer(common::config()).await;
    let mut answerer = common::test_peer(common::config()).await;
    let offer = offerer.peer.offer().await.unwrap();
    let lines: String = hosts.addresses.iter().map(|address| format!("a={}\r\n", host(*address))).collect();
    let start = Instant::now();
    let offer = format!("{offer}{lines}");
    common::connect(&mut offerer, &mut answerer, &offer, |candidate| candidate, |candidate| candidate).await;
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    offerer.peer.close().await.unwrap();
    answerer.peer.close().await.unwrap();
}

#[tokio::test]
async fn candidates_over_tcp_are_not_connected_to() {
    let _lock = common::shared().await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut offerer = common::test_peer(common::config()).await;
    let mut answerer = common::test_peer(common::config()).await;
    let offer = offerer.peer.offer().await.unwrap();
    let over_tcp = format!("candidate:1 1 tcp 1518280447 127.0.0.1 {port} typ host tcptype passive");
    let offer = format!("{offer}a={over_tcp}\r\n");
    common::connect(&mut offerer, &mut answerer, &offer, |candidate| candidate, |candidate| candidate).await;
    answerer.peer.add_ice_candidate(candidate(over_tcp)).await.unwrap();
    // Time for a connection on loopback.
    offerer.peer.send_audio(common::audio_packet(0)).await.unwrap();
    answerer.frame(MediaType::Audio).await;
    assert_eq!(listener.accept().map(drop).map_err(|error| error.kind()), Err(io::ErrorKind::WouldBlock));
    offerer.peer.close().await.unwrap();
    answerer.peer.close().await.unwrap();
}

#[tokio::test]
async fn candidates_before_a_description_and_malformed_ones_are_errors() {
    let _lock = common::shared().await;
    let offerer = common::test_peer(common::config()).await;
    let answerer = common::test_peer(common::config()).await;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 5_000));
    assert!(answerer.peer.add_ice_candidate(candidate(host(address))).await.is_err());
    let offer = offerer.peer.offer().await.unwrap();
    let offer = format!("{offer}a=candidate:nonsense\r\n");
    answerer.peer.set_remote_description(SdpKind::Offer, &offer).await.unwrap();
    assert!(answerer.peer.add_ice_candidate(candidate("nonsense".into())).await.is_err());
    answerer.peer.add_ice_candidate(candidate(host(address))).await.unwrap();
    answerer.peer.add_ice_candidate(candidate(String::new())).await.unwrap();
}

/// In a network namespace, since mDNS queries are multicast.
#[tokio::test]
async fn eight_mdns_names_at_most_are_looked_up_for_three_seconds() {
    let _lock = common::shared().await;
    namespace::run("hostile_peers::mdns_names_inside_a_namespace");
}

#[tokio::test]
#[ignore = "run by eight_mdns_names_at_most_are_looked_up_for_three_seconds"]
async fn mdns_names_inside_a_namespace() {
    let listener = rtc::mdns::MulticastSocket::new().into_std().unwrap();
    let listener = tokio::net::UdpSocket::from_std(listener).unwrap();
    let config = Config { bind_addresses: Config::default().bind_addresses, ..common::config() };
    let attacked = common::test_peer(config).await;
    let attacker = common::test_peer(common::config()).await;
    let offer = attacker.peer.offer().await.unwrap();
    let mut text = offer.clone();
    for number in 0..100 {
        for name in [format!("8ad55c71-0000-4000-8000-{number:012}"), format!("printer-{number}")] {
            text.push_str(&format!("a=candidate:1 1 udp 2122260223 {name}.local 5000 typ host\r\n"));
        }
    }
    attacked.peer.set_remote_description(SdpKind::Offer, &text).await.unwrap();
    attacked.peer.answer().await.unwrap();
    let mut queries = Vec::new();
    let mut buffer = [0; 2_000];
    let end = tokio::time::sleep(Duration::from_secs(6));
    tokio::pin!(end);
    let mut last = Instant::now();
    let start = last;
    loop {
        tokio::select! {
            () = &mut end => break,
            received = listener.recv_from(&mut buffer) => {
                let (length, _) = received.unwrap();
                queries.push(buffer[..length].to_vec());
                last = Instant::now();
            }
        }
    }
    let names: HashSet<_> = queries.iter().collect();
    assert_eq!(names.len(), 8, "{}", queries.len());
    assert!(queries.len() <= 3 * 8, "{}", queries.len());
    assert!(queries.iter().all(|query| !query.windows(7).any(|window| window == b"printer")));
    assert!(last - start < Duration::from_secs(4), "{:?}", last - start);
}

#[tokio::test]
async fn a_genuine_check_of_an_unknown_address_is_answered() {
    let _lock = common::shared().await;
    let stranger = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut answerer = common::test_peer(common::config()).await;
    let offerer = common::test_peer(common::config()).await;
    let offer = offerer.peer.offer().await.unwrap();
    let answer = answer(&answerer, &offer, &[]).await;
    let local = answerer.wait(|event| match event {
        Event::Candidate(candidate) if !candidate.candidate.is_empty() => Some(candidate.candidate),
        _ => None,
    });
    let local = local.await;
    let mut fields = local.split(' ').skip(4);
    let address: SocketAddr = format!("{}:{}", fields.next().unwrap(), fields.next().unwrap()).parse().unwrap();
    let value = |sdp: &str, key: &str| sdp.lines().find_map(|line| line.strip_prefix(key)).unwrap().to_owned();
    let user = format!("{}:{}", value(&answer, "a=ice-ufrag:"), value(&offer, "a=ice-ufrag:"));
    let provider = rtc::crypto::default_provider().unwrap();
    let password = value(&answer, "a=ice-pwd:");
    let mut check = Message::new();
    check.build(&[Box::new(BINDING_REQUEST), Box::new(TransactionId::new())]).unwrap();
    TextAttribute::new(ATTR_USERNAME, user).add_to(&mut check).unwrap();
    let integrity = MessageIntegrity::new_short_term_integrity_with_provider(password, provider.crypto());
    integrity.add_to(&mut check).unwrap();
    stranger.send_to(&check.raw, address).await.unwrap();
    let answered = async {
        let mut buffer = [0; 2_000];
        loop {
            let length = stranger.recv(&mut buffer).await.unwrap();
            let mut message = Message { raw: buffer[..length].to_vec(), ..Message::default() };
            message.decode().unwrap();
            if message.typ == BINDING_SUCCESS {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), answered).await.expect("an answer");
}
