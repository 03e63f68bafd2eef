//! Requests: credentials, quotas, and what each method refuses.

use std::{net::SocketAddr, time::Duration};

use hutong_protocol::Token;
use stun_types::{
    AddressFamily,
    attribute::{ErrorCode, Nonce, RawAttribute, UnknownAttributes, XorMappedAddress},
    message::{BINDING, Message},
};
use turn_types::{
    attribute::{EvenPort, Lifetime, RequestedAddressFamily, RequestedTransport, XorRelayedAddress},
    message::{ALLOCATE, CONNECT, REFRESH},
};

use super::client::{CREDENTIAL_LIFETIME, Client, Received, SERVER, UNIX_TIME, World, read, secret, udp};
use crate::relay::{ClientTransport, RelayConfig, RelayLimits, TurnSecret, TurnSecrets};

fn world() -> World {
    World::new(RelayConfig::default())
}

#[test]
fn a_binding_response_has_the_source_address_and_is_short() {
    let mut world = world();
    let mut client = Client::new(1, "198.51.100.7:5000");
    for remote in ["198.51.100.7:5000", "[::ffff:198.51.100.7]:5000"] {
        client.address.remote = remote.parse().unwrap();
        let response = client.ask(&mut world, BINDING, &[]);
        assert_eq!(response.len(), 32);
        let response = Message::from_bytes(&response).unwrap();
        let mapped = response.attribute::<XorMappedAddress>().unwrap().addr(response.transaction_id());
        assert_eq!(mapped, "198.51.100.7:5000".parse().unwrap());
    }
}

#[test]
fn attributes_that_must_be_understood_and_are_not_are_listed() {
    let mut world = world();
    let client = Client::new(1, "198.51.100.7:5000");
    let change_request = RawAttribute::new(0x0003.into(), &[0, 0, 0, 6]);
    let response = client.ask(&mut world, BINDING, &[&change_request]);
    let response = Message::from_bytes(&response).unwrap();
    assert_eq!(response.attribute::<ErrorCode>().unwrap().code(), 420);
    assert!(response.attribute::<UnknownAttributes>().unwrap().has_attribute(0x0003.into()));
}

#[test]
fn an_allocation_has_an_address_of_the_server_and_the_requested_lifetime() {
    let mut world = world();
    let mut client = Client::new(1, "198.51.100.7:5000");
    client.learn_nonce(&mut world);
    for (port, requested, granted) in [(1, None, 600), (2, Some(60), 600), (3, Some(900), 900), (4, Some(9_999), 3_600)]
    {
        client.address.remote.set_port(port);
        let transport = udp();
        let lifetime = requested.map(Lifetime::new);
        let response = match &lifetime {
            None => client.ask(&mut world, ALLOCATE, &[&transport]),
            Some(lifetime) => client.ask(&mut world, ALLOCATE, &[&transport, lifetime]),
        };
        let response = Message::from_bytes(&response).unwrap();
        let relayed = response.attribute::<XorRelayedAddress>().unwrap().addr(response.transaction_id());
        assert_eq!(relayed.ip(), SERVER.parse::<SocketAddr>().unwrap().ip());
        assert!(relayed.port() >= 1_024);
        assert_eq!(response.attribute::<Lifetime>().unwrap().seconds(), granted, "{requested:?}");
    }
    assert_eq!(world.relay.counters().allocations, 4);
    assert_eq!(world.relay.counters().users, 1);
}

#[test]
fn the_relayed_address_is_ipv4_unless_ipv6_is_requested() {
    let config = RelayConfig { ipv6: Some("2001:db8::5".parse().unwrap()), ..RelayConfig::default() };
    let [v4, v6] = [AddressFamily::IPV4, AddressFamily::IPV6].map(RequestedAddressFamily::new);
    for (local, requested, expected) in [
        ("203.0.113.1:443", None, "203.0.113.1"),
        ("203.0.113.1:443", Some(&v4), "203.0.113.1"),
        ("203.0.113.1:443", Some(&v6), "2001:db8::5"),
        ("[::ffff:203.0.113.1]:443", None, "203.0.113.1"),
        ("[2001:db8::1]:443", Some(&v6), "2001:db8::1"),
        ("[2001:db8::1]:443", None, "192.0.0.8"),
        ("0.0.0.0:443", None, "192.0.0.8"),
    ] {
        let mut world = World::new(config);
        let mut client = Client::new(1, "198.51.100.7:5000");
        client.address.local = local.parse().unwrap();
        client.learn_nonce(&mut world);
        let relayed = match requested {
            None => client.allocate_with(&mut world, &[&udp()]),
            Some(family) => client.allocate_with(&mut world, &[&udp(), family]),
        };
        assert_eq!(relayed.ip().to_string(), expected, "{local}");
    }
}

#[test]
fn a_retransmitted_allocate_is_answered_again_and_a_second_one_is_refused() {
    let mut world = world();
    let mut client = Client::new(1, "198.51.100.7:5000");
    client.learn_nonce(&mut world);
    let request = client.request(ALLOCATE, 99.into(), &[&udp()]);
    let first = world.pass(client.address, &request).unwrap();
    assert_eq!(world.pass(client.address, &request).unwrap(), first);
    assert_eq!(client.try_allocate(&mut world), Received::Error(437));
    assert_eq!(world.relay.counters().created, 1);
}

#[test]
fn allocate_requests_that_cannot_be_met_are_refused() {
    let mut world = world();
    let mut client = Client::new(1, "198.51.100.7:5000");
    client.learn_nonce(&mut world);
    let bad_family = RawAttribute::new(0x0017.into(), &[9, 0, 0, 0]);
    let priority = RawAttribute::new(0x0024.into(), &[0; 4]);
    let reservation = RawAttribute::new(0x0022.into(), &[0; 8]);
    for (response, code) in [
        (client.ask(&mut world, ALLOCATE, &[]), 400),
        (client.ask(&mut world, ALLOCATE, &[&RequestedTransport::new(6)]), 442),
        (client.ask(&mut world, ALLOCATE, &[&udp(), &bad_family]), 440),
        (client.ask(&mut world, ALLOCATE, &[&udp(), &EvenPort::new(true)]), 508),
        (client.ask(&mut world, ALLOCATE, &[&udp(), &reservation]), 420),
        (client.ask(&mut world, ALLOCATE, &[&udp(), &priority]), 420),
        (client.ask(&mut world, REFRESH, &[&Lifetime::new(600)]), 437),
    ] {
        assert_eq!(read(&response), Received::Error(code));
    }
    let even = client.allocate_with(&mut world, &[&udp(), &EvenPort::new(false)]);
    assert_eq!(even.port() % 2, 0);
}

#[test]
fn wrong_foreign_and_expired_credentials_are_refused() {
    let mut world = world();
    let mut client = Client::new(1, "198.51.100.7:5000");
    client.learn_nonce(&mut world);
    let right = client.credential.clone();
    let far = UNIX_TIME + Duration::from_hours(49);
    for (what, credential) in [
        ("another secret", TurnSecret::derive(&[8; 32]).issue(Token(1), UNIX_TIME + CREDENTIAL_LIFETIME)),
        ("expired", secret().issue(Token(1), UNIX_TIME - Duration::from_secs(1))),
        ("far future", secret().issue(Token(1), far)),
        ("no expiry", crate::relay::TurnCredential { username: "ana".into(), ..right.clone() }),
        (
            "another user's name",
            crate::relay::TurnCredential { username: right.username.replace(":1", ":2"), ..right.clone() },
        ),
        (
            "a later expiry",
            crate::relay::TurnCredential { username: right.username.replacen('1', "2", 1), ..right.clone() },
        ),
    ] {
        client.credential = credential;
        let response = client.ask(&mut world, ALLOCATE, &[&udp()]);
        assert_eq!(read(&response), Received::Error(401), "{what}");
        assert!(Message::from_bytes(&response).unwrap().attribute::<Nonce>().is_ok(), "{what}");
    }
    assert_eq!(world.relay.counters().unauthorized, 6);
    assert_eq!(world.relay.counters().allocations, 0);
}

#[test]
fn credentials_of_a_former_secret_stay_valid() {
    let mut world = world();
    let mut client = Client::new(1, "198.51.100.7:5000");
    client.learn_nonce(&mut world);
    world.relay.set_secrets(TurnSecrets::new(TurnSecret::derive(&[8; 32]), vec![secret()]));
    assert_eq!(client.try_allocate(&mut world), Received::Success);
    world.relay.set_secrets(TurnSecrets::new(TurnSecret::derive(&[8; 32]), vec![]));
    assert_eq!(client.refresh(&mut world, 600), Received::Error(401));
}

#[test]
fn an_allocation_outlives_its_credential() {
    let mut world = world();
    let mut client = Client::new(1, "198.51.100.7:5000");
    client.allocate(&mut world);
    for _ in 0..180 {
        world.now += Duration::from_secs(500);
        if client.refresh(&mut world, 600) == Received::Error(438) {
            client.learn_nonce(&mut world);
            assert_eq!(client.refresh(&mut world, 600), Received::Success);
        }
    }
    world.relay.expire(world.now);
    assert_eq!(world.relay.counters().allocations, 1, "after 25 hours");
    client.address.remote.set_port(5_001);
    assert_eq!(client.try_allocate(&mut world), Received::Error(401), "no new one");
}

#[test]
fn a_stale_or_foreign_nonce_is_replaced() {
    let mut world = world();
    let mut client = Client::new(1, "198.51.100.7:5000");
    client.learn_nonce(&mut world);
    let first = client.nonce.clone();
    for nonce in ["made-up", &first.replace('a', "b")] {
        client.nonce = nonce.to_owned();
        if nonce != first {
            assert_eq!(client.try_allocate(&mut world), Received::Error(438), "{nonce}");
        }
    }
    client.nonce = first;
    world.now += Duration::from_secs(3_601);
    let response = client.ask(&mut world, ALLOCATE, &[&udp()]);
    assert_eq!(read(&response), Received::Error(438));
    client.nonce = Message::from_bytes(&response).unwrap().attribute::<Nonce>().unwrap().nonce().to_owned();
    assert_eq!(client.try_allocate(&mut world), Received::Success);
}

#[test]
fn a_user_can_only_change_its_own_allocation() {
    let mut world = world();
    let mut ana = Client::new(1, "198.51.100.7:5000");
    ana.allocate(&mut world);
    let mut bo = Client::new(2, "198.51.100.7:5000");
    bo.learn_nonce(&mut world);
    assert_eq!(bo.refresh(&mut world, 0), Received::Error(441));
    // The same user with a renewed credential.
    ana.credential = secret().issue(Token(1), UNIX_TIME + CREDENTIAL_LIFETIME + Duration::from_secs(60));
    assert_eq!(ana.refresh(&mut world, 0), Received::Success);
    assert_eq!(world.relay.counters().allocations, 0);
}

#[test]
fn quotas_apply_to_a_user_and_to_all() {
    let limits = RelayLimits { allocations: 3, allocations_per_user: 2, ..RelayLimits::default() };
    let mut world = World::new(RelayConfig { limits, ..RelayConfig::default() });
    let mut results = Vec::new();
    for (user, remote) in [
        (1, "198.51.100.7:1"),
        (1, "198.51.100.7:2"),
        (1, "198.51.100.8:3"),
        (2, "198.51.100.8:4"),
        (3, "198.51.100.9:5"),
    ] {
        let mut client = Client::new(user, remote);
        client.learn_nonce(&mut world);
        results.push(client.try_allocate(&mut world));
    }
    let (ok, user, full) = (Received::Success, Received::Error(486), Received::Error(508));
    assert_eq!(results, [ok.clone(), ok.clone(), user, ok, full]);
    assert_eq!(world.relay.counters().over_limit, 2);
    // An allocation that has expired no longer counts.
    world.now += Duration::from_secs(600);
    world.relay.expire(world.now);
    let mut client = Client::new(3, "198.51.100.7:5");
    client.allocate(&mut world);
}

#[test]
fn users_behind_one_address_share_a_quota_of_a_sixteenth() {
    let limits = RelayLimits { allocations: 64, allocations_per_user: 2, ..RelayLimits::default() };
    let mut world = World::new(RelayConfig { limits, ..RelayConfig::default() });
    for user in 0..5 {
        let mut client = Client::new(user, &format!("198.51.100.7:{user}"));
        client.learn_nonce(&mut world);
        let expected = if user < 4 { Received::Success } else { Received::Error(486) };
        assert_eq!(client.try_allocate(&mut world), expected);
    }
    Client::new(5, "198.51.100.8:1").allocate(&mut world);
}

#[test]
fn a_user_who_is_not_welcome_any_more_loses_everything() {
    let mut world = world();
    let mut clients = [(1, 1), (1, 2), (2, 3)].map(|(user, port)| Client::new(user, &format!("198.51.100.7:{port}")));
    for client in &mut clients {
        client.allocate(&mut world);
    }
    world.relay.revoke(Token(1), world.now);
    assert_eq!(world.relay.counters().allocations, 1);
    assert_eq!(clients[0].refresh(&mut world, 600), Received::Error(401));
    assert_eq!(clients[1].try_allocate(&mut world), Received::Error(401));
    assert_eq!(clients[2].refresh(&mut world, 600), Received::Success);
    // Also with a credential that was issued later, and until every credential has expired.
    world.now += Duration::from_hours(47);
    world.relay.expire(world.now);
    let mut client = Client::new(1, "198.51.100.7:4");
    client.credential = secret().issue(Token(1), UNIX_TIME + Duration::from_hours(48));
    client.learn_nonce(&mut world);
    assert_eq!(client.try_allocate(&mut world), Received::Error(401));
    world.relay.reinstate(Token(1));
    assert_eq!(client.try_allocate(&mut world), Received::Success);
}

#[test]
fn an_allocation_ends_a_day_after_its_credential() {
    let mut world = world();
    let mut client = Client::new(1, "198.51.100.7:5000");
    client.allocate(&mut world);
    for minute in (10..=49 * 60).step_by(10) {
        world.now += Duration::from_secs(599);
        let refreshed = match client.refresh(&mut world, 3_600) {
            Received::Error(438) => {
                client.learn_nonce(&mut world);
                client.refresh(&mut world, 3_600)
            }
            refreshed => refreshed,
        };
        let is_too_old = world.now - world.started > CREDENTIAL_LIFETIME + Duration::from_hours(24);
        assert_eq!(refreshed, if is_too_old { Received::Error(401) } else { Received::Success }, "minute {minute}");
    }
}

#[test]
fn forged_requests_silence_nobody_with_a_connection_or_an_allocation() {
    let mut world = world();
    let mut ana = Client::new(1, "198.51.100.7:5000");
    ana.allocate(&mut world);
    let forged = Client::new(9, "198.51.100.7:6000");
    for _ in 0..3_000 {
        let transaction = world.transaction();
        world.pass(forged.address, &forged.request(ALLOCATE, transaction, &[&udp()]));
    }
    let mut bo = Client::new(2, "198.51.100.7:7000");
    bo.address.transport = ClientTransport::Stream { id: 1 };
    bo.allocate(&mut world);
    assert_eq!(ana.refresh(&mut world, 600), Received::Success);
    world.now += Duration::from_secs(1);
    ana.nonce = "stale".to_owned();
    assert_eq!(ana.refresh(&mut world, 600), Received::Error(438));
}

#[test]
fn the_work_for_requests_is_limited_before_their_credentials_are_checked() {
    let mut world = world();
    let mut guessing = Client::new(1, "198.51.100.7:5000");
    guessing.learn_nonce(&mut world);
    guessing.credential.password = "wrong".to_owned();
    for _ in 0..9_999 {
        let transaction = world.transaction();
        world.pass(guessing.address, &guessing.request(ALLOCATE, transaction, &[&udp()]));
    }
    // The request that learned the nonce was the first.
    assert_eq!((world.relay.counters().unauthorized, world.relay.counters().ignored_requests), (1_999, 8_000));
    let mut ana = Client::new(1, "198.51.100.8:5000");
    ana.allocate(&mut world);
    let answered = (0..1_000).filter(|_| {
        let transaction = world.transaction();
        world.pass(ana.address, &ana.request(REFRESH, transaction, &[])).is_some()
    });
    assert_eq!(answered.count(), 200);
}

#[test]
fn long_requests_are_ignored() {
    let mut world = world();
    let client = Client::new(1, "198.51.100.7:5000");
    let padded = |length: usize| {
        let padding = vec![0; length - 20 - 4];
        client.request(BINDING, 1.into(), &[&RawAttribute::new(0x8001.into(), &padding)])
    };
    assert_eq!((padded(2_048).len(), padded(2_052).len()), (2_048, 2_052));
    assert!(world.pass(client.address, &padded(2_048)).is_some());
    assert_eq!(world.pass(client.address, &padded(2_052)), None);
}

#[test]
fn the_clock_may_be_set_while_the_relay_runs() {
    let mut world = world();
    let two_days = Duration::from_hours(48);
    let mut client = Client::new(1, "198.51.100.7:5000");
    client.credential = secret().issue(Token(1), UNIX_TIME + two_days + CREDENTIAL_LIFETIME);
    client.learn_nonce(&mut world);
    assert_eq!(client.try_allocate(&mut world), Received::Error(401), "from the far future");
    world.relay.set_clock(world.now, UNIX_TIME + two_days);
    client.allocate(&mut world);
}

#[test]
fn a_closed_connection_takes_its_allocation_along() {
    let mut world = world();
    let mut client = Client::new(1, "198.51.100.7:5000");
    client.address.transport = ClientTransport::Stream { id: 1 };
    client.allocate(&mut world);
    world.relay.disconnect(&client.address);
    assert_eq!(world.relay.counters().allocations, 0);
    assert_eq!(client.refresh(&mut world, 600), Received::Error(437));
    let mut others = [0, 1].map(|socket| {
        let mut client = Client::new(1, "198.51.100.7:5000");
        client.address.transport = ClientTransport::Udp { socket };
        client
    });
    others.iter_mut().for_each(|client| {
        client.allocate(&mut world);
    });
    world.relay.close_socket(1);
    let expires = others.map(|client| world.relay.expires(&client.address, world.now));
    assert_eq!(expires, [Some(world.now + Duration::from_secs(600)), None]);
}

#[test]
fn requests_without_credentials_are_answered_at_a_limited_rate_for_each_source() {
    let mut world = world();
    let client = Client::new(1, "198.51.100.7:5000");
    let mut answer_bytes = 0;
    for _ in 0..10_000 {
        let transaction = world.transaction();
        let request = client.request(ALLOCATE, transaction, &[&udp()]);
        answer_bytes += world.pass(client.address, &request).map_or(0, |(_, answer)| answer.len());
    }
    assert_eq!(world.relay.counters().ignored_requests, 8_000);
    assert!(answer_bytes <= 2_000 * 88, "{answer_bytes} bytes of answers");
    let other = Client::new(1, "198.51.100.8:5000");
    assert_eq!(read(&other.ask(&mut world, ALLOCATE, &[&udp()])), Received::Error(401));
}

#[test]
fn requests_without_credentials_from_all_prefixes_of_one_site_are_answered_at_four_times_that_rate() {
    let mut world = world();
    let ask = |world: &mut World, site: u16, subnet: u16| {
        let client = Client::new(1, &format!("[2001:db8:{site:x}:{subnet:x}::1]:5000"));
        let request = client.request(ALLOCATE, world.transaction(), &[&udp()]);
        world.pass(client.address, &request).is_some()
    };
    assert_eq!((0..10_000).filter(|subnet| ask(&mut world, 1, *subnet)).count(), 8_000);
    assert_eq!(world.relay.counters().ignored_requests, 2_000);
    assert!(ask(&mut world, 2, 1), "another site is answered");
}

#[test]
fn packets_of_other_protocols_and_methods_are_ignored() {
    let mut world = world();
    let mut client = Client::new(1, "198.51.100.7:5000");
    client.learn_nonce(&mut world);
    let connect = client.request(CONNECT, 1.into(), &[]);
    let binding_response = [1, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    for packet in [&b""[..], b"GET / HTTP/1.1", &[0x80; 40], &[0, 1], &[0x40, 0, 0, 1], &binding_response, &connect] {
        assert_eq!(world.pass(client.address, packet), None, "{packet:?}");
    }
}
