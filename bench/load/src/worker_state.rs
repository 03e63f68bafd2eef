//! State that the clients of one worker share: traffic counts, server-side addresses, and the call schedule.

use std::{collections::HashMap, time::Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

use crate::call_schedule::CallSchedule;

/// Action that a client is to perform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAction {
    /// Log in.
    LogIn,
    /// Log out, and stay connected.
    LogOut,
    /// Call the partner.
    Call,
}

/// Counters over all clients of a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficCounts {
    /// Clients that are ready: connected or logged in, by their login mode.
    pub ready: u64,
    /// Clients whose connection closed.
    pub closed: u64,
    /// Received messages.
    pub messages: u64,
    /// Bytes of these messages, without frame headers.
    pub bytes: u64,
    /// Presence messages, without the response to a login.
    pub presence: u64,
    /// Users in the presence messages.
    pub entries: u64,
    /// Pairs of a client and another user that it knows to be online.
    pub known: u64,
}

impl TrafficCounts {
    /// Sum over workers.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            ready: self.ready + other.ready,
            closed: self.closed + other.closed,
            messages: self.messages + other.messages,
            bytes: self.bytes + other.bytes,
            presence: self.presence + other.presence,
            entries: self.entries + other.entries,
            known: self.known + other.known,
        }
    }

    /// Traffic since an earlier reading.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            messages: self.messages - before.messages,
            bytes: self.bytes - before.bytes,
            presence: self.presence - before.presence,
            entries: self.entries - before.entries,
            ..self
        }
    }
}

/// State shared by the clients of a worker, which has one thread.
#[derive(Debug, Default)]
pub struct WorkerState {
    /// Traffic so far.
    pub counts: TrafficCounts,
    /// Scheduled calls and their results.
    pub schedule: CallSchedule,
    addresses: HashMap<u32, String>,
    actions: HashMap<u32, UnboundedSender<ClientAction>>,
}

impl WorkerState {
    /// Adds a connected client with its action queue.
    pub fn add_client(&mut self, number: u32, actions: UnboundedSender<ClientAction>) {
        self.actions.insert(number, actions);
    }

    /// Removes a client whose connection closed.
    pub fn remove_client(&mut self, number: u32) {
        self.counts.closed += 1;
        self.actions.remove(&number);
    }

    /// The server's identifier of a client.
    pub fn address(&self, number: u32) -> Option<&str> {
        self.addresses.get(&number).map(String::as_str)
    }

    /// Sets the server's identifier of a client.
    pub fn set_address(&mut self, number: u32, address: String) {
        self.addresses.insert(number, address);
    }

    /// Numbers of all connected clients, sorted.
    pub fn client_numbers(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = self.actions.keys().copied().collect();
        numbers.sort_unstable();
        numbers
    }

    /// Queues an action for a client; `false` if it is not connected.
    pub fn send_action(&self, number: u32, action: ClientAction) -> bool {
        self.actions.get(&number).is_some_and(|actions| actions.send(action).is_ok())
    }

    /// Adds a call that is due at this time: it starts now, or when a pair is free.
    pub fn schedule_call(&mut self, intended: Instant) {
        self.schedule.add(intended);
        self.start_due_calls();
    }

    /// Records the last message of a call's set-up.
    pub fn call_set_up(&mut self, pair: u32) {
        self.schedule.complete(pair, Instant::now());
    }

    /// Records that a call is over: its pair is free again.
    pub fn call_over(&mut self, pair: u32) {
        self.schedule.release(pair);
        self.start_due_calls();
    }

    /// Records that the server refused a call.
    pub fn call_refused(&mut self, pair: u32) {
        self.schedule.refuse(pair);
        self.start_due_calls();
    }

    fn start_due_calls(&mut self) {
        while let Some(pair) = self.schedule.start_next() {
            if !self.send_action(caller_of(pair), ClientAction::Call) {
                self.schedule.refuse(pair);
            }
        }
    }
}

/// The pair of a client; the even number is the caller.
#[must_use]
pub const fn pair_of(number: u32) -> u32 {
    number / 2
}

/// The caller of a pair.
#[must_use]
pub const fn caller_of(pair: u32) -> u32 {
    pair * 2
}

/// The other client of a pair.
#[must_use]
pub const fn partner_of(number: u32) -> u32 {
    number ^ 1
}

/// Whether this client is the caller of its pair.
#[must_use]
pub const fn is_caller(number: u32) -> bool {
    number.is_multiple_of(2)
}
