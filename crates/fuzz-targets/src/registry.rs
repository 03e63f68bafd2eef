//! Fuzz target of the server's registry: any sequence of connects, messages, disconnects, restarts and passing time.
//!
//! Three bytes encode a step: operation, connection and argument. Connection and argument are reduced to indices of
//! existing connections, calls, tickets and users, so that most steps have an effect.

use std::{collections::BTreeMap, time::Duration};

use hutong_protocol::{
    CallId, CallTicket, CancelReason, ClientMessage, IceCandidate, MediaKind, RefusedCode, SdpKind, ServerMessage,
    SessionTicket, Token,
};
use hutong_server::registry::{AdmittedLogin, ConnId, Credential, Effect, NameRight, Registry, RegistryConfig};

/// Start time: 2026-11-23, about noon.
const EPOCH: Duration = Duration::from_secs(1_795_435_200);

/// Low, so that runs reach the limit.
const MAX_USERS: usize = 6;

/// Below [`MAX_USERS`], so that runs have both whole and partial rosters.
const WHOLE_ROSTER: usize = 3;

/// Low, so that names and users recur.
const MAX_CONNECTIONS: usize = 10;

/// Longer than every deadline of the registry.
const SETTLE_TIME: Duration = Duration::from_secs(300);

/// Maximum number of steps of a run: longer runs reach no new states.
const MAX_STEPS: usize = 400;

/// Operation of a step, encoded as its index in [`RegistryOp::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistryOp {
    /// Opens a connection and sends `hello`; the argument selects the name.
    LogIn,
    /// Opens a connection and sends `hello` with a ticket that the server issued.
    Resume,
    /// Sends a second `hello` on a connection.
    Hello,
    /// Sends `log_out` and stays connected.
    LogOut,
    /// Sends `offering`.
    Offering,
    /// Sends `accept`.
    Accept,
    /// Sends `confirm`.
    Confirm,
    /// Sends `calling`.
    Calling,
    /// Sends `candidate`.
    Candidate,
    /// Sends `description`.
    Description,
    /// Sends `cancel`; the argument selects call and reason.
    Cancel,
    /// Sends `released`.
    Released,
    /// Sends `claim` with any ticket, including session tickets.
    Claim,
    /// Closes a connection.
    Disconnect,
    /// Lets time pass: the square of the argument in milliseconds, up to a minute.
    PassTime,
    /// Kills the server and restarts it with the same ticket key and revocations.
    Restart,
    /// Sends `watch`; the argument selects query and name.
    Watch,
    /// Sends `ping`.
    Ping,
    /// Opens a connection and logs in as the owner of the name, which ends another session under it.
    LogInAsOwner,
    /// Ends the session of any user, and revokes its tickets.
    EndSession,
}

impl RegistryOp {
    /// All operations, in the order of their encoding.
    pub const ALL: [Self; 20] = [
        Self::LogIn,
        Self::Resume,
        Self::Hello,
        Self::LogOut,
        Self::Offering,
        Self::Accept,
        Self::Confirm,
        Self::Calling,
        Self::Candidate,
        Self::Description,
        Self::Cancel,
        Self::Released,
        Self::Claim,
        Self::Disconnect,
        Self::PassTime,
        Self::Restart,
        Self::Watch,
        Self::Ping,
        Self::LogInAsOwner,
        Self::EndSession,
    ];
}

/// Runs the steps that the bytes encode.
///
/// # Panics
///
/// If the registry violates an invariant.
pub fn registry(bytes: &[u8]) {
    let mut run = RegistryRun::new();
    for step in bytes.chunks_exact(3).take(MAX_STEPS) {
        if let [op, connection, argument] = *step {
            run.step(
                RegistryOp::ALL[usize::from(op) % RegistryOp::ALL.len()],
                usize::from(connection),
                usize::from(argument),
            );
        }
    }
    run.finish();
}

struct RegistryRun {
    now: Duration,
    registry: Registry,
    /// Open connections, each with the user logged in on it.
    open: BTreeMap<ConnId, Option<Token>>,
    last_conn: u64,
    users: Vec<Token>,
    calls: Vec<CallId>,
    tickets: Vec<String>,
}

impl RegistryRun {
    fn new() -> Self {
        Self {
            now: EPOCH,
            registry: new_registry(EPOCH),
            open: BTreeMap::new(),
            last_conn: 0,
            users: vec![Token(1)],
            calls: vec![CallId(1)],
            tickets: vec!["u2.1.00000000000000000000000000000000.2.AAAA.AAAA".to_owned(), "c1.1.2.3.4.AAAA".to_owned()],
        }
    }

    fn step(&mut self, op: RegistryOp, connection: usize, argument: usize) {
        match op {
            RegistryOp::LogIn | RegistryOp::Resume | RegistryOp::LogInAsOwner => {
                if self.open.len() < MAX_CONNECTIONS {
                    self.last_conn += 1;
                    let conn = ConnId(self.last_conn);
                    self.open.insert(conn, None);
                    self.send(conn, op, argument);
                }
            }
            RegistryOp::Disconnect => {
                if let Some(conn) = self.connection(connection) {
                    self.open.remove(&conn);
                    self.registry.handle_disconnect(self.now, conn);
                }
            }
            RegistryOp::EndSession => {
                self.registry.end_session(self.now, *pick(&self.users, argument), RefusedCode::SecretChanged);
            }
            RegistryOp::PassTime => self.pass_time(Duration::from_millis(argument as u64 * argument as u64)),
            RegistryOp::Restart => {
                self.open.clear();
                let revocations: Vec<_> = self.registry.revocations().collect();
                self.registry = new_registry(self.now);
                self.registry.restore_revocations(self.now, revocations);
            }
            _ => {
                if let Some(conn) = self.connection(connection) {
                    self.send(conn, op, argument);
                }
            }
        }
        self.process_effects();
        self.check();
    }

    fn connection(&self, index: usize) -> Option<ConnId> {
        self.open.keys().nth(index % self.open.len().max(1)).copied()
    }

    fn send(&mut self, conn: ConnId, op: RegistryOp, argument: usize) {
        let (call, to) = (*pick(&self.calls, argument), *pick(&self.users, argument));
        let ticket = pick(&self.tickets, argument);
        let media = if argument.is_multiple_of(2) { MediaKind::Video } else { MediaKind::Voice };
        let sdp = String::from("v=0");
        let message = match op {
            RegistryOp::LogInAsOwner => {
                let (name, credential, right) = (
                    name(argument),
                    Credential::NONE,
                    *pick(&[NameRight::Owner, NameRight::OwnerEndingCall], argument),
                );
                let login = AdmittedLogin { name, resume: None, credential, right };
                return self.registry.handle_admitted_hello(self.now, conn, login);
            }
            RegistryOp::LogIn | RegistryOp::Hello => {
                ClientMessage::Hello { name: name(argument), resume: None, secret: None, replace: false }
            }
            RegistryOp::Resume => ClientMessage::Hello {
                name: name(argument / 16),
                resume: Some(SessionTicket::new(ticket)),
                secret: None,
                replace: false,
            },
            RegistryOp::LogOut => ClientMessage::LogOut,
            RegistryOp::Offering => ClientMessage::Offering { to, media },
            RegistryOp::Accept => ClientMessage::Accept { call, media },
            RegistryOp::Confirm => ClientMessage::Confirm { call, sdp },
            RegistryOp::Calling => ClientMessage::Calling { call, sdp },
            RegistryOp::Candidate => {
                let candidate = IceCandidate {
                    candidate: String::new(),
                    sdp_mid: None,
                    sdp_m_line_index: None,
                    username_fragment: None,
                };
                ClientMessage::Candidate { call, candidate }
            }
            RegistryOp::Description => ClientMessage::Description { call, kind: SdpKind::Offer, sdp },
            RegistryOp::Cancel => {
                let reasons =
                    [CancelReason::Declined, CancelReason::Cancelled, CancelReason::Hangup, CancelReason::Failed];
                ClientMessage::Cancel { call, reason: reasons[argument / 64 % 4] }
            }
            RegistryOp::Released => ClientMessage::Released { call },
            RegistryOp::Claim => ClientMessage::Claim { ticket: CallTicket::new(ticket) },
            RegistryOp::Watch => {
                let query = ["", "a", "b", "明"][argument % 4].to_owned();
                ClientMessage::Watch { query, names: vec![name(argument / 4)] }
            }
            RegistryOp::Ping => ClientMessage::Ping,
            RegistryOp::Disconnect | RegistryOp::PassTime | RegistryOp::Restart | RegistryOp::EndSession => return,
        };
        // After a logout the gateway forwards nothing until the next `hello`.
        if op == RegistryOp::LogOut
            && let Some(user) = self.open.get_mut(&conn)
        {
            *user = None;
        }
        self.registry.handle_message(self.now, conn, message);
    }

    fn pass_time(&mut self, time: Duration) {
        let end = self.now + time;
        let mut ticks = 0;
        while let Some(at) = self.registry.next_tick().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.registry.tick(self.now);
            self.process_effects();
            self.check();
            ticks += 1;
            assert!(ticks < 10_000, "deadlines recur without end");
        }
        self.now = end;
        self.registry.tick(self.now);
    }

    fn process_effects(&mut self) {
        while let Some(effect) = self.registry.poll_effect() {
            for (to, message) in self.registry.messages(&effect) {
                assert!(self.open.contains_key(&to), "message to a closed connection: {message:?}");
                self.record(to, message);
            }
            if let Effect::Close { conn, .. } = effect {
                assert!(self.open.remove(&conn).is_some(), "closes a closed connection");
            }
        }
    }

    fn record(&mut self, conn: ConnId, message: ServerMessage) {
        match message {
            ServerMessage::Welcome { me, ticket, .. } => {
                self.open.insert(conn, Some(me.token));
                self.users.push(me.token);
                self.tickets.push(ticket.as_str().to_owned());
            }
            ServerMessage::Ringing { call, .. } => self.calls.push(call),
            ServerMessage::Confirm { ticket, .. } | ServerMessage::Calling { ticket, .. } => {
                self.tickets.push(ticket.as_str().to_owned());
            }
            _ => {}
        }
    }

    fn check(&self) {
        let snapshot = self.registry.snapshot();
        assert_eq!(snapshot.invariant_violations(), Vec::<String>::new());
        assert!(snapshot.wakes_in_time(&self.registry), "missed a deadline: {snapshot:?}");
        assert!(snapshot.tokens().all(|token| snapshot.calls_of(token).len() <= 1), "a user is in two calls");
        let welcomed = self.open.values().flatten().count();
        assert_eq!(self.registry.users_online(), welcomed, "users online and logged-in connections differ");
        assert!(welcomed <= MAX_USERS, "{welcomed} users");
        for (conn, user) in &self.open {
            assert_eq!(self.registry.user_of(*conn).map(|user| user.token), *user, "{conn:?}");
        }
    }

    /// Closes all connections, and checks that after the longest deadline no state is left.
    fn finish(&mut self) {
        while let Some(conn) = self.connection(0) {
            self.open.remove(&conn);
            self.registry.handle_disconnect(self.now, conn);
            self.process_effects();
            self.check();
        }
        self.pass_time(SETTLE_TIME);
        self.process_effects();
        self.check();
        let snapshot = self.registry.snapshot();
        assert_eq!((self.registry.known_calls(), snapshot.tokens().count()), (0, 0), "{snapshot:?}");
        assert_eq!(self.registry.next_tick(), None, "a deadline is left");
    }
}

fn new_registry(now: Duration) -> Registry {
    let mut session_seed = [0; 32];
    session_seed[..16].copy_from_slice(&now.as_nanos().to_be_bytes());
    let config = RegistryConfig { max_users: MAX_USERS, whole_roster: WHOLE_ROSTER, ticket_key: [3; 32], session_seed };
    Registry::new(config, now)
}

/// Selects from the end, so that small arguments select recent calls, users and tickets.
fn pick<T>(all: &[T], index: usize) -> &T {
    &all[all.len() - 1 - index % all.len()]
}

/// One of a few names, of which two differ only in case and one is invalid.
fn name(index: usize) -> String {
    ["Ana", "Bo", "ANA", "小明", "Cy", "Di", "Ed", "Fay", " "][index % 9].to_owned()
}
