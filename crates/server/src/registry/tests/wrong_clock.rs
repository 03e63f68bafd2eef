//! A system clock that is wrong when the server starts, and is set later.

use std::time::Duration;

use hutong_core::Command;
use hutong_protocol::{CallTicket, ClientMessage, RefusedCode, ServerMessage, SessionTicket, Token, UserState, limits};

use super::world::RegistryWorld;
use crate::{
    clock_step::ClockStep,
    registry::{
        ConnId, Effect, Registry, RegistryConfig, Revocation,
        ticket::{LIFETIME, SESSION_LIFETIME},
    },
};

const SECOND: Duration = Duration::from_secs(1);

/// 2026-11-23, about noon.
const NOW: Duration = Duration::from_secs(1_795_435_200);

/// From the wrong time, in 2014, to the right one.
const YEARS: Duration = Duration::from_secs(400_000_000);

const IN_2014: Duration = Duration::from_secs(NOW.as_secs() - YEARS.as_secs());

/// A registry, whose clock is the test's.
struct Server {
    now: Duration,
    registry: Registry,
    last_conn: u64,
    starts: u8,
    stored: Vec<Revocation>,
}

struct Login {
    conn: ConnId,
    user: Token,
    ticket: SessionTicket,
}

impl Server {
    fn start(now: Duration) -> Self {
        Self { now, registry: new_registry(1, now), last_conn: 0, starts: 1, stored: Vec::new() }
    }

    fn restart(&mut self, now: Duration) {
        self.starts += 1;
        self.stored = self.registry.revocations().collect();
        (self.now, self.registry) = (now, new_registry(self.starts, now));
        self.registry.restore_revocations(now, std::mem::take(&mut self.stored));
    }

    fn effects(&mut self) -> Vec<Effect> {
        self.registry.check();
        std::iter::from_fn(|| self.registry.poll_effect()).collect()
    }

    fn log_in(&mut self, name: &str, resume: Option<&SessionTicket>) -> Result<Login, RefusedCode> {
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        let hello = ClientMessage::Hello { name: name.into(), resume: resume.cloned(), secret: None, replace: false };
        self.registry.handle_message(self.now, conn, hello);
        self.effects()
            .into_iter()
            .find_map(|effect| match effect {
                Effect::Welcome { to, me, ticket, .. } if to == conn => {
                    Some(Ok(Login { conn, user: me.token, ticket }))
                }
                Effect::Close { conn: closed, code } if closed == conn => Some(Err(code)),
                _ => None,
            })
            .unwrap()
    }

    fn step(&mut self, step: ClockStep) {
        self.registry.clock_stepped(self.now, step);
    }

    /// The ticket that replaces that of the `welcome`, if there is a new one.
    fn renewed(&mut self, conn: ConnId) -> Option<SessionTicket> {
        self.registry.renew_ticket(self.now, conn);
        self.effects().into_iter().find_map(|effect| match effect {
            Effect::Send { to, message: ServerMessage::Ticket { ticket } } if to == conn => Some(ticket),
            _ => None,
        })
    }
}

fn new_registry(start: u8, now: Duration) -> Registry {
    Registry::new(
        RegistryConfig { max_users: 100, whole_roster: 100, ticket_key: [3; 32], session_seed: [start; 32] },
        now,
    )
}

#[test]
fn who_logged_in_under_a_wrong_clock_stays_logged_in_when_it_is_set_and_after_a_restart() {
    for step in [ClockStep::Forward(YEARS), ClockStep::Back(YEARS)] {
        let start = match step {
            ClockStep::Forward(_) => IN_2014,
            ClockStep::Back(_) => NOW + YEARS,
        };
        let mut server = Server::start(start);
        let ana = server.log_in("Ana", None).unwrap();
        let bo = server.log_in("Bo", None).unwrap();
        server.now += SECOND * 30;
        server.step(step);
        server.effects();
        assert_eq!(server.registry.users_online(), 2);

        // Bo's connection breaks before he gets his new ticket.
        server.registry.handle_disconnect(server.now, bo.conn);
        server.now += SECOND;
        let bo = server.log_in("Bo", Some(&bo.ticket)).map(|login| (login.user, login.ticket));
        assert!(bo.is_ok(), "{bo:?}");
        let renewed = server.renewed(ana.conn).unwrap();
        assert_eq!(server.renewed(ana.conn), None, "one new ticket for each step");

        server.restart(NOW + SECOND * 60);
        let (bo_user, bo_ticket) = bo.unwrap();
        for (name, user, ticket) in [("Ana", ana.user, &renewed), ("Bo", bo_user, &bo_ticket)] {
            assert_eq!(server.log_in(name, Some(ticket)).map(|login| login.user), Ok(user), "{step:?}");
        }
    }
}

#[test]
fn a_corrected_session_ends_after_30_days_of_right_time() {
    let mut server = Server::start(IN_2014);
    let mut login = server.log_in("Ana", None).unwrap();
    server.step(ClockStep::Forward(YEARS));
    login.ticket = server.renewed(login.conn).unwrap();
    let mut days = 0;
    while let Ok(next) = {
        server.registry.handle_disconnect(server.now, login.conn);
        server.now += LIFETIME - SECOND;
        server.registry.tick(server.now);
        server.effects();
        server.log_in("Ana", Some(&login.ticket))
    } {
        (login, days) = (next, days + 1);
        assert!(days < 100, "the session renews itself for ever");
    }
    assert_eq!(LIFETIME * days, SESSION_LIFETIME);
}

#[test]
fn who_logged_in_before_the_restart_stays_logged_in_under_the_wrong_clock_and_after_it() {
    let mut server = Server::start(NOW);
    let ana = server.log_in("Ana", None).unwrap();
    server.restart(IN_2014);
    let resumed = server.log_in("Ana", Some(&ana.ticket)).unwrap();
    assert_eq!(resumed.user, ana.user);
    server.now += SECOND * 30;
    server.step(ClockStep::Forward(YEARS));
    let renewed = server.renewed(resumed.conn).unwrap();
    server.restart(NOW + SECOND * 90);
    assert_eq!(server.log_in("Ana", Some(&renewed)).map(|login| login.user), Ok(ana.user));
}

#[test]
fn tickets_of_an_earlier_process_are_not_made_younger() {
    // Two starts with the same wrong time, as of a computer without a clock of its own.
    let mut server = Server::start(IN_2014);
    let ana = server.log_in("Ana", None).unwrap();
    server.restart(IN_2014);
    server.now += SECOND * 30;
    server.step(ClockStep::Forward(YEARS));
    assert_eq!(server.log_in("Ana", Some(&ana.ticket)).map(|login| login.user), Err(RefusedCode::TicketInvalid));
}

#[test]
fn revocations_last_as_long_as_tickets_across_steps() {
    let mut server = Server::start(NOW);
    let first = server.log_in("Ana", None).unwrap();
    // Its latest ticket is from yesterday evening, so to speak: it is valid for most of a day.
    server.now += LIFETIME * 3;
    server.registry.handle_disconnect(server.now, first.conn);
    let other = server.log_in("Bo", None).unwrap();
    server.restart(IN_2014);
    let bo = server.log_in("Bo", Some(&other.ticket)).unwrap();
    server.registry.handle_message(server.now, bo.conn, ClientMessage::LogOut);
    server.effects();
    server.now += SECOND * 30;
    server.step(ClockStep::Forward(YEARS + LIFETIME * 3));
    for _ in 0..2 {
        for ticket in [&other.ticket, &bo.ticket] {
            let result = server.log_in("Bo", Some(ticket)).map(|login| login.user);
            assert_eq!(result, Err(RefusedCode::TicketInvalid));
        }
        server.restart(NOW + LIFETIME * 3 + SECOND * 60);
    }
    // They do not stay for ever.
    server.restart(NOW + LIFETIME * 5);
    assert_eq!(server.registry.revocation_count(), 0);
}

#[test]
fn what_a_changed_access_key_revoked_stays_revoked_under_a_wrong_clock() {
    let mut server = Server::start(NOW);
    let ana = server.log_in("Ana", None).unwrap();
    server.now += SECOND;
    server.registry.revoke_earlier(server.now, None);
    server.effects();
    server.restart(IN_2014);
    assert_eq!(server.log_in("Ana", Some(&ana.ticket)).map(|login| login.user), Err(RefusedCode::TicketInvalid));
    // New sessions are later than what is revoked.
    let next = server.log_in("Ana", None).unwrap();
    assert!(next.user > ana.user);
    assert_eq!(server.log_in("Ana", Some(&next.ticket)).map(|login| login.user), Ok(next.user));
    server.now += SECOND * 30;
    server.step(ClockStep::Forward(YEARS));
    assert_eq!(server.log_in("Ana", Some(&next.ticket)).map(|login| login.user), Ok(next.user));
}

#[test]
fn a_sleep_of_the_machine_moves_no_deadline_and_needs_no_tickets() {
    let mut server = Server::start(NOW);
    let ana = server.log_in("Ana", None).unwrap();
    let bo = server.log_in("Bo", None).unwrap();
    server.registry.handle_disconnect(server.now, bo.conn);
    server.step(ClockStep::Forward(SECOND * 3_600));
    server.registry.tick(server.now);
    server.effects();
    assert_eq!(server.renewed(ana.conn), None);
    // His name is still held.
    assert_eq!(server.log_in("Bo", None).map(|login| login.user), Err(RefusedCode::NameTaken));
    // A later token has the right time.
    let cy = server.log_in("Cy", None).unwrap();
    assert_eq!(Duration::from_micros(cy.user.0).as_secs(), (NOW + SECOND * 3_600).as_secs());
}

#[test]
fn tokens_stay_unique_and_ascend_when_the_clock_is_set_back() {
    let mut server = Server::start(NOW + YEARS);
    let mut last = Token(0);
    for number in 0..5 {
        let login = server.log_in(&format!("person {number}"), None).unwrap();
        assert!(login.user > last);
        last = login.user;
        server.step(ClockStep::Back(YEARS / 5));
    }
}

#[test]
fn a_ring_and_a_call_go_on_when_the_clock_is_set() {
    let mut world = RegistryWorld::logged_in(2);
    world.start_call(0, 1);
    world.deliver_all();
    world.registry.clock_stepped(world.now, ClockStep::Forward(YEARS));
    world.registry.tick(world.now);
    assert_eq!(world.state(1), UserState::Connecting);
    world.command(1, Command::Accept { media: hutong_protocol::MediaKind::Video });
    world.deliver_all();
    assert_eq!((world.state(0), world.state(1)), (UserState::InCall, UserState::InCall));
}

#[test]
fn a_call_is_claimed_with_a_ticket_of_the_wrong_clock() {
    // The world's clock is the wrong one here.
    let mut world = RegistryWorld::in_call(2);
    let ticket = call_ticket(&world);
    world.now += SECOND;
    world.registry.clock_stepped(world.now, ClockStep::Forward(YEARS));
    let me = world.token(0).unwrap();
    let conn = world.registry.user_conn(me).unwrap();
    let name = world.participants[0].saved.clone().unwrap();
    world.registry.handle_disconnect(world.now, conn);
    let again = ConnId(900);
    let hello = ClientMessage::Hello { name: name.name, resume: Some(name.ticket), secret: None, replace: false };
    world.registry.handle_message(world.now, again, hello);
    world.registry.handle_message(world.now, again, ClientMessage::Claim { ticket });
    let effects: Vec<_> = std::iter::from_fn(|| world.registry.poll_effect()).collect();
    let is_claimed =
        |effect: &Effect| matches!(effect, Effect::Send { to, message: ServerMessage::Claimed { .. } } if *to == again);
    assert!(effects.iter().any(is_claimed), "{effects:?}");
}

#[test]
fn a_call_survives_a_restart_with_a_clock_that_is_behind() {
    let world = RegistryWorld::in_call(2);
    let ticket = call_ticket(&world);
    for set_before_the_claim in [false, true] {
        let mut server = Server::start(IN_2014);
        if set_before_the_claim {
            server.now += SECOND * 5;
            server.step(ClockStep::Forward(world.now - IN_2014));
        }
        for index in 0..2 {
            let saved = world.participants[index].saved.clone().unwrap();
            let login = server.log_in(&saved.name, Some(&saved.ticket)).unwrap();
            server.registry.handle_message(server.now, login.conn, ClientMessage::Claim { ticket: ticket.clone() });
            server.effects();
        }
        assert_eq!(server.registry.users_in_state(UserState::InCall), 2, "set: {set_before_the_claim}");
        assert!(server.now < IN_2014 + limits::CLAIM_WINDOW);
    }
}

fn call_ticket(world: &RegistryWorld) -> CallTicket {
    let call = *world.registry.state.calls.keys().next().unwrap();
    let members = [world.token(0).unwrap(), world.token(1).unwrap()];
    world.registry.state.signer.call(world.now, call, members)
}
