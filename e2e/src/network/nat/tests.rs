//! Tests of the NAT, by packets with valid checksums.

use proptest::prelude::*;

use super::{
    super::packet::samples::{has_valid_checksums, packet},
    *,
};

const EXTERNAL: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const INSIDE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 40_001);

/// Two addresses with two ports each.
const REMOTES: [SocketAddrV4; 4] = [
    SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 10), 3_478),
    SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 10), 3_479),
    SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 11), 3_478),
    SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 11), 3_479),
];

const BEHAVIOURS: [NatBehaviour; 4] =
    [NatBehaviour::FULL_CONE, NatBehaviour::RESTRICTED, NatBehaviour::PORT_RESTRICTED, NatBehaviour::SYMMETRIC];

/// Sends from inside; returns the external endpoint if the packet passes.
fn send(
    nat: &mut Nat,
    transport: Transport,
    inside: SocketAddrV4,
    to: SocketAddrV4,
    now: Instant,
) -> Option<SocketAddrV4> {
    let mut bytes = packet(transport, inside.into(), to.into(), b"out");
    nat.translate_outbound(&mut bytes, now)?;
    assert!(has_valid_checksums(&bytes));
    let (_, source, destination) = ipv4_endpoints(&bytes).unwrap();
    assert_eq!((*source.ip(), destination), (EXTERNAL, to));
    Some(source)
}

/// Sends from outside; returns the inside endpoint that gets the packet.
fn receive(
    nat: &Nat,
    transport: Transport,
    from: SocketAddrV4,
    to: SocketAddrV4,
    now: Instant,
) -> Option<SocketAddrV4> {
    let mut bytes = packet(transport, from.into(), to.into(), b"in");
    nat.translate_inbound(&mut bytes, now)?;
    assert!(has_valid_checksums(&bytes));
    let (_, source, destination) = ipv4_endpoints(&bytes).unwrap();
    assert_eq!(source, from);
    Some(destination)
}

fn nat(behaviour: NatBehaviour) -> (Nat, Instant) {
    (Nat::new(behaviour, EXTERNAL, 7), Instant::now())
}

#[test]
fn endpoint_independent_mapping_has_one_external_port_and_symmetric_mapping_one_for_each_remote_endpoint() {
    for (behaviour, expected) in BEHAVIOURS.into_iter().zip([1, 1, 1, 4]) {
        let (mut nat, now) = nat(behaviour);
        for transport in [Transport::Udp, Transport::Tcp] {
            let ports: HashSet<_> =
                REMOTES.iter().map(|remote| send(&mut nat, transport, INSIDE, *remote, now).unwrap()).collect();
            assert_eq!(ports.len(), expected, "{behaviour:?} {transport:?}");
            assert!(ports.iter().all(|external| external.port() != INSIDE.port()));
        }
    }
}

#[test]
fn filtering_admits_the_remote_endpoints_that_rfc_4787_allows() {
    // Which remote endpoints' packets pass after one was sent to the first.
    let lets_in = [
        [true, true, true, true],
        [true, true, false, false],
        [true, false, false, false],
        [true, false, false, false],
    ];
    for (behaviour, expected) in BEHAVIOURS.into_iter().zip(lets_in) {
        let (mut nat, now) = nat(behaviour);
        let external = send(&mut nat, Transport::Udp, INSIDE, REMOTES[0], now).unwrap();
        let passes = REMOTES.map(|remote| receive(&nat, Transport::Udp, remote, external, now));
        assert_eq!(passes, expected.map(|passes| passes.then_some(INSIDE)), "{behaviour:?}");
    }
}

#[test]
fn tcp_is_filtered_by_address_and_port() {
    for behaviour in BEHAVIOURS {
        let (mut nat, now) = nat(behaviour);
        let external = send(&mut nat, Transport::Tcp, INSIDE, REMOTES[0], now).unwrap();
        let passes = REMOTES.map(|remote| receive(&nat, Transport::Tcp, remote, external, now).is_some());
        assert_eq!(passes, [true, false, false, false], "{behaviour:?}");
        assert_eq!(receive(&nat, Transport::Udp, REMOTES[0], external, now), None, "{behaviour:?}");
    }
}

#[test]
fn unsolicited_packets_hairpins_and_packets_to_other_addresses_are_dropped() {
    let (mut nat, now) = nat(NatBehaviour::FULL_CONE);
    let unmapped = SocketAddrV4::new(EXTERNAL, 12_345);
    assert_eq!(receive(&nat, Transport::Udp, REMOTES[0], unmapped, now), None);
    let external = send(&mut nat, Transport::Udp, INSIDE, REMOTES[0], now).unwrap();
    assert_eq!(send(&mut nat, Transport::Udp, INSIDE, external, now), None);
    let elsewhere = SocketAddrV4::new(*INSIDE.ip(), external.port());
    assert_eq!(receive(&nat, Transport::Udp, REMOTES[0], elsewhere, now), None);
}

#[test]
fn icmp_fragments_and_ipv6_are_dropped() {
    let (mut nat, now) = nat(NatBehaviour::FULL_CONE);
    let good = packet(Transport::Udp, INSIDE.into(), REMOTES[0].into(), b"out");
    let mut echo = good.clone();
    echo[9] = 1;
    let mut fragment = good.clone();
    fragment[6] = 0x20;
    let ipv6 = packet(Transport::Udp, "[3fff::1]:4".parse().unwrap(), "[3fff::2]:5".parse().unwrap(), b"out");
    for mut bytes in [echo, fragment, ipv6, Vec::new()] {
        assert_eq!(nat.translate_outbound(&mut bytes, now), None);
        assert_eq!(nat.translate_inbound(&mut bytes, now), None);
    }
    assert_eq!(nat.mappings(), 0);
}

#[test]
fn only_packets_from_inside_keep_a_mapping_alive() {
    let (mut nat, start) = nat(NatBehaviour::FULL_CONE);
    let nearly = UDP_IDLE - Duration::from_millis(1);
    let external = send(&mut nat, Transport::Udp, INSIDE, REMOTES[0], start).unwrap();
    assert_eq!(send(&mut nat, Transport::Udp, INSIDE, REMOTES[0], start + nearly), Some(external));
    assert!(receive(&nat, Transport::Udp, REMOTES[0], external, start + nearly * 2).is_some());
    let expired = start + nearly + UDP_IDLE;
    assert!(receive(&nat, Transport::Udp, REMOTES[0], external, expired).is_none());
    let next = send(&mut nat, Transport::Udp, INSIDE, REMOTES[0], expired).unwrap();
    assert_ne!(next, external);
    assert_eq!(nat.mappings(), 1);
}

#[test]
fn a_full_table_refuses_new_mappings_until_old_ones_expire() {
    let (mut nat, start) = nat(NatBehaviour::FULL_CONE);
    let inside = |port| SocketAddrV4::new(*INSIDE.ip(), port);
    for port in 0..MAX_MAPPINGS as u16 {
        assert!(send(&mut nat, Transport::Udp, inside(port), REMOTES[0], start).is_some());
    }
    assert_eq!(send(&mut nat, Transport::Udp, inside(60_000), REMOTES[0], start), None);
    assert!(send(&mut nat, Transport::Udp, inside(1), REMOTES[1], start).is_some());
    assert!(send(&mut nat, Transport::Udp, inside(60_000), REMOTES[0], start + UDP_IDLE).is_some());
    assert_eq!(nat.mappings(), 1);
}

#[test]
fn a_mapping_lets_in_a_bounded_number_of_remote_endpoints() {
    let (mut nat, now) = nat(NatBehaviour::PORT_RESTRICTED);
    let remote = |port| SocketAddrV4::new(*REMOTES[0].ip(), port);
    for port in 0..MAX_PERMITTED as u16 {
        assert!(send(&mut nat, Transport::Udp, INSIDE, remote(port), now).is_some());
    }
    assert_eq!(send(&mut nat, Transport::Udp, INSIDE, remote(60_000), now), None);
    assert!(send(&mut nat, Transport::Udp, INSIDE, remote(1), now).is_some());
}

/// One event at a NAT.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A packet from one of two inside ports to a remote endpoint.
    Send { inside: usize, remote: usize },
    /// A packet from a remote endpoint to the external endpoint that the NAT used in its n-th last sent packet.
    Receive { remote: usize, sent: usize },
    /// Time passes.
    Wait(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => (0..2_usize, 0..4_usize).prop_map(|(inside, remote)| Event::Send { inside, remote }),
        6 => (0..4_usize, 0..8_usize).prop_map(|(remote, sent)| Event::Receive { remote, sent }),
        1 => (1..100_u64).prop_map(Event::Wait),
    ];
    proptest::collection::vec(event, 1..80)
}

/// A packet that was sent, for the definition of what a NAT does.
#[derive(Clone, Copy, Debug)]
struct Sent {
    inside: SocketAddrV4,
    remote: SocketAddrV4,
    external: SocketAddrV4,
    at: Instant,
}

/// Whether a packet from outside passes, by the definitions of RFC 4787 and the packets sent before.
fn passes(behaviour: NatBehaviour, sent: &[Sent], remote: SocketAddrV4, external: SocketAddrV4, now: Instant) -> bool {
    // The packets since the external port was last assigned, which may happen again after it expired.
    let mut next = now;
    let mut current = Vec::new();
    for it in sent.iter().rev().filter(|it| it.external == external) {
        if next - it.at >= UDP_IDLE {
            break;
        }
        next = it.at;
        current.push(it);
    }
    match behaviour.filtering {
        NatFiltering::EndpointIndependent => !current.is_empty(),
        NatFiltering::AddressDependent => current.iter().any(|it| it.remote.ip() == remote.ip()),
        NatFiltering::AddressAndPortDependent => current.iter().any(|it| it.remote == remote),
    }
}

proptest! {
    #[test]
    fn packets_pass_by_the_definitions_of_rfc_4787(behaviour in 0..4_usize, events in events()) {
        let behaviour = BEHAVIOURS[behaviour];
        let (mut nat, mut now) = nat(behaviour);
        let mut sent: Vec<Sent> = Vec::new();
        for event in events {
            match event {
                Event::Send { inside, remote } => {
                    let (inside, remote) = (SocketAddrV4::new(*INSIDE.ip(), 40_001 + inside as u16), REMOTES[remote]);
                    let external = send(&mut nat, Transport::Udp, inside, remote, now).unwrap();
                    let shares = |it: &&Sent| it.inside == inside
                        && (behaviour.mapping == NatMapping::EndpointIndependent || it.remote == remote);
                    if let Some(last) = sent.iter().rev().find(shares).filter(|last| now - last.at < UDP_IDLE) {
                        prop_assert_eq!(last.external, external);
                    }
                    let foreign = sent.iter().filter(|it| !shares(it) && now - it.at < UDP_IDLE);
                    prop_assert!(foreign.clone().all(|it| it.external != external));
                    sent.push(Sent { inside, remote, external, at: now });
                }
                Event::Receive { remote, sent: back } => {
                    let Some(target) = sent.iter().rev().nth(back).copied() else { continue };
                    let expected = passes(behaviour, &sent, REMOTES[remote], target.external, now);
                    let received = receive(&nat, Transport::Udp, REMOTES[remote], target.external, now);
                    prop_assert_eq!(received.is_some(), expected);
                }
                Event::Wait(seconds) => now += Duration::from_secs(seconds),
            }
        }
    }
}
