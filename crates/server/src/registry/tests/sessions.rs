//! Session tickets after a logout, a month, a changed password, and a login of the name's owner.

use std::{collections::HashSet, time::Duration};

use hutong_protocol::{
    ClientMessage, EndReason, Name, NameKey, RefusedCode, ServerMessage, SessionTicket, Token, UserState, limits,
};
use proptest::prelude::*;

use super::world::RegistryWorld;
use crate::registry::{
    AdmittedLogin, ConnId, Credential, Effect, NameRight, Registry, RegistryConfig, Revocation,
    ticket::{LIFETIME, SESSION_LIFETIME},
};

const START: Duration = Duration::from_secs(1_795_435_200);
const SECOND: Duration = Duration::from_secs(1);
const KEY: [u8; 32] = [3; 32];

/// A registry whose effects the test reads after each input.
struct SteppedRegistry {
    now: Duration,
    registry: Registry,
    last_conn: u64,
    /// Starts so far: each has its own seed of session IDs.
    starts: u8,
    /// What the hub would have stored.
    stored: Vec<Revocation>,
}

/// A successful login.
#[derive(Clone, Debug)]
struct Login {
    conn: ConnId,
    user: Token,
    ticket: SessionTicket,
}

/// The users whose session was admitted with a credential for which the predicate is false.
fn users_without(registry: &Registry, is_current: impl Fn(&NameKey, Credential) -> bool) -> Vec<Token> {
    let is_outdated = |user: &Token| {
        let (name, credential) = registry.session_of(*user).unwrap();
        !is_current(name, credential)
    };
    registry.users_with_session().filter(is_outdated).collect()
}

fn config(max_users: usize, start: u8) -> RegistryConfig {
    RegistryConfig { max_users, whole_roster: 100, ticket_key: KEY, session_seed: [start; 32] }
}

fn key(name: &str) -> NameKey {
    Name::new(name).unwrap().key()
}

fn credential(password: &str) -> Credential {
    Credential::of(&[password.as_bytes()])
}

impl SteppedRegistry {
    fn new() -> Self {
        Self { now: START, registry: Registry::new(config(100, 1), START), last_conn: 0, starts: 1, stored: Vec::new() }
    }

    fn effects(&mut self) -> Vec<Effect> {
        self.registry.check();
        let effects: Vec<_> = std::iter::from_fn(|| self.registry.poll_effect()).collect();
        self.stored.extend(effects.iter().filter_map(|effect| match effect {
            Effect::Revoked(revocation) => Some(*revocation),
            _ => None,
        }));
        effects
    }

    /// Logs in on a new connection. Returns the effects too.
    fn hello(
        &mut self,
        name: &str,
        resume: Option<&SessionTicket>,
        password: &str,
        right: NameRight,
    ) -> (Result<Login, RefusedCode>, Vec<Effect>) {
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        let login =
            AdmittedLogin { name: name.into(), resume: resume.cloned(), credential: credential(password), right };
        self.registry.handle_admitted_hello(self.now, conn, login);
        let effects = self.effects();
        let result = effects.iter().find_map(|effect| match effect {
            Effect::Welcome { to, me, ticket, .. } if *to == conn => {
                Some(Ok(Login { conn, user: me.token, ticket: ticket.clone() }))
            }
            Effect::Close { conn: closed, code } if *closed == conn => Some(Err(*code)),
            _ => None,
        });
        (result.unwrap(), effects)
    }

    fn log_in(&mut self, name: &str) -> Login {
        self.hello(name, None, "x", NameRight::FirstCome).0.unwrap()
    }

    fn resume(&mut self, name: &str, ticket: &SessionTicket) -> Result<Login, RefusedCode> {
        self.hello(name, Some(ticket), "x", NameRight::FirstCome).0
    }

    fn send(&mut self, from: ConnId, message: ClientMessage) -> Vec<Effect> {
        self.registry.handle_message(self.now, from, message);
        self.effects()
    }

    /// Restarts with the same ticket key and the stored revocations, which are compacted.
    fn restart(&mut self) {
        // Tokens are unique only after a moment.
        self.now += Duration::from_millis(1);
        self.starts += 1;
        self.registry = Registry::new(config(100, self.starts), self.now);
        self.registry.restore_revocations(self.now, std::mem::take(&mut self.stored));
        self.stored = self.registry.revocations().collect();
    }

    fn pass_time(&mut self, time: Duration) {
        self.now += time;
        self.registry.tick(self.now);
        self.effects();
    }
}

#[test]
fn a_ticket_is_worthless_after_logout_also_after_a_restart() {
    let mut server = SteppedRegistry::new();
    let first = server.log_in("Ana");
    server.pass_time(SECOND);
    // An earlier ticket of the session counts as well, and so does one that was copied.
    let renewed = server.resume("Ana", &first.ticket).unwrap();
    server.send(renewed.conn, ClientMessage::LogOut);
    for restarted in [false, true] {
        for ticket in [&first.ticket, &renewed.ticket] {
            let result = server.resume("Ana", ticket).map(|login| login.user);
            assert_eq!(result, Err(RefusedCode::TicketInvalid), "restarted: {restarted}");
        }
        server.restart();
    }
    // The name is free, and a new session works.
    let next = server.log_in("Ana");
    server.resume("Ana", &next.ticket).unwrap();
    // The revocation lasts as long as the tickets.
    server.pass_time(LIFETIME - SECOND);
    server.restart();
    assert_eq!(server.registry.revocation_count(), 1);
    assert_eq!(server.resume("Ana", &renewed.ticket).map(|login| login.user), Err(RefusedCode::TicketInvalid));
    server.pass_time(SECOND * 2);
    server.restart();
    assert_eq!(server.registry.revocation_count(), 0);
    assert_eq!(server.resume("Ana", &renewed.ticket).map(|login| login.user), Err(RefusedCode::TicketInvalid));
}

#[test]
fn a_lost_connection_revokes_nothing() {
    let mut server = SteppedRegistry::new();
    let login = server.log_in("Ana");
    server.registry.handle_disconnect(server.now, login.conn);
    server.pass_time(limits::NAME_RESERVATION + SECOND);
    assert_eq!(server.resume("Ana", &login.ticket).map(|login| login.user), Ok(login.user));
    assert_eq!(server.stored, []);
}

#[test]
fn renewing_a_ticket_does_not_extend_a_session_beyond_30_days() {
    let mut server = SteppedRegistry::new();
    let mut login = server.log_in("Ana");
    let step = LIFETIME - SECOND;
    let mut renewed = 0;
    let stopped = loop {
        server.registry.handle_disconnect(server.now, login.conn);
        server.pass_time(step);
        match server.resume("Ana", &login.ticket) {
            Ok(next) => (login, renewed) = (next, renewed + 1),
            Err(code) => break code,
        }
        assert!(renewed < 100, "the session renews itself for ever");
    };
    assert_eq!(stopped, RefusedCode::TicketInvalid);
    assert_eq!(step * renewed, step * 30);
    assert!(step * (renewed + 1) > SESSION_LIFETIME);
}

#[test]
fn the_owner_ends_the_session_and_the_call_of_whoever_holds_the_name() {
    let mut world = RegistryWorld::in_call(3);
    let (thief, other) = (world.token(0).unwrap(), world.token(1).unwrap());
    let thief_ticket = world.participants[0].saved.clone().unwrap().ticket;
    let (thief_conn, other_conn) = (world.registry.user_conn(thief).unwrap(), world.registry.user_conn(other).unwrap());
    let owner = ConnId(900);
    let login = |right| AdmittedLogin { name: "PERSON 0".into(), resume: None, credential: Credential::NONE, right };
    let drain = |world: &mut RegistryWorld| -> Vec<Effect> {
        world.registry.check();
        std::iter::from_fn(|| world.registry.poll_effect()).collect()
    };
    // Nobody else takes a name that is held.
    world.registry.handle_admitted_hello(world.now, owner, login(NameRight::FirstCome));
    let effects = drain(&mut world);
    assert!(effects.contains(&Effect::Close { conn: owner, code: RefusedCode::NameTaken }), "{effects:?}");
    assert_eq!(world.registry.users_in_state(UserState::InCall), 2);

    // The owner is asked first, since the call would end.
    world.registry.handle_admitted_hello(world.now, owner, login(NameRight::Owner));
    let effects = drain(&mut world);
    assert!(effects.contains(&Effect::Close { conn: owner, code: RefusedCode::InCallElsewhere }), "{effects:?}");
    assert_eq!(world.registry.users_in_state(UserState::InCall), 2);

    world.registry.handle_admitted_hello(world.now, owner, login(NameRight::OwnerEndingCall));
    let effects = drain(&mut world);
    assert!(effects.contains(&Effect::Close { conn: thief_conn, code: RefusedCode::Replaced }), "{effects:?}");
    assert!(effects.contains(&Effect::SessionEnded(thief)), "{effects:?}");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Welcome { to, .. } if *to == owner)));
    let ended = effects.iter().find_map(|effect| match effect {
        Effect::Send { to, message: ServerMessage::Ended { reason, .. } } => Some((*to, *reason)),
        _ => None,
    });
    assert_eq!(ended, Some((other_conn, EndReason::Gone)));
    assert_eq!(world.registry.users_in_state(UserState::InCall), 0);

    // The ticket of the ended session does not work any more: now, and after the owner has left.
    let again = ConnId(901);
    let hello =
        ClientMessage::Hello { name: "person 0".into(), resume: Some(thief_ticket), secret: None, replace: false };
    world.registry.handle_message(world.now, again, hello.clone());
    let effects = drain(&mut world);
    assert!(effects.contains(&Effect::Close { conn: again, code: RefusedCode::NameTaken }), "{effects:?}");
    world.registry.handle_disconnect(world.now, owner);
    world.now += limits::NAME_RESERVATION + SECOND;
    world.registry.tick(world.now);
    drain(&mut world);
    world.registry.handle_message(world.now, again, hello);
    let effects = drain(&mut world);
    assert!(effects.contains(&Effect::Close { conn: again, code: RefusedCode::TicketInvalid }), "{effects:?}");
}

#[test]
fn the_owner_takes_a_name_that_is_held_for_a_lost_connection_and_its_call_ends() {
    let mut world = RegistryWorld::in_call(2);
    let (lost, other) = (world.token(0).unwrap(), world.token(1).unwrap());
    let (lost_conn, other_conn) = (world.registry.user_conn(lost).unwrap(), world.registry.user_conn(other).unwrap());
    world.registry.handle_disconnect(world.now, lost_conn);
    let login =
        AdmittedLogin { name: "person 0".into(), resume: None, credential: Credential::NONE, right: NameRight::Owner };
    world.registry.handle_admitted_hello(world.now, ConnId(900), login);
    world.registry.check();
    let effects: Vec<_> = std::iter::from_fn(|| world.registry.poll_effect()).collect();
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Welcome { .. })), "{effects:?}");
    assert!(effects.iter().any(|effect| {
        matches!(effect, Effect::Send { to, message: ServerMessage::Ended { .. } } if *to == other_conn)
    }));
}

#[test]
fn the_owner_gets_in_when_the_server_is_full_of_the_session_to_replace() {
    let mut server = SteppedRegistry::new();
    server.registry = Registry::new(config(1, 1), START);
    let thief = server.log_in("Ana");
    let (owner, effects) = server.hello("Ana", None, "x", NameRight::Owner);
    assert!(owner.is_ok(), "{owner:?}");
    assert!(effects.contains(&Effect::Close { conn: thief.conn, code: RefusedCode::Replaced }));
    assert_eq!(server.hello("Bo", None, "x", NameRight::Owner).0.map(|login| login.user), Err(RefusedCode::Full));
}

#[test]
fn a_client_whose_ticket_has_expired_does_not_end_another_session_unasked() {
    let mut server = SteppedRegistry::new();
    let laptop = server.log_in("Ana");
    server.registry.handle_disconnect(server.now, laptop.conn);
    server.pass_time(LIFETIME * 2);
    // Not `ticket_invalid`, which a client answers with the password that it remembers.
    let phone = server.log_in("Ana");
    assert_eq!(server.resume("Ana", &laptop.ticket).map(|login| login.user), Err(RefusedCode::NameTaken));
    server.send(phone.conn, ClientMessage::LogOut);
    assert_eq!(server.resume("Ana", &laptop.ticket).map(|login| login.user), Err(RefusedCode::TicketInvalid));
}

#[test]
fn a_changed_password_ends_the_sessions_of_its_name_and_revokes_their_tickets() {
    let mut server = SteppedRegistry::new();
    let (away, _) = server.hello("Ana", None, "old", NameRight::Owner);
    let away = away.unwrap();
    server.registry.handle_disconnect(server.now, away.conn);
    server.pass_time(limits::NAME_RESERVATION + SECOND);
    let (online, _) = server.hello("Ana", None, "old", NameRight::Owner);
    let online = online.unwrap();
    let (bo, _) = server.hello("Bo", None, "other", NameRight::Owner);
    let bo = bo.unwrap();

    let current = |name: &NameKey, used| used == credential(if *name == key("Ana") { "new" } else { "other" });
    server.registry.revoke_earlier(server.now, Some(&key("Ana")));
    let outdated = users_without(&server.registry, current);
    assert_eq!(outdated, [online.user]);
    server.registry.end_session(server.now, online.user, RefusedCode::SecretChanged);
    let effects = server.effects();
    assert!(effects.contains(&Effect::Close { conn: online.conn, code: RefusedCode::SecretChanged }), "{effects:?}");
    assert!(effects.contains(&Effect::SessionEnded(online.user)), "{effects:?}");
    assert_eq!(server.registry.users_online(), 1);

    // Neither with the new password, nor with the old one if it is restored, nor after a restart.
    for _ in 0..2 {
        for (ticket, password) in [(&away.ticket, "new"), (&away.ticket, "old"), (&online.ticket, "old")] {
            let (result, _) = server.hello("Ana", Some(ticket), password, NameRight::FirstCome);
            assert_eq!(result.map(|login| login.user), Err(RefusedCode::TicketInvalid), "{password}");
        }
        server.restart();
    }
    assert!(server.hello("Bo", Some(&bo.ticket), "other", NameRight::FirstCome).0.is_ok());
    // A login in the same instant as the change belongs to a new session.
    let next = server.hello("Ana", None, "new", NameRight::Owner).0.unwrap();
    assert!(server.hello("Ana", Some(&next.ticket), "new", NameRight::FirstCome).0.is_ok());
}

#[test]
fn after_a_restart_with_an_earlier_clock_new_sessions_are_not_revoked() {
    for ahead in [SECOND * 3_600, SESSION_LIFETIME * 12] {
        let mut server = SteppedRegistry::new();
        server.now += ahead;
        server.registry.revoke_earlier(server.now, None);
        server.effects();
        server.now = START;
        server.restart();
        let login = server.log_in("Ana");
        assert_eq!(server.resume("Ana", &login.ticket).map(|login| login.user), Ok(login.user));
        // The token remains the time of the login, within a day.
        assert!(Duration::from_micros(login.user.0) <= START + LIFETIME + SECOND);
        server.pass_time(LIFETIME);
        server.restart();
        assert_eq!(server.registry.revocation_count(), 0);
    }
}

#[test]
fn a_changed_access_key_revokes_the_tickets_of_all_names() {
    let mut server = SteppedRegistry::new();
    let [ana, bo] = ["Ana", "Bo"].map(|name| server.log_in(name));
    server.registry.handle_disconnect(server.now, ana.conn);
    server.registry.revoke_earlier(server.now, None);
    // Users whose name is held are included: nobody could resume their sessions, and the names would stay blocked.
    let mut outdated = users_without(&server.registry, |_, _| false);
    outdated.sort_unstable();
    assert_eq!(outdated, [ana.user, bo.user]);
    for user in outdated {
        server.registry.end_session(server.now, user, RefusedCode::SecretChanged);
    }
    server.effects();
    for (name, login) in [("Ana", &ana), ("Bo", &bo)] {
        assert_eq!(server.resume(name, &login.ticket).map(|login| login.user), Err(RefusedCode::TicketInvalid));
        server.log_in(name);
    }
}

#[test]
fn a_token_that_another_session_has_is_not_resumed() {
    // Two servers with one key may issue the same token within a microsecond.
    let [mut one, mut other] = [SteppedRegistry::new(), SteppedRegistry::new()];
    other.registry = Registry::new(config(100, 9), START);
    let (ana, bo) = (one.log_in("Ana"), other.log_in("Bo"));
    assert_eq!(ana.user, bo.user);
    assert_eq!(one.resume("Bo", &bo.ticket).map(|login| login.user), Err(RefusedCode::TicketInvalid));
    assert_eq!(one.registry.users_online(), 1);
}

#[derive(Clone, Debug)]
enum Step {
    LogIn(usize, NameRight),
    Resume(usize),
    LogOut(usize),
    Disconnect(usize),
    End(usize),
    ChangePassword(usize),
    Restart,
    PassTime(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3_usize, any::<bool>())
            .prop_map(|(name, owner)| Step::LogIn(name, if owner { NameRight::Owner } else { NameRight::FirstCome })),
        4 => any::<usize>().prop_map(Step::Resume),
        2 => any::<usize>().prop_map(Step::LogOut),
        2 => any::<usize>().prop_map(Step::Disconnect),
        1 => any::<usize>().prop_map(Step::End),
        1 => (0..3_usize).prop_map(Step::ChangePassword),
        1 => Just(Step::Restart),
        2 => (0_u64..200_000).prop_map(Step::PassTime),
    ]
}

proptest! {
    /// Whatever happens: the tickets of an ended session stay invalid, each name has one session at most, and the sessions
    /// that have not ended go on.
    #[test]
    fn ended_sessions_stay_ended(steps in prop::collection::vec(step(), 1..80)) {
        const NAMES: [&str; 3] = ["Ana", "Bo", "Cy"];
        let mut server = SteppedRegistry::new();
        let mut logins: Vec<(usize, Login, Duration)> = Vec::new();
        let mut ended: HashSet<Token> = HashSet::new();
        for step in steps {
            let pick = |index: usize| (!logins.is_empty()).then(|| logins[index % logins.len()].clone());
            match step {
                Step::LogIn(name, right) => {
                    let (result, effects) = server.hello(NAMES[name], None, "x", right);
                    // A session whose name was held for a lost connection ends without a message.
                    ended.extend(effects.iter().filter_map(|effect| match effect {
                        Effect::Revoked(revocation) => revocation.user(),
                        _ => None,
                    }));
                    if let Ok(login) = result {
                        logins.push((name, login, server.now));
                    } else {
                        prop_assert_eq!(right, NameRight::FirstCome);
                    }
                }
                Step::Resume(index) => {
                    let Some((name, login, issued)) = pick(index) else { continue };
                    let result = server.resume(NAMES[name], &login.ticket);
                    if ended.contains(&login.user) {
                        prop_assert!(result.is_err(), "an ended session was resumed");
                    }
                    let is_free = !matches!(result, Err(RefusedCode::NameTaken));
                    let first_login = Duration::from_micros(login.user.0);
                    let is_young = server.now <= issued + LIFETIME && server.now <= first_login + SESSION_LIFETIME;
                    if is_free && is_young && !ended.contains(&login.user) {
                        prop_assert!(result.is_ok(), "{:?}", result);
                    }
                    if let Ok(next) = result {
                        prop_assert_eq!(next.user, login.user);
                        logins.push((name, next, server.now));
                    }
                }
                Step::LogOut(index) => {
                    let Some((_, login, _)) = pick(index) else { continue };
                    if server.registry.user_of(login.conn).is_some() {
                        ended.insert(login.user);
                    }
                    server.send(login.conn, ClientMessage::LogOut);
                }
                Step::Disconnect(index) => {
                    let Some((_, login, _)) = pick(index) else { continue };
                    server.registry.handle_disconnect(server.now, login.conn);
                    server.effects();
                }
                Step::End(index) => {
                    let Some((_, login, _)) = pick(index) else { continue };
                    if server.registry.snapshot().tokens().any(|token| token == login.user) {
                        ended.insert(login.user);
                    }
                    server.registry.end_session(server.now, login.user, RefusedCode::SecretChanged);
                    server.effects();
                }
                Step::ChangePassword(name) => {
                    server.registry.revoke_earlier(server.now, Some(&key(NAMES[name])));
                    ended.extend(logins.iter().filter(|(of, ..)| *of == name).map(|(_, login, _)| login.user));
                    let online: Vec<_> = users_without(&server.registry, |of, _| *of != key(NAMES[name]));
                    for user in online {
                        server.registry.end_session(server.now, user, RefusedCode::SecretChanged);
                    }
                    server.effects();
                }
                Step::Restart => server.restart(),
                Step::PassTime(seconds) => server.pass_time(SECOND * u32::try_from(seconds).unwrap()),
            }
            prop_assert!(server.registry.users_online() <= NAMES.len());
        }
    }
}
