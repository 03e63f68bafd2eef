//! Validity of tickets by age, key and user; a claim changes only the state of its own user.

use std::time::Duration;

use hutong_protocol::{
    CallTicket, ClientMessage, EndReason, ErrorCode, RefusedCode, ServerMessage, SessionTicket, Token, UserState,
    limits,
};

use super::world::RegistryWorld;
use crate::registry::{ConnId, Effect, Registry, RegistryConfig, ticket::LIFETIME};

const SECOND: Duration = Duration::from_secs(1);

fn registry(ticket_key: [u8; 32], now: Duration) -> Registry {
    Registry::new(RegistryConfig { max_users: 100, whole_roster: 100, ticket_key, session_seed: [2; 32] }, now)
}

/// Handles a message and returns the effects, without the events.
fn send(registry: &mut Registry, now: Duration, from: ConnId, message: ClientMessage) -> Vec<Effect> {
    registry.handle_message(now, from, message);
    registry.check();
    std::iter::from_fn(|| registry.poll_effect()).filter(|effect| !matches!(effect, Effect::Event(_))).collect()
}

fn claim(registry: &mut Registry, now: Duration, from: ConnId, ticket: &CallTicket) -> Vec<Effect> {
    send(registry, now, from, ClientMessage::Claim { ticket: ticket.clone() })
}

/// Resumes a session. Returns the new ticket, or the code that the client is refused with.
fn resume(
    registry: &mut Registry,
    now: Duration,
    from: ConnId,
    user: &TicketHolder,
) -> Result<SessionTicket, RefusedCode> {
    let hello = serde_json::json!({ "type": "hello", "name": user.name, "resume": user.ticket.as_str() });
    let effects = send(registry, now, from, serde_json::from_value(hello).unwrap());
    match effects.into_iter().next_back() {
        Some(Effect::Welcome { me, ticket, .. }) => {
            assert_eq!(me.token, user.token);
            Ok(ticket)
        }
        Some(Effect::Close { code, .. }) => Err(code),
        other => panic!("{other:?}"),
    }
}

struct TicketHolder {
    name: String,
    token: Token,
    ticket: SessionTicket,
}

/// Three users with their session tickets, and the ticket of the call that the first two are in.
fn users_with_a_call() -> (RegistryWorld, Vec<TicketHolder>, CallTicket) {
    let world = RegistryWorld::in_call(3);
    let holder = |index: usize| {
        let saved = world.participants[index].saved.clone().unwrap();
        TicketHolder { name: saved.name, token: world.token(index).unwrap(), ticket: saved.ticket }
    };
    let users: Vec<_> = (0..3).map(holder).collect();
    let call = *world.registry.state.calls.keys().next().unwrap();
    let ticket = world.registry.state.signer.call(world.now, call, [users[0].token, users[1].token]);
    (world, users, ticket)
}

fn is_invalid(effects: &[Effect]) -> bool {
    matches!(effects, [Effect::Send { message: ServerMessage::Error { code: ErrorCode::TicketInvalid, .. }, .. }])
}

const KEY: [u8; 32] = [3; 32];

#[test]
fn a_ticket_is_valid_for_a_day() {
    let (world, users, call) = users_with_a_call();
    let conn = world.registry.state.users.get(users[0].token).and_then(|record| record.conn).unwrap();
    for (age, good) in [(LIFETIME - SECOND, true), (LIFETIME + 60 * SECOND, false)] {
        let now = world.now + age;
        let mut server = world.registry.clone();
        let effects = claim(&mut server, now, conn, &call);
        assert_eq!(!is_invalid(&effects), good, "{effects:?}");
        assert_eq!(server.users_in_state(UserState::InCall), 2, "no state has changed");
        let resumed = resume(&mut server, now, ConnId(900), &users[1]);
        assert_eq!(resumed.is_ok(), good, "{resumed:?}");
        assert!(good || resumed == Err(RefusedCode::TicketInvalid));
    }
}

#[test]
fn tickets_of_another_server_are_invalid() {
    let (world, users, call) = users_with_a_call();
    let mut server = registry([4; 32], world.now);
    assert_eq!(resume(&mut server, world.now, ConnId(1), &users[0]), Err(RefusedCode::TicketInvalid));
    let hello = serde_json::json!({ "type": "hello", "name": users[0].name });
    send(&mut server, world.now, ConnId(2), serde_json::from_value(hello).unwrap());
    assert!(is_invalid(&claim(&mut server, world.now, ConnId(2), &call)));
    assert_eq!((server.users_in_state(UserState::Online), server.known_calls()), (1, 0));
}

#[test]
fn a_claim_changes_only_the_state_of_its_user() {
    let (world, users, call) = users_with_a_call();
    let mut now = world.now + SECOND;
    let mut server = registry(KEY, now);
    for (conn, user) in (1..).map(ConnId).zip(&users) {
        resume(&mut server, now, conn, user).unwrap();
    }
    assert!(is_invalid(&claim(&mut server, now, ConnId(3), &call)), "the ticket is not for this user");
    assert_eq!(server.users_in_state(UserState::Online), 3);

    claim(&mut server, now, ConnId(1), &call);
    let state = |server: &Registry, conn| server.user_of(ConnId(conn)).unwrap().state;
    assert_eq!(
        [1, 2, 3].map(|conn| state(&server, conn)),
        [UserState::Connecting, UserState::Online, UserState::Online]
    );

    now += limits::CLAIM_WINDOW;
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
fn a_key_change_renews_tickets_and_invalidates_those_of_removed_keys() {
    const NEW: [u8; 32] = [5; 32];
    let (world, mut users, call) = users_with_a_call();
    let now = world.now + SECOND;

    // After a restart with a new key, both members rejoin their call with tickets of the former key.
    let mut server = registry(NEW, now);
    server.set_ticket_keys(&NEW, &[KEY]);
    for (conn, user) in (1..).map(ConnId).zip(&mut users) {
        user.ticket = resume(&mut server, now, conn, user).unwrap();
    }
    claim(&mut server, now, ConnId(1), &call);
    claim(&mut server, now, ConnId(2), &call);
    assert_eq!(server.users_in_state(UserState::InCall), 2);

    // After the former key is removed, only tickets of the new key are valid.
    server.set_ticket_keys(&NEW, &[]);
    resume(&mut server, now, ConnId(11), &users[0]).unwrap();
    assert!(is_invalid(&claim(&mut server, now, ConnId(11), &call)));
    assert_eq!(server.users_in_state(UserState::InCall), 1, "the other member is still in the call");
    let mut stranger = registry(KEY, now);
    assert_eq!(resume(&mut stranger, now, ConnId(1), &users[0]), Err(RefusedCode::TicketInvalid));
}

#[test]
fn a_closed_login_gate_refuses_logins_and_disconnects_nobody() {
    let (world, users, _) = users_with_a_call();
    let mut server = world.registry.clone();
    server.close_login_gate();
    assert_eq!(server.check_capacity(), Err(RefusedCode::ShuttingDown));
    assert_eq!(resume(&mut server, world.now, ConnId(900), &users[2]), Err(RefusedCode::ShuttingDown));
    assert_eq!((server.users_online(), server.users_in_state(UserState::InCall)), (3, 2));
}
