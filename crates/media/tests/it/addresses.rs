//! IP address families, network interfaces and mDNS names.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use hutong_core::Connectivity;
use hutong_media::{Config, Error, Event, MediaType};
use hutong_protocol::IceCandidate;

use crate::{common, namespace};

async fn connect_with(config: Config) -> (common::TestPeer, common::TestPeer) {
    let mut offerer = common::test_peer(config.clone()).await;
    let mut answerer = common::test_peer(config).await;
    let offer = offerer.peer.offer().await.unwrap();
    common::connect(&mut offerer, &mut answerer, &offer, |candidate| candidate, |candidate| candidate).await;
    (offerer, answerer)
}

async fn assert_frame_arrives(sender: &common::TestPeer, receiver: &mut common::TestPeer) {
    sender.peer.send_video(common::video_frame(0, true, 5_000)).unwrap();
    assert_eq!(receiver.frame(MediaType::Video).await.data, common::video_frame(0, true, 5_000).data);
}

#[tokio::test]
async fn peers_connect_over_ipv6() {
    let _lock = common::shared().await;
    let addresses = vec![SocketAddr::from((Ipv6Addr::LOCALHOST, 0))];
    let (offerer, mut answerer) = connect_with(Config { bind_addresses: addresses, ..common::config() }).await;
    assert_frame_arrives(&offerer, &mut answerer).await;
}

#[tokio::test]
async fn peers_connect_over_several_interfaces_of_both_families() {
    let _lock = common::shared().await;
    let addresses = ["127.0.0.1:0", "127.0.0.2:0", "[::1]:0"].map(|address| address.parse().unwrap()).to_vec();
    let (offerer, mut answerer) = connect_with(Config { bind_addresses: addresses, ..common::config() }).await;
    assert_frame_arrives(&offerer, &mut answerer).await;
}

#[tokio::test]
async fn an_address_that_the_system_lacks_is_skipped() {
    let _lock = common::shared().await;
    // A documentation address (RFC 3849).
    let addresses = ["127.0.0.1:0", "[2001:db8::1]:0"].map(|address| address.parse().unwrap()).to_vec();
    let (offerer, mut answerer) = connect_with(Config { bind_addresses: addresses, ..common::config() }).await;
    assert_frame_arrives(&offerer, &mut answerer).await;
}

#[tokio::test]
async fn no_candidate_has_the_unspecified_address() {
    let _lock = common::shared().await;
    let addresses = vec!["0.0.0.0:0".parse().unwrap(), "[::]:0".parse().unwrap()];
    assert_eq!(Config::default().bind_addresses, addresses);
    let mut side =
        common::test_peer(Config { data_channel: None, ..Config { bind_addresses: addresses, ..common::config() } })
            .await;
    side.peer.offer().await.unwrap();
    let gathering = async {
        loop {
            match side.events.next().await.unwrap() {
                Event::Candidate(candidate) if candidate.candidate.is_empty() => return,
                Event::Candidate(candidate) => {
                    let address = candidate.candidate.split(' ').nth(4).unwrap().to_owned();
                    assert!(address != "0.0.0.0" && address != "::", "{address}");
                }
                _ => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gathering).await.unwrap();
}

/// Runs the program `ip` in this process's namespace.
fn ip(arguments: &str) {
    let status = std::process::Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}");
}

#[tokio::test]
async fn an_ice_restart_follows_the_computer_to_another_address() {
    let _lock = common::shared().await;
    namespace::run("addresses::another_address_inside_a_namespace");
}

#[tokio::test]
#[ignore = "run by an_ice_restart_follows_the_computer_to_another_address"]
async fn another_address_inside_a_namespace() {
    let config = Config { bind_addresses: Config::default().bind_addresses, ..common::config() };
    let (mut offerer, mut answerer) = connect_with(config).await;
    assert_frame_arrives(&offerer, &mut answerer).await;

    ip("addr del 10.99.0.1/24 dev d0");
    assert_eq!(offerer.peer.ice_restart_offer().await, Err(Error::NoNetwork));

    ip("addr add 10.99.0.2/24 dev d0");
    ip("route add default dev d0");
    let offer = offerer.peer.ice_restart_offer().await.unwrap();
    let start = std::time::Instant::now();
    let candidates = std::cell::RefCell::new(Vec::new());
    let collect = |candidate: IceCandidate| {
        candidates.borrow_mut().push(candidate.candidate.clone());
        candidate
    };
    common::connect(&mut offerer, &mut answerer, &offer, collect, collect).await;
    let candidates = candidates.into_inner();
    assert!(candidates.iter().any(|candidate| candidate.contains(" 10.99.0.2 ")), "{candidates:?}");
    assert!(!candidates.iter().any(|candidate| candidate.contains(" 10.99.0.1 ")), "{candidates:?}");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_frame_arrives(&offerer, &mut answerer).await;
}

/// In a network namespace, since mDNS queries are multicast.
#[tokio::test]
async fn unresolvable_mdns_names_do_not_delay_the_connection() {
    let _lock = common::shared().await;
    namespace::run("addresses::unresolvable_names_inside_a_namespace");
}

#[tokio::test]
#[ignore = "run by unresolvable_mdns_names_do_not_delay_the_connection"]
async fn unresolvable_names_inside_a_namespace() {
    let config = Config { bind_addresses: Config::default().bind_addresses, ..common::config() };
    let mut offerer = common::test_peer(config.clone()).await;
    let mut answerer = common::test_peer(config).await;
    let offer = offerer.peer.offer().await.unwrap();
    let unresolvable = |candidate: &IceCandidate, number: u32| {
        let mut fields: Vec<String> = candidate.candidate.split(' ').map(str::to_owned).collect();
        if let Some(address) = fields.get_mut(4) {
            *address = format!("8ad55c71-0000-4000-8000-{number:012}.local");
        }
        IceCandidate { candidate: fields.join(" "), ..candidate.clone() }
    };
    answerer.peer.set_remote_description(hutong_protocol::SdpKind::Offer, &offer).await.unwrap();
    let answer = answerer.peer.answer().await.unwrap();
    offerer.peer.set_remote_description(hutong_protocol::SdpKind::Answer, &answer).await.unwrap();
    let start = std::time::Instant::now();
    let exchange = async {
        let mut connected = (false, false);
        let mut number = 0;
        while connected != (true, true) {
            let (event, is_offerer) = tokio::select! {
                event = offerer.events.next() => (event.unwrap(), true),
                event = answerer.events.next() => (event.unwrap(), false),
            };
            match event {
                Event::Candidate(candidate) => {
                    let remote = if is_offerer { &answerer.peer } else { &offerer.peer };
                    if !candidate.candidate.is_empty() {
                        // Several unresolvable names, then the real candidate.
                        for _ in 0..3 {
                            number += 1;
                            remote.add_ice_candidate(unresolvable(&candidate, number)).await.unwrap();
                        }
                    }
                    remote.add_ice_candidate(candidate).await.unwrap();
                }
                Event::Connectivity(connectivity) => {
                    let state = if is_offerer { &mut connected.0 } else { &mut connected.1 };
                    *state = connectivity == Connectivity::Connected;
                }
                _ => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), exchange).await.expect("connected");
    let elapsed = start.elapsed();
    assert!(elapsed < Duration::from_secs(3), "{elapsed:?}");
    assert_frame_arrives(&offerer, &mut answerer).await;
}
