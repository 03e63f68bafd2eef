//! What a ticket is good for, for whom and how long; and that a claim moves nobody but its own user.

use std::time::Duration;

use hutong_protocol::{
    ClientMessage, EndReason, ErrorCode, RefusedCode, ServerMessage, Ticket, Token, UserState, limits,
};

use super::world::World;
use crate::registry::{Config, ConnId, Effect, Registry, ticket::LIFETIME};

const SECOND: Duration = Duration::from_secs(1);

fn registry(ticket_key: [u8; 32], now: Duration) -> Registry {
    Registry::new(Config { max_users: 100, whole_roster: 100, ice_servers: vec![], ticket_key }, now)
}

/// What the registry answers this message with, but for what is only counted.
fn say(registry: &mut Registry, now: Duration, from: ConnId, message: ClientMessage) -> Vec<Effect> {
    registry.received(now, from, message);
    registry.check();
    std::iter::from_fn(|| registry.poll_effect()).filter(|effect| !matches!(effect, Effect::Note(_))).collect()
}

fn claim(registry: &mut Registry, now: Duration, from: ConnId, ticket: &Ticket) -> Vec<Effect> {
    say(registry, now, from, ClientMessage::Claim { ticket: ticket.clone() })
}

/// Comes back with a user's ticket, and gives the ticket that replaces it; or with what it is refused.
fn come_back(registry: &mut Registry, now: Duration, from: ConnId, who: &Person) -> Result<Ticket, RefusedCode> {
    let hello = serde_json::json!({ "type": "hello", "name": who.name, "resume": who.ticket.as_str() });
    let effects = say(registry, now, from, serde_json::from_value(hello).unwrap());
    match effects.into_iter().next_back() {
        Some(Effect::Welcome { me, ticket, .. }) => {
            assert_eq!(me.token, who.token);
            Ok(ticket)
        }
        Some(Effect::Close { code, .. }) => Err(code),
        other => panic!("{other:?}"),
    }
}

struct Person {
    name: String,
    token: Token,
    ticket: Ticket,
}

/// Two in a call and one beside them, and the call's ticket. What the registry knows is thrown away.
fn people_of_a_call() -> (World, Vec<Person>, Ticket) {
    let world = World::in_call(3);
    let person = |who: usize| {
        let saved = world.people[who].saved.clone().unwrap();
        Person { name: saved.name, token: world.token(who).unwrap(), ticket: saved.ticket }
    };
    let people: Vec<_> = (0..3).map(person).collect();
    let call = *world.registry.state.calls.keys().next().unwrap();
    let ticket = world.registry.state.signer.call(world.now, call, [people[0].token, people[1].token]);
    (world, people, ticket)
}

fn is_invalid(effects: &[Effect]) -> bool {
    matches!(effects, [Effect::Send { message: ServerMessage::Error { code: ErrorCode::TicketInvalid, .. }, .. }])
}

const KEY: [u8; 32] = [3; 32];

#[test]
fn a_ticket_is_good_for_a_day_and_then_for_nothing() {
    let (world, people, call) = people_of_a_call();
    let conn = world.registry.state.users.get(people[0].token).and_then(|record| record.conn).unwrap();
    for (age, good) in [(LIFETIME - SECOND, true), (LIFETIME + 60 * SECOND, false)] {
        let now = world.now + age;
        let mut server = world.registry.clone();
        let effects = claim(&mut server, now, conn, &call);
        assert_eq!(!is_invalid(&effects), good, "{effects:?}");
        assert_eq!(server.users_in(UserState::InCall), 2, "nobody is moved");
        let back = come_back(&mut server, now, ConnId(900), &people[1]);
        assert_eq!(back.is_ok(), good, "{back:?}");
        assert!(good || back == Err(RefusedCode::TicketInvalid));
    }
}

#[test]
fn another_servers_tickets_are_good_for_nothing() {
    let (world, people, call) = people_of_a_call();
    let mut server = registry([4; 32], world.now);
    assert_eq!(come_back(&mut server, world.now, ConnId(1), &people[0]), Err(RefusedCode::TicketInvalid));
    let hello = serde_json::json!({ "type": "hello", "name": people[0].name });
    say(&mut server, world.now, ConnId(2), serde_json::from_value(hello).unwrap());
    assert!(is_invalid(&claim(&mut server, world.now, ConnId(2), &call)));
    assert_eq!((server.users_in(UserState::Online), server.calls_known()), (1, 0));
}

#[test]
fn a_claim_moves_nobody_but_its_own_user() {
    let (world, people, call) = people_of_a_call();
    let mut now = world.now + SECOND;
    let mut server = registry(KEY, now);
    for (conn, who) in (1..).map(ConnId).zip(&people) {
        come_back(&mut server, now, conn, who).unwrap();
    }
    assert!(is_invalid(&claim(&mut server, now, ConnId(3), &call)), "it is not theirs");
    assert_eq!(server.users_in(UserState::Online), 3);

    claim(&mut server, now, ConnId(1), &call);
    let state = |server: &Registry, conn| server.user_of(ConnId(conn)).unwrap().state;
    assert_eq!(
        [1, 2, 3].map(|conn| state(&server, conn)),
        [UserState::Connecting, UserState::Online, UserState::Online]
    );

    now += limits::CLAIM;
    server.tick(now);
    let effects: Vec<_> = std::iter::from_fn(|| server.poll_effect()).collect();
    let ended = effects.iter().filter_map(|effect| match effect {
        Effect::Send { to, message: ServerMessage::Ended { reason, .. } } => Some((*to, *reason)),
        _ => None,
    });
    assert_eq!(ended.collect::<Vec<_>>(), [(ConnId(1), EndReason::Gone)]);
    assert_eq!(state(&server, 2), UserState::Online);
}

#[test]
fn a_changed_key_renews_tickets_and_forgets_only_what_was_taken_out() {
    const NEW: [u8; 32] = [5; 32];
    let (world, mut people, call) = people_of_a_call();
    let now = world.now + SECOND;

    // Restarted with a new key on top: both come back into their call by the tickets of the old one.
    let mut server = registry(NEW, now);
    server.set_ticket_keys(&NEW, &[KEY]);
    for (conn, who) in (1..).map(ConnId).zip(&mut people) {
        who.ticket = come_back(&mut server, now, conn, who).unwrap();
    }
    claim(&mut server, now, ConnId(1), &call);
    claim(&mut server, now, ConnId(2), &call);
    assert_eq!(server.users_in(UserState::InCall), 2);

    // The old one is taken out: what the new one signed meanwhile is good, and what the old one signed is not.
    server.set_ticket_keys(&NEW, &[]);
    come_back(&mut server, now, ConnId(11), &people[0]).unwrap();
    assert!(is_invalid(&claim(&mut server, now, ConnId(11), &call)));
    assert_eq!(server.users_in(UserState::InCall), 1, "the other side is still in it");
    let mut stranger = registry(KEY, now);
    assert_eq!(come_back(&mut stranger, now, ConnId(1), &people[0]), Err(RefusedCode::TicketInvalid));
}

#[test]
fn closed_doors_let_nobody_in_and_nobody_out() {
    let (world, people, _) = people_of_a_call();
    let mut server = world.registry.clone();
    server.close_doors();
    assert_eq!(server.takes_users(), Err(RefusedCode::ShuttingDown));
    assert_eq!(come_back(&mut server, world.now, ConnId(900), &people[2]), Err(RefusedCode::ShuttingDown));
    assert_eq!((server.users_online(), server.users_in(UserState::InCall)), (3, 2));
}
