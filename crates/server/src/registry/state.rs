//! The registry's tables (users, calls, scheduled deadlines) and its queue of effects.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    time::Duration,
};

use hutong_protocol::{CallId, ServerMessage, Token};

use super::{
    call_allowance::CallAllowances,
    call_state::CallState,
    conn_id::ConnId,
    effect::{Effect, RegistryEvent},
    ticket::TicketSigner,
    user_table::UserTable,
    wall_clock::WallClock,
};

/// The data that the roster and call logic read and change. Holds no logic.
#[derive(Clone, Debug)]
pub struct RegistryState {
    pub signer: TicketSigner,
    pub users: UserTable,
    pub calls: HashMap<CallId, CallState>,
    pub call_allowances: CallAllowances,
    pub effects: VecDeque<Effect>,
    /// When this server started.
    pub started: Duration,
    /// For what other processes and other days compare. All other times are the registry's own, which has no steps.
    pub clock: WallClock,
    /// Scheduled deadlines, earliest first. Entries may be stale: the record itself says what is due.
    deadlines: BinaryHeap<Reverse<(Duration, Deadline)>>,
    last_timestamp: u64,
}

/// The subject of a scheduled deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deadline {
    /// The next deadline of a call.
    Call(CallId),
    /// The end of the time for which an offline user's name is held.
    NameHold(Token),
    /// The answer to a `watch` message that was postponed by the rate limit.
    Subscription(ConnId),
}

impl RegistryState {
    /// Empty tables, as of `now`.
    pub fn new(ticket_key: &[u8; 32], now: Duration) -> Self {
        let mut users = UserTable::default();
        users.enable_roster_cache();
        Self {
            signer: TicketSigner::new(ticket_key),
            users,
            calls: HashMap::new(),
            call_allowances: CallAllowances::default(),
            effects: VecDeque::new(),
            started: now,
            clock: WallClock::new(now),
            deadlines: BinaryHeap::new(),
            last_timestamp: 0,
        }
    }

    /// Queues a message for a user, if the user is connected.
    pub fn send(&mut self, token: Token, message: ServerMessage) {
        if let Some(to) = self.users.get(token).and_then(|record| record.conn) {
            self.effects.push_back(Effect::Send { to, message });
        }
    }

    /// Queues a message from one user to another, if both are connected. It may be dropped, which the sender is told.
    pub fn relay(&mut self, from: Token, to: Token, message: ServerMessage) {
        let conn = |token| self.users.get(token).and_then(|record| record.conn);
        if let Some((from, to)) = conn(from).zip(conn(to)) {
            self.effects.push_back(Effect::Relay { from, to, message });
        }
    }

    pub fn emit(&mut self, event: RegistryEvent) {
        self.effects.push_back(Effect::Event(event));
    }

    pub fn schedule(&mut self, at: Duration, deadline: Deadline) {
        self.deadlines.push(Reverse((at, deadline)));
    }

    /// The time of the earliest scheduled deadline.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.peek().map(|Reverse((at, _))| *at)
    }

    /// Removes and returns the earliest deadline that has passed.
    pub fn pop_due(&mut self, now: Duration) -> Option<Deadline> {
        if self.next_deadline()? > now {
            return None;
        }
        self.deadlines.pop().map(|Reverse((_, deadline))| deadline)
    }

    /// Lets all further timestamps be later than this one.
    pub fn skip_timestamps(&mut self, until: u64) {
        self.last_timestamp = self.last_timestamp.max(until);
    }

    /// The Unix time in microseconds, incremented where needed so that no value is returned twice.
    pub fn unique_timestamp(&mut self, now: Duration) -> u64 {
        let micros = u64::try_from(self.clock.at(now).as_micros()).unwrap_or(u64::MAX);
        self.last_timestamp = micros.max(self.last_timestamp + 1);
        self.last_timestamp
    }

    /// Whether this process may have returned this timestamp. The clock may have been wrong in an earlier one, or now.
    pub fn may_have_issued(&self, timestamp: u64) -> bool {
        u128::from(timestamp) >= self.clock.at(self.started).as_micros() && timestamp <= self.last_timestamp
    }
}
