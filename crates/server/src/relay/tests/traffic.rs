//! Traffic between allocations, and what the relay does not pass on.

use std::{net::SocketAddr, time::Duration};

use proptest::prelude::*;
use stun_types::attribute::{AttributeType, RawAttribute};

use super::client::{Client, Received, World};
use crate::relay::{RelayConfig, RelayLimits};

/// Two clients with allocations and permissions for each other.
struct Pair {
    world: World,
    ana: Client,
    bo: Client,
    ana_relayed: SocketAddr,
    bo_relayed: SocketAddr,
}

fn pair_with(config: RelayConfig) -> Pair {
    let mut world = World::new(config);
    let mut ana = Client::new(1, "198.51.100.7:5000");
    let mut bo = Client::new(2, "192.0.2.9:6000");
    let (ana_relayed, bo_relayed) = (ana.allocate(&mut world), bo.allocate(&mut world));
    assert_eq!(ana.permit(&mut world, bo_relayed), Received::Success);
    assert_eq!(bo.permit(&mut world, ana_relayed), Received::Success);
    Pair { world, ana, bo, ana_relayed, bo_relayed }
}

fn pair() -> Pair {
    pair_with(RelayConfig::default())
}

#[test]
fn data_passes_between_two_allocations_by_indications_and_by_channels() {
    let Pair { mut world, ana, bo, ana_relayed, bo_relayed } = pair();
    let world = &mut world;
    let data = b"hello".to_vec();
    let received = ana.send(world, bo_relayed, &data);
    assert_eq!(received, Some((bo.address, Received::Data { peer: ana_relayed, data: data.clone() })));
    assert_eq!(ana.bind(world, 0x4001, bo_relayed), Received::Success);
    let received = ana.send_on(world, 0x4001, &data);
    assert_eq!(received, Some((bo.address, Received::Data { peer: ana_relayed, data: data.clone() })));
    assert_eq!(bo.bind(world, 0x4777, ana_relayed), Received::Success);
    let on_channel = Some((bo.address, Received::Channel { number: 0x4777, data: data.clone() }));
    assert_eq!(ana.send_on(world, 0x4001, &data), on_channel);
    assert_eq!(ana.send(world, bo_relayed, &data), on_channel);
    let counters = world.relay.counters();
    assert_eq!((counters.relayed_packets, counters.relayed_bytes), (4, 20));
}

#[test]
fn a_receiver_without_permission_receives_nothing() {
    let mut world = World::new(RelayConfig::default());
    let mut ana = Client::new(1, "198.51.100.7:5000");
    let mut bo = Client::new(2, "192.0.2.9:6000");
    let (ana_relayed, bo_relayed) = (ana.allocate(&mut world), bo.allocate(&mut world));
    assert_eq!(ana.send(&mut world, bo_relayed, b"x"), None, "without permission of the sender");
    ana.permit(&mut world, bo_relayed);
    assert_eq!(ana.send(&mut world, bo_relayed, b"x"), None, "without permission of the receiver");
    bo.permit(&mut world, ana_relayed);
    assert!(ana.send(&mut world, bo_relayed, b"x").is_some());
    world.now += Duration::from_secs(300);
    assert_eq!(ana.send(&mut world, bo_relayed, b"x"), None, "after the permissions have expired");
}

#[test]
fn addresses_outside_the_relay_cannot_be_reached() {
    let Pair { mut world, ana, bo_relayed, .. } = pair();
    for outside in
        ["127.0.0.1:22", "169.254.169.254:80", "10.0.0.1:80", "198.51.100.7:5000", "0.0.0.0:1", "255.255.255.255:9"]
    {
        let outside = outside.parse().unwrap();
        assert_eq!(ana.permit(&mut world, outside), Received::Error(403), "{outside}");
        assert_eq!(ana.bind(&mut world, 0x4002, outside), Received::Error(403), "{outside}");
        assert_eq!(ana.send(&mut world, outside, b"x"), None, "{outside}");
    }
    let ipv6 = "[2001:db8::1]:80".parse().unwrap();
    assert_eq!(ana.permit(&mut world, ipv6), Received::Error(443));
    // The server's own address, at ports where it listens itself, or nobody does.
    for port in [443, 22, 8_017, bo_relayed.port() ^ 1] {
        let peer = SocketAddr::new(bo_relayed.ip(), port);
        assert_eq!(ana.permit(&mut world, peer), Received::Success, "permissions are for addresses");
        assert_eq!(ana.send(&mut world, peer, b"x"), None, "{port}");
    }
}

#[test]
fn a_sender_beyond_its_rate_loses_packets_and_disturbs_no_other() {
    let limits = RelayLimits { user_bytes_per_second: 10_000, ..RelayLimits::default() };
    let Pair { mut world, ana, bo, ana_relayed, bo_relayed } =
        pair_with(RelayConfig { limits, ..RelayConfig::default() });
    let passed = (0..100).filter(|_| ana.send(&mut world, bo_relayed, &[0; 936]).is_some()).count();
    assert_eq!(passed, 10);
    assert!(bo.send(&mut world, ana_relayed, &[0; 1_000]).is_some());
    assert_eq!(world.relay.counters().rate_limited_packets, 90);
    world.now += Duration::from_millis(500);
    let passed = (0..100).filter(|_| ana.send(&mut world, bo_relayed, &[0; 936]).is_some()).count();
    assert_eq!(passed, 5);
}

#[test]
fn small_packets_count_with_their_headers() {
    let limits = RelayLimits { user_bytes_per_second: 6_600, ..RelayLimits::default() };
    for (payload, expected) in [(&[][..], 103), (&[1], 101), (&[1, 2], 100)] {
        let Pair { mut world, ana, bo_relayed, .. } = pair_with(RelayConfig { limits, ..RelayConfig::default() });
        let passed = (0..10_000).filter(|_| ana.send(&mut world, bo_relayed, payload).is_some()).count();
        assert_eq!(passed, expected, "{payload:?}");
        ana.bind(&mut world, 0x4001, bo_relayed);
        assert_eq!(ana.send_on(&mut world, 0x4001, payload), None);
    }
}

#[test]
fn a_search_for_the_ports_of_others_is_limited_too() {
    let limits = RelayLimits { user_bytes_per_second: 6_400, ..RelayLimits::default() };
    let Pair { mut world, ana, mut bo_relayed, .. } = pair_with(RelayConfig { limits, ..RelayConfig::default() });
    let found = bo_relayed.port();
    for port in (1_024..=65_535).filter(|port| *port != found).take(1_000) {
        bo_relayed.set_port(port);
        assert_eq!(ana.send(&mut world, bo_relayed, &[]), None);
    }
    assert_eq!(world.relay.counters().rate_limited_packets, 900);
}

#[test]
fn longer_payloads_than_media_has_are_dropped() {
    let Pair { mut world, ana, bo_relayed, .. } = pair();
    assert!(ana.send(&mut world, bo_relayed, &[0; 2_000]).is_some());
    assert_eq!(ana.send(&mut world, bo_relayed, &[0; 2_001]), None);
}

/// RFC 8489, section 6.3.2.
#[test]
fn an_indication_with_an_unknown_required_attribute_is_dropped() {
    let Pair { mut world, ana, bo_relayed, .. } = pair();
    let (dont_fragment, optional) = (AttributeType::new(0x001A), AttributeType::new(0x8001));
    for (kind, is_relayed) in [(optional, true), (dont_fragment, false)] {
        let sent = ana.send_with(&mut world, bo_relayed, b"data", &[&RawAttribute::new(kind, &[])]);
        assert_eq!(sent.is_some(), is_relayed, "{kind}");
    }
}

#[test]
fn all_senders_together_have_a_rate_too() {
    let limits = RelayLimits { bytes_per_second: 15_000, user_bytes_per_second: 10_000, ..RelayLimits::default() };
    let Pair { mut world, ana, bo, ana_relayed, bo_relayed } =
        pair_with(RelayConfig { limits, ..RelayConfig::default() });
    let from_ana = (0..100).filter(|_| ana.send(&mut world, bo_relayed, &[0; 936]).is_some()).count();
    let from_bo = (0..100).filter(|_| bo.send(&mut world, ana_relayed, &[0; 936]).is_some()).count();
    assert_eq!((from_ana, from_bo), (10, 5));
}

#[test]
fn channel_data_that_ends_early_is_dropped() {
    let Pair { mut world, ana, bo_relayed, .. } = pair();
    ana.bind(&mut world, 0x4001, bo_relayed);
    assert_eq!(world.pass(ana.address, &[0x40, 0x01, 0, 5, 1, 2, 3, 4]), None);
    // Padding after the data does not belong to it.
    let (_, passed) = world.pass(ana.address, &[0x40, 0x01, 0, 3, 1, 2, 3, 0]).unwrap();
    assert!(passed.windows(3).any(|window| window == [1, 2, 3]));
}

proptest! {
    #[test]
    fn payloads_of_every_size_arrive_unchanged(data in proptest::collection::vec(any::<u8>(), 0..1_500), bound in any::<(bool, bool)>()) {
        let Pair { mut world, ana, bo, ana_relayed, bo_relayed } = pair();
        ana.bind(&mut world, 0x4001, bo_relayed);
        if bound.1 {
            bo.bind(&mut world, 0x4002, ana_relayed);
        }
        let sent = if bound.0 { ana.send_on(&mut world, 0x4001, &data) } else { ana.send(&mut world, bo_relayed, &data) };
        let expected =
            if bound.1 { Received::Channel { number: 0x4002, data } } else { Received::Data { peer: ana_relayed, data } };
        prop_assert_eq!(sent, Some((bo.address, expected)));
    }

    #[test]
    fn arbitrary_packets_are_handled_without_a_panic(
        packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..20),
        first in prop_oneof![Just(0_u8), Just(1), Just(0x40), any::<u8>()],
    ) {
        let Pair { mut world, ana, .. } = pair();
        for mut packet in packets {
            if let [start, ..] = &mut packet[..] {
                *start = first;
            }
            if let [_, _, _, _, rest @ ..] = &mut packet[..] && rest.len() >= 4 {
                rest[..4].copy_from_slice(&[0x21, 0x12, 0xA4, 0x42]);
            }
            world.pass(ana.address, &packet);
        }
    }

    /// A valid message with some bytes changed: only what its signature does not cover may still have an effect.
    #[test]
    fn damaged_requests_change_no_allocation(at in 0_usize..150, with: u8) {
        let mut world = World::new(RelayConfig::default());
        let mut ana = Client::new(1, "198.51.100.7:5000");
        ana.learn_nonce(&mut world);
        let mut request = ana.request(turn_types::message::ALLOCATE, 5.into(), &[&super::client::udp()]);
        let at = at % request.len();
        prop_assume!(request[at] != with);
        request[at] = with;
        world.pass(ana.address, &request);
        prop_assert_eq!(world.relay.counters().allocations, 0);
    }
}
