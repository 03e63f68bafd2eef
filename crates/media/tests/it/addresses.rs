//! Families, interfaces and names.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use hutong_core::Connectivity;
use hutong_media::{Config, Event, Kind};
use hutong_protocol::IceCandidate;

use crate::common;

async fn pair(config: Config) -> (common::Side, common::Side) {
    let mut offering = common::side(config.clone()).await;
    let mut answering = common::side(config).await;
    let offer = offering.peer.offer().await.unwrap();
    common::connect(&mut offering, &mut answering, &offer, |candidate| candidate, |candidate| candidate).await;
    (offering, answering)
}

async fn one_frame(from: &common::Side, to: &mut common::Side) {
    from.peer.send_video(common::picture(0, true, 5_000)).unwrap();
    assert_eq!(to.frame(Kind::Video).await.data, common::picture(0, true, 5_000).data);
}

#[tokio::test]
async fn over_ipv6() {
    let _turn = common::beside_others().await;
    let addresses = vec![SocketAddr::from((Ipv6Addr::LOCALHOST, 0))];
    let (offering, mut answering) = pair(Config { addresses, ..common::config() }).await;
    one_frame(&offering, &mut answering).await;
}

#[tokio::test]
async fn over_several_interfaces_of_both_families() {
    let _turn = common::beside_others().await;
    let addresses = ["127.0.0.1:0", "127.0.0.2:0", "[::1]:0"].map(|address| address.parse().unwrap()).to_vec();
    let (offering, mut answering) = pair(Config { addresses, ..common::config() }).await;
    one_frame(&offering, &mut answering).await;
}

#[tokio::test]
async fn an_address_that_is_not_there_does_no_harm() {
    let _turn = common::beside_others().await;
    // Of documentation (RFC 3849).
    let addresses = ["127.0.0.1:0", "[2001:db8::1]:0"].map(|address| address.parse().unwrap()).to_vec();
    let (offering, mut answering) = pair(Config { addresses, ..common::config() }).await;
    one_frame(&offering, &mut answering).await;
}

#[tokio::test]
async fn every_candidate_says_where_it_is() {
    let _turn = common::beside_others().await;
    let addresses = vec!["0.0.0.0:0".parse().unwrap(), "[::]:0".parse().unwrap()];
    assert_eq!(Config::default().addresses, addresses);
    let mut side = common::side(Config { channel: None, ..Config { addresses, ..common::config() } }).await;
    side.peer.offer().await.unwrap();
    let gather = async {
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
    tokio::time::timeout(Duration::from_secs(10), gather).await.unwrap();
}

/// The test below, in a network of its own: asking for a name sends to everybody.
#[tokio::test]
async fn a_name_that_nobody_knows_delays_nothing() {
    let _turn = common::beside_others().await;
    let network = "ip link set lo up && ip link add d0 type veth peer name d1 && ip link set d1 up && ip link set d0 up multicast on \
                   && ip addr add 10.99.0.1/24 dev d0 && ip route add default dev d0 && exec \"$0\" \"$@\"";
    let output = std::process::Command::new("unshare")
        .args(["--net", "--map-root-user", "sh", "-c", network])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "addresses::inside_a_network_of_its_own", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}

#[tokio::test]
#[ignore = "runs in a network of its own"]
async fn inside_a_network_of_its_own() {
    let config = Config { addresses: Config::default().addresses, ..common::config() };
    let mut offering = common::side(config.clone()).await;
    let mut answering = common::side(config).await;
    let offer = offering.peer.offer().await.unwrap();
    let unknown = |candidate: &IceCandidate, number: u32| {
        let mut fields: Vec<String> = candidate.candidate.split(' ').map(str::to_owned).collect();
        if let Some(address) = fields.get_mut(4) {
            *address = format!("8ad55c71-0000-4000-8000-{number:012}.local");
        }
        IceCandidate { candidate: fields.join(" "), ..candidate.clone() }
    };
    answering.peer.set_remote(hutong_protocol::SdpKind::Offer, &offer).await.unwrap();
    let answer = answering.peer.answer().await.unwrap();
    offering.peer.set_remote(hutong_protocol::SdpKind::Answer, &answer).await.unwrap();
    let start = std::time::Instant::now();
    let exchange = async {
        let mut connected = (false, false);
        let mut number = 0;
        while connected != (true, true) {
            let (event, is_offering) = tokio::select! {
                event = offering.events.next() => (event.unwrap(), true),
                event = answering.events.next() => (event.unwrap(), false),
            };
            match event {
                Event::Candidate(candidate) => {
                    let to = if is_offering { &answering.peer } else { &offering.peer };
                    if !candidate.candidate.is_empty() {
                        // Several names that nobody answers for, then what works.
                        for _ in 0..3 {
                            number += 1;
                            to.add_candidate(unknown(&candidate, number)).await.unwrap();
                        }
                    }
                    to.add_candidate(candidate).await.unwrap();
                }
                Event::Connectivity(connectivity) => {
                    let side = if is_offering { &mut connected.0 } else { &mut connected.1 };
                    *side = connectivity == Connectivity::Connected;
                }
                _ => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), exchange).await.expect("connected");
    let took = start.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    one_frame(&offering, &mut answering).await;
}
