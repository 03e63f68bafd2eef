use std::time::Duration;

use proptest::prelude::*;
use rtc::ice::attributes::control::AttrControlled;
use rtc::stun::attributes::{ATTR_CHANNEL_NUMBER, ATTR_DATA, ATTR_XOR_PEER_ADDRESS};
use rtc::stun::message::{
    BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, CLASS_ERROR_RESPONSE, CLASS_INDICATION, CLASS_REQUEST,
    METHOD_ALLOCATE, METHOD_CHANNEL_BIND, METHOD_DATA, METHOD_SEND, MessageType, Setter, TransactionId,
};
use rtc::stun::textattrs::TextAttribute;
use rtc::stun::xoraddr::XorMappedAddress;

use super::*;
use crate::runtime::check_pacer::{MAX_PACKETS, MAX_UNSOLICITED};

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn local() -> SocketAddr {
    address("10.0.0.1:4000")
}

fn server() -> SocketAddr {
    address("203.0.113.1:3478")
}

fn credentials(name: &str) -> IceCredentials {
    IceCredentials { ufrag: name.to_owned(), password: format!("password of {name}") }
}

fn filter() -> StunFilter<()> {
    let mut filter = StunFilter::new();
    filter.add_credentials(credentials("mine"));
    filter
}

fn message(kind: MessageType) -> Message {
    let mut message = Message::new();
    message.build(&[Box::new(kind), Box::new(TransactionId::new())]).unwrap();
    message
}

fn response(request: &Message, kind: MessageType) -> Message {
    let mut message = Message::new();
    message.build(&[Box::new(kind), Box::new(request.transaction_id)]).unwrap();
    message
}

/// A check with a role, as the other side sends it.
fn check(user: &str, password: Option<&str>) -> Message {
    let mut message = message(BINDING_REQUEST);
    TextAttribute::new(ATTR_USERNAME, user.to_owned()).add_to(&mut message).unwrap();
    AttrControlled(0).add_to(&mut message).unwrap();
    if let Some(password) = password {
        let provider = rtc::crypto::default_provider().unwrap();
        let integrity =
            MessageIntegrity::new_short_term_integrity_with_provider(password.to_owned(), provider.crypto());
        integrity.add_to(&mut message).unwrap();
    }
    message
}

fn genuine_check() -> Message {
    check("mine:theirs", Some("password of mine"))
}

/// A Send or Data indication.
fn indication(kind: MessageType, peer: SocketAddr, data: &[u8]) -> Message {
    let mut message = message(kind);
    let peer = XorMappedAddress { ip: peer.ip(), port: peer.port() };
    peer.add_to_as(&mut message, ATTR_XOR_PEER_ADDRESS).unwrap();
    message.add(ATTR_DATA, data);
    message
}

fn to_relay(peer: SocketAddr, data: &[u8]) -> Vec<u8> {
    indication(MessageType::new(METHOD_SEND, CLASS_INDICATION), peer, data).raw
}

fn from_relay(peer: SocketAddr, data: &[u8]) -> Vec<u8> {
    indication(MessageType::new(METHOD_DATA, CLASS_INDICATION), peer, data).raw
}

fn channel_data_of(number: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    [&number.to_be_bytes()[..], &length.to_be_bytes(), data].concat()
}

fn bind_channel(number: u16, peer: SocketAddr) -> Vec<u8> {
    let mut message = message(MessageType::new(METHOD_CHANNEL_BIND, CLASS_REQUEST));
    let [high, low] = number.to_be_bytes();
    message.add(ATTR_CHANNEL_NUMBER, &[high, low, 0, 0]);
    let peer = XorMappedAddress { ip: peer.ip(), port: peer.port() };
    peer.add_to_as(&mut message, ATTR_XOR_PEER_ADDRESS).unwrap();
    message.raw
}

impl StunFilter<()> {
    fn send(&mut self, now: Instant, to: SocketAddr, packet: &[u8]) -> Outgoing {
        self.outgoing(now, local(), to, packet, || ())
    }

    fn receive(&mut self, from: SocketAddr, packet: &[u8]) -> Incoming {
        self.incoming(local(), from, packet, &mut Vec::new())
    }

    /// Sends a packet, which is paced, and returns how many packets are due.
    fn due(&mut self, now: Instant) -> usize {
        std::iter::from_fn(|| self.take_due(now)).count()
    }
}

#[test]
fn packets_to_silent_addresses_are_paced_in_every_form() {
    let start = Instant::now();
    let mut filter = filter();
    let mut sent = 0;
    for tick in 0..100_u32 {
        let now = start + Duration::from_millis(100) * tick;
        for port in 1..200 {
            let peer = SocketAddr::new(address("192.0.2.7:1").ip(), port);
            let check = message(BINDING_REQUEST).raw;
            assert_eq!(filter.send(now, peer, &check), Outgoing::Paced);
            assert_eq!(filter.send(now, server(), &to_relay(peer, &check)), Outgoing::Paced);
            let allocate = message(MessageType::new(METHOD_ALLOCATE, CLASS_REQUEST)).raw;
            assert_eq!(filter.send(now, peer, &allocate), Outgoing::Paced);
        }
        sent += filter.due(now);
    }
    assert_eq!(sent, 10 * MAX_UNSOLICITED);
}

#[test]
fn an_address_that_answered_is_paced_no_more() {
    let now = Instant::now();
    let mut filter = filter();
    let peer = address("192.0.2.7:5000");
    let request = message(BINDING_REQUEST);
    assert_eq!(filter.send(now, peer, &request.raw), Outgoing::Paced);
    assert_eq!(filter.due(now), 1);
    // Another transaction, another address.
    filter.receive(peer, &response(&message(BINDING_REQUEST), BINDING_SUCCESS).raw);
    filter.receive(address("192.0.2.7:5001"), &response(&request, BINDING_SUCCESS).raw);
    filter.receive(peer, &request.raw);
    assert_eq!(filter.send(now, peer, &request.raw), Outgoing::Paced);
    let mut due = Vec::new();
    let response = response(&request, BINDING_SUCCESS).raw;
    assert_eq!(filter.incoming(local(), peer, &response, &mut due), Incoming::Pass);
    assert_eq!(due.iter().map(|packet| packet.to).collect::<Vec<_>>(), [peer], "the packet that waited");
    assert_eq!(filter.send(now, peer, &request.raw), Outgoing::Pass);
    assert_eq!(filter.send(now, address("192.0.2.7:5001"), &request.raw), Outgoing::Paced);
    assert_eq!(filter.send(now, server(), &to_relay(peer, &request.raw)), Outgoing::Paced, "through a relay");
}

#[test]
fn an_error_is_an_answer_too() {
    let now = Instant::now();
    let mut filter = filter();
    let allocate = message(MessageType::new(METHOD_ALLOCATE, CLASS_REQUEST));
    assert_eq!(filter.send(now, server(), &allocate.raw), Outgoing::Paced);
    assert_eq!(filter.due(now), 1);
    filter.receive(server(), &response(&allocate, MessageType::new(METHOD_ALLOCATE, CLASS_ERROR_RESPONSE)).raw);
    assert_eq!(filter.send(now, server(), &allocate.raw), Outgoing::Pass);
}

#[test]
fn an_answer_through_a_relay_counts_for_that_relay() {
    let now = Instant::now();
    let peer = address("192.0.2.7:5000");
    let request = message(BINDING_REQUEST);
    let answer = response(&request, BINDING_SUCCESS).raw;
    let channel = 0x4001;
    for is_channel in [false, true] {
        let mut filter = filter();
        assert_eq!(filter.send(now, server(), &bind_channel(channel, peer)), Outgoing::Paced);
        assert_eq!(filter.due(now), 1);
        let (out, back) = if is_channel {
            (channel_data_of(channel, &request.raw), channel_data_of(channel, &answer))
        } else {
            (to_relay(peer, &request.raw), from_relay(peer, &answer))
        };
        assert_eq!(filter.send(now, server(), &out), Outgoing::Paced);
        assert_eq!(filter.due(now), 1);
        filter.receive(address("203.0.113.2:3478"), &back);
        assert_eq!(filter.send(now, server(), &out), Outgoing::Paced, "another server");
        filter.receive(server(), &back);
        assert_eq!(filter.send(now, server(), &out), Outgoing::Pass);
        assert_eq!(filter.send(now, peer, &request.raw), Outgoing::Paced, "directly");
    }
}

#[test]
fn nothing_is_sent_to_groups() {
    let now = Instant::now();
    let mut filter = filter();
    let request = message(BINDING_REQUEST).raw;
    for to in ["224.0.0.251:5353", "224.0.0.1:5000", "255.255.255.255:5000", "[ff02::fb]:5353", "192.0.2.7:0"] {
        assert_eq!(filter.send(now, address(to), &request), Outgoing::Dropped, "{to}");
    }
}

#[test]
fn the_socket_of_mdns_sends_queries_to_its_group_alone_and_paced() {
    let now = Instant::now();
    let mut filter = filter();
    let mdns = address("224.0.0.251:5353");
    for to in ["192.0.2.7:5353", "224.0.0.1:5353", "[ff02::fb]:5353"] {
        assert_eq!(filter.outgoing(now, mdns, address(to), &[1], || ()), Outgoing::Dropped, "{to}");
    }
    for query in 0..100 {
        assert_eq!(filter.outgoing(now, mdns, mdns, &[query], || ()), Outgoing::Paced);
    }
    assert_eq!(filter.due(now), MAX_UNSOLICITED);
    assert_eq!(filter.incoming(mdns, address("192.0.2.7:5353"), &[1], &mut Vec::new()), Incoming::Pass);
}

#[test]
fn media_is_never_held_back() {
    let now = Instant::now();
    let mut filter = filter();
    let peer = address("192.0.2.7:5000");
    for first in [20, 63, 128, 191] {
        let packet = [first; 1_000];
        assert_eq!(filter.send(now, peer, &packet), Outgoing::Pass);
        assert_eq!(filter.receive(peer, &packet), Incoming::Pass);
        assert_eq!(filter.send(now, server(), &to_relay(peer, &packet)), Outgoing::Pass);
        assert_eq!(filter.receive(server(), &from_relay(peer, &packet)), Incoming::Pass);
        // An RTP packet whose timestamp is the magic cookie.
        let mut packet = check("a", None).raw;
        packet[0] |= 0x80;
        assert_eq!(filter.receive(peer, &packet), Incoming::Pass);
    }
}

#[test]
fn checks_without_valid_credentials_are_dropped_in_every_form() {
    let peer = address("192.0.2.7:5000");
    let mut altered = genuine_check().raw;
    let last = altered.len() - 1;
    altered[last] ^= 1;
    for (packet, expected) in [
        (genuine_check().raw, Incoming::Pass),
        (check("mine:theirs", None).raw, Incoming::Dropped),
        (check("mine:theirs", Some("password of theirs")).raw, Incoming::Dropped),
        (check("mine", Some("password of mine")).raw, Incoming::Dropped),
        (check("theirs:mine", Some("password of mine")).raw, Incoming::Dropped),
        (message(BINDING_REQUEST).raw, Incoming::Dropped),
        (altered, Incoming::Dropped),
    ] {
        let mut filter = filter();
        filter.send(Instant::now(), server(), &bind_channel(0x4001, peer));
        assert_eq!(filter.receive(peer, &packet), expected);
        assert_eq!(filter.receive(server(), &from_relay(peer, &packet)), expected);
        assert_eq!(filter.receive(server(), &channel_data_of(0x4001, &packet)), expected);
        // The library ignores the first two bits of an indication.
        let mut outer = from_relay(peer, &packet);
        outer[0] |= 0x40;
        assert_eq!(filter.receive(server(), &outer), expected);
    }
}

#[test]
fn checks_with_former_credentials_pass_during_a_restart() {
    let mut filter = filter();
    let peer = address("192.0.2.7:5000");
    for name in ["second", "third", "fourth"] {
        filter.add_credentials(credentials(name));
        let new = check(&format!("{name}:theirs"), Some(&format!("password of {name}")));
        assert_eq!(filter.receive(peer, &new.raw), Incoming::Pass);
        assert_eq!(filter.receive(peer, &genuine_check().raw), Incoming::Pass);
    }
    filter.add_credentials(credentials("fifth"));
    assert_eq!(filter.receive(peer, &genuine_check().raw), Incoming::Dropped);
}

#[test]
fn the_number_of_addresses_that_send_checks_is_limited() {
    let mut filter = filter();
    let peer = |port| SocketAddr::new(address("192.0.2.7:1").ip(), port);
    let check = genuine_check().raw;
    let passed = |filter: &mut StunFilter<()>, ports: std::ops::Range<u16>| {
        ports.filter(|port| filter.receive(peer(*port), &check) == Incoming::Pass).count()
    };
    assert_eq!(passed(&mut filter, 1..1_000), MAX_REQUESTERS);
    assert_eq!(passed(&mut filter, 1..65), MAX_REQUESTERS, "known ones pass on");
    filter.add_credentials(credentials("second"));
    assert_eq!(passed(&mut filter, 2_000..3_000), MAX_REQUESTERS, "a new generation");
}

#[test]
fn replies_overtake_checks_and_are_paced_too() {
    let now = Instant::now();
    let mut filter = filter();
    for port in 1..90 {
        filter.send(now, SocketAddr::new(address("192.0.2.9:1").ip(), port), &message(BINDING_REQUEST).raw);
    }
    let peer = address("192.0.2.7:5000");
    let request = genuine_check();
    filter.receive(peer, &request.raw);
    assert_eq!(filter.send(now, peer, &response(&request, BINDING_SUCCESS).raw), Outgoing::Paced);
    assert_eq!(filter.send(now, peer, &message(BINDING_REQUEST).raw), Outgoing::Paced, "the triggered check");
    let due: Vec<_> = std::iter::from_fn(|| filter.take_due(now)).map(|packet| packet.to).collect();
    assert_eq!(due[..2], [peer, peer]);
    assert_eq!(due.len(), 2 + MAX_UNSOLICITED);
    let mut sent = due.len();
    for port in 1..60 {
        let requester = SocketAddr::new(peer.ip(), port);
        filter.receive(requester, &request.raw);
        filter.send(now, requester, &response(&request, BINDING_ERROR).raw);
        sent += filter.due(now);
    }
    assert_eq!(sent, MAX_PACKETS);
}

#[test]
fn packets_of_a_closed_socket_do_not_count() {
    let now = Instant::now();
    let mut filter = filter();
    let peer = |port| SocketAddr::new(address("192.0.2.7:1").ip(), port);
    let check = message(BINDING_REQUEST).raw;
    for port in 1..50 {
        filter.send(now, peer(port), &check);
    }
    filter.socket_closed(local());
    assert_eq!(filter.next_due(), None);
    let other = address("10.0.0.1:4001");
    assert_eq!(filter.outgoing(now, other, peer(99), &check, || ()), Outgoing::Paced);
    assert_eq!(filter.take_due(now).map(|packet| packet.to), Some(peer(99)));
}

#[test]
fn everything_that_is_remembered_has_a_limit() {
    let now = Instant::now();
    let mut filter = filter();
    for number in 0..2_000_u16 {
        let peer = SocketAddr::new(address("192.0.2.7:1").ip(), number + 1);
        let request = message(BINDING_REQUEST);
        filter.requests.push_back((request.transaction_id.0, Destination { relay: None, address: peer }));
        filter.receive(peer, &response(&request, BINDING_SUCCESS).raw);
        filter.bind(local(), server(), 0x4000 + number, peer);
        filter.send(now, SocketAddr::new(address("192.0.2.8:1").ip(), number + 1), &request.raw);
        filter.due(now + Duration::from_secs(number.into()));
    }
    assert_eq!(filter.answered.len(), MAX_ANSWERED);
    assert_eq!(filter.channels.len(), MAX_CHANNELS);
    assert!(filter.requests.len() <= MAX_REQUESTS);
}

proptest! {
    #[test]
    fn arbitrary_packets_do_not_panic(mut packets: Vec<(bool, Vec<u8>)>) {
        let mut filter = filter();
        for (is_stun, packet) in &mut packets {
            if *is_stun && packet.len() >= 8 {
                packet[4..8].copy_from_slice(&[0x21, 0x12, 0xA4, 0x42]);
            }
            filter.send(Instant::now(), server(), packet);
            filter.receive(server(), packet);
        }
    }
}
