//! What the clients of one worker share: counts, addresses of each other, and the calls that are to be made.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

use crate::scan::entries;

/// What a client is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Log in.
    LogIn,
    /// Log out, and stay connected.
    LogOut,
    /// Call the partner.
    Call,
}

/// What came of all the clients until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Clients that are where they were to get: connected, or logged in.
    pub ready: u64,
    /// Clients whose connection ended.
    pub closed: u64,
    /// Messages that came.
    pub messages: u64,
    /// Their bytes, without frames' headers.
    pub bytes: u64,
    /// Messages with news of who is there; what a login is answered with is none.
    pub presence: u64,
    /// Users in them: a message may tell of several.
    pub entries: u64,
    /// Pairs of a client and another user whom it knows to be there.
    pub known: u64,
}

impl Counts {
    /// The sum over workers.
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

    /// What came since then.
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

/// Shared by the clients of a worker, which has one thread.
#[derive(Debug, Default)]
pub struct World {
    /// What came until now.
    pub counts: Counts,
    /// Calls asked for and made.
    pub calls: Calls,
    addresses: HashMap<u32, String>,
    orders: HashMap<u32, UnboundedSender<Order>>,
}

impl World {
    /// A client is there, and takes orders.
    pub fn arrive(&mut self, number: u32, orders: UnboundedSender<Order>) {
        self.orders.insert(number, orders);
    }

    /// Its connection ended.
    pub fn leave(&mut self, number: u32) {
        self.counts.closed += 1;
        self.orders.remove(&number);
    }

    /// How the server calls a client.
    pub fn address(&self, number: u32) -> Option<&str> {
        self.addresses.get(&number).map(String::as_str)
    }

    /// The server calls it so.
    pub fn set_address(&mut self, number: u32, address: String) {
        self.addresses.insert(number, address);
    }

    /// All clients that are connected.
    pub fn numbers(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = self.orders.keys().copied().collect();
        numbers.sort_unstable();
        numbers
    }

    /// Whether the order reached somebody.
    pub fn order(&self, number: u32, order: Order) -> bool {
        self.orders.get(&number).is_some_and(|orders| orders.send(order).is_ok())
    }

    /// A call was to be made at this moment: now, or as soon as a pair is free.
    pub fn ask(&mut self, intended: Instant) {
        self.calls.ask(intended);
        self.start_waiting();
    }

    /// The last message of a set-up has come.
    pub fn is_set_up(&mut self, pair: u32) {
        self.calls.is_set_up(pair, Instant::now());
    }

    /// Both are free again.
    pub fn is_over(&mut self, pair: u32) {
        self.calls.release(pair);
        self.start_waiting();
    }

    /// The call did not come about.
    pub fn is_refused(&mut self, pair: u32) {
        self.calls.refuse(pair);
        self.start_waiting();
    }

    fn start_waiting(&mut self) {
        while let Some(pair) = self.calls.next() {
            if !self.order(caller(pair), Order::Call) {
                self.calls.refuse(pair);
            }
        }
    }
}

/// The pair of a client: its caller has the even number.
#[must_use]
pub const fn pair(number: u32) -> u32 {
    number / 2
}

/// The one who calls.
#[must_use]
pub const fn caller(pair: u32) -> u32 {
    pair * 2
}

/// The other of a pair.
#[must_use]
pub const fn partner(number: u32) -> u32 {
    number ^ 1
}

/// Whether this client is the one of its pair who calls.
#[must_use]
pub const fn is_caller(number: u32) -> bool {
    number.is_multiple_of(2)
}

/// An open-loop schedule: a call waits for a free pair, never the schedule for a call, and each is timed from when it was meant to be
/// made. So a server that stalls is charged for every call that should have been made meanwhile.
#[derive(Debug, Default)]
pub struct Calls {
    /// What session descriptions are as large as.
    pub sdp: String,
    free: VecDeque<u32>,
    waiting: VecDeque<Instant>,
    under_way: HashMap<u32, Instant>,
    measured: Option<Measured>,
}

#[derive(Debug)]
struct Measured {
    from: Instant,
    until: Instant,
    histogram: Histogram<u64>,
    outcome: Outcome,
}

/// What came of the calls that were to be made while it was measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// To be made.
    pub asked: u64,
    /// Set up.
    pub done: u64,
    /// Refused by the server.
    pub refused: u64,
    /// Not set up when the measuring ended. Each counts as having taken until then.
    pub unfinished: u64,
    /// Microseconds from the intended moment to the last message of the set-up, with how many took so long.
    pub times: Vec<(u64, u64)>,
}

impl Calls {
    /// Measures what is to be made in this time, by these pairs.
    ///
    /// # Errors
    ///
    /// When there is no room for a histogram of such times.
    pub fn begin(&mut self, pairs: Vec<u32>, sdp: usize, from: Instant, until: Instant) -> anyhow::Result<()> {
        self.sdp = format!("v=0\\r\\n{}", "a".repeat(sdp));
        self.free = pairs.into();
        self.waiting.clear();
        self.under_way.clear();
        self.measured = Some(Measured { from, until, histogram: histogram()?, outcome: Outcome::default() });
        Ok(())
    }

    /// Whether nothing is waiting or under way.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    /// Ends the measuring.
    pub fn end(&mut self, now: Instant) -> Outcome {
        let unfinished: Vec<Instant> = self.waiting.drain(..).chain(self.under_way.drain().map(|(_, at)| at)).collect();
        let Some(mut measured) = self.measured.take() else { return Outcome::default() };
        for intended in unfinished {
            if measured.counts(intended) {
                measured.outcome.unfinished += 1;
                measured.record(now.saturating_duration_since(intended));
            }
        }
        let times = measured.histogram.iter_recorded();
        measured.outcome.times = times.map(|value| (value.value_iterated_to(), value.count_at_value())).collect();
        measured.outcome
    }

    fn ask(&mut self, intended: Instant) {
        self.waiting.push_back(intended);
        if let Some(measured) = self.measured.as_mut().filter(|it| it.counts(intended)) {
            measured.outcome.asked += 1;
        }
    }

    fn next(&mut self) -> Option<u32> {
        if self.waiting.is_empty() {
            return None;
        }
        let pair = self.free.pop_front()?;
        let intended = self.waiting.pop_front()?;
        self.under_way.insert(pair, intended);
        Some(pair)
    }

    fn is_set_up(&mut self, pair: u32, now: Instant) {
        let Some(intended) = self.under_way.remove(&pair) else { return };
        if let Some(measured) = self.measured.as_mut().filter(|it| it.counts(intended)) {
            measured.outcome.done += 1;
            measured.record(now.saturating_duration_since(intended));
        }
    }

    fn release(&mut self, pair: u32) {
        self.under_way.remove(&pair);
        self.free.push_back(pair);
    }

    fn refuse(&mut self, pair: u32) {
        if let Some(intended) = self.under_way.remove(&pair)
            && let Some(measured) = self.measured.as_mut().filter(|it| it.counts(intended))
        {
            measured.outcome.refused += 1;
        }
        self.free.push_back(pair);
    }
}

impl Measured {
    fn counts(&self, intended: Instant) -> bool {
        (self.from..self.until).contains(&intended)
    }

    fn record(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.histogram.saturating_record(micros.max(1));
    }
}

/// Microseconds up to two minutes, to three digits.
///
/// # Errors
///
/// Never with these bounds.
pub fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 120_000_000, 3)?)
}

/// Whom one client knows to be there.
#[derive(Debug)]
pub struct Known {
    me: u32,
    users: Vec<u64>,
}

impl Known {
    /// Nobody, of so many.
    #[must_use]
    pub fn nobody(me: u32, of: u32) -> Self {
        Self { me, users: vec![0; of.div_ceil(64) as usize] }
    }

    /// Takes in news of who is there, in whichever protocol.
    pub fn news(&mut self, text: &str, counts: &mut Counts) {
        counts.presence += 1;
        counts.entries += self.read(text, counts);
    }

    /// Takes in a list that replaces all that was told before.
    pub fn list(&mut self, text: &str, counts: &mut Counts) {
        self.forget(counts);
        self.news(text, counts);
    }

    /// Takes in who is there, and tells of how many it was told.
    pub fn read(&mut self, text: &str, counts: &mut Counts) -> u64 {
        let mut told = 0;
        entries(text, |number, is_there| {
            told += 1;
            if number == self.me {
                return;
            }
            let Some(word) = self.users.get_mut(number as usize / 64) else { return };
            let bit = 1 << (number % 64);
            match (is_there, *word & bit != 0) {
                (true, false) => {
                    *word |= bit;
                    counts.known += 1;
                }
                (false, true) => {
                    *word &= !bit;
                    counts.known -= 1;
                }
                _ => {}
            }
        });
        told
    }

    /// It is not connected any more, and knows nobody.
    pub fn forget(&mut self, counts: &mut Counts) {
        for word in &mut self.users {
            counts.known -= u64::from(word.count_ones());
            *word = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_charged_to_every_call_that_should_have_been_made() {
        let start = Instant::now();
        let mut calls = Calls::default();
        calls.begin(vec![0], 10, start, start + Duration::from_secs(10)).unwrap();
        // One pair, a call each 10 ms, and a server that answers nothing for a second.
        for call in 0..100 {
            calls.ask(start + Duration::from_millis(10) * call);
        }
        let mut now = start + Duration::from_secs(1);
        while let Some(pair) = calls.next() {
            calls.is_set_up(pair, now);
            calls.release(pair);
            now += Duration::from_micros(10);
        }
        let outcome = calls.end(now);
        assert_eq!((outcome.asked, outcome.done, outcome.unfinished), (100, 100, 0));
        let mean = outcome.times.iter().map(|(time, count)| time * count).sum::<u64>() / 100;
        assert!((400_000..600_000).contains(&mean), "{mean}");
    }

    #[test]
    fn what_does_not_end_counts_as_long_as_it_was_waited_for() {
        let start = Instant::now();
        let mut calls = Calls::default();
        calls.begin(vec![0], 10, start + Duration::from_secs(1), start + Duration::from_secs(2)).unwrap();
        calls.ask(start);
        assert_eq!(calls.next(), Some(0));
        calls.ask(start + Duration::from_secs(1));
        let outcome = calls.end(start + Duration::from_secs(5));
        assert_eq!((outcome.asked, outcome.done, outcome.unfinished), (1, 0, 1));
        assert!(outcome.times.len() == 1 && outcome.times[0].0.abs_diff(4_000_000) < 4_000, "{outcome:?}");
    }

    #[test]
    fn whom_a_client_knows_is_counted_once_and_without_itself() {
        let mut counts = Counts::default();
        let mut known = Known::nobody(1, 70);
        let told = known.read(r#"[{"name":"u1","state":"online"},{"name":"u69","state":"in_call"}]"#, &mut counts);
        known.news(r#"{"name":"u69","state":"online"}"#, &mut counts);
        known.news(r#"{"name":"u700","state":"online"}"#, &mut counts);
        assert_eq!((told, counts.known, counts.entries, counts.presence), (2, 1, 2, 2));
        known.news(r#"{"name":"u69","state":"offline"}"#, &mut counts);
        known.news(r#"{"name":"u2","state":"online"}"#, &mut counts);
        known.list(r#"{"users":[{"name":"u3","state":"online"}]}"#, &mut counts);
        assert_eq!(counts.known, 1);
        known.forget(&mut counts);
        assert_eq!(counts.known, 0);
    }
}
