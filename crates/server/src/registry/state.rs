//! The registry's records: users and calls, the deadlines that wait, and the effects that have yet to be taken out.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    time::Duration,
};

use hutong_protocol::{CallId, ServerMessage, Token};

use super::{
    calls::Call,
    conn::ConnId,
    effect::{Effect, Fact},
    ticket::Signer,
    users::Users,
};

/// What rosters and calls read and change. It decides nothing.
#[derive(Clone, Debug)]
pub struct State {
    pub signer: Signer,
    pub users: Users,
    pub calls: HashMap<CallId, Call>,
    pub effects: VecDeque<Effect>,
    /// When this server came up.
    pub started: Duration,
    /// Deadlines, earliest first. An entry may be out of date: what is due is read from the record itself.
    deadlines: BinaryHeap<Reverse<(Duration, Deadline)>>,
    last_stamp: u64,
}

/// What a deadline is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deadline {
    Call(CallId),
    Name(Token),
    Watch(ConnId),
}

impl State {
    /// No users and no calls, as of `now`.
    pub fn new(ticket_key: &[u8; 32], now: Duration) -> Self {
        let mut users = Users::default();
        users.keep_sheet();
        Self {
            signer: Signer::new(ticket_key),
            users,
            calls: HashMap::new(),
            effects: VecDeque::new(),
            started: now,
            deadlines: BinaryHeap::new(),
            last_stamp: 0,
        }
    }

    /// Sends a message to a user's connection, if it has one.
    pub fn send(&mut self, token: Token, message: ServerMessage) {
        if let Some(to) = self.users.get(token).and_then(|record| record.conn) {
            self.effects.push_back(Effect::Send { to, message });
        }
    }

    pub fn note(&mut self, fact: Fact) {
        self.effects.push_back(Effect::Note(fact));
    }

    pub fn schedule(&mut self, at: Duration, what: Deadline) {
        self.deadlines.push(Reverse((at, what)));
    }

    /// When [`pop_due`](Self::pop_due) has something, unless more is scheduled.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.peek().map(|Reverse((at, _))| *at)
    }

    /// The earliest deadline that has come; each is returned once.
    pub fn pop_due(&mut self, now: Duration) -> Option<Deadline> {
        if self.next_deadline()? > now {
            return None;
        }
        self.deadlines.pop().map(|Reverse((_, what))| what)
    }

    /// The time in microseconds, made unique in this registry.
    pub fn stamp(&mut self, now: Duration) -> u64 {
        let micros = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        self.last_stamp = micros.max(self.last_stamp + 1);
        self.last_stamp
    }
}
