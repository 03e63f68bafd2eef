//! What is due on one connection, and when. Time is an argument.

use std::{sync::Arc, time::Instant};

use super::deadlines::Deadlines;

/// A connection's deadlines.
#[derive(Clone, Debug)]
pub(super) struct Vigil {
    deadlines: Arc<Deadlines>,
    /// Until it has passed once.
    hello_due: Option<Instant>,
    heard: Instant,
    /// Since nothing was heard.
    pinged: Option<Instant>,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The hello should have been accepted by now.
    Hello,
    /// It has been silent for a while: ping it.
    Ping,
    /// It has not answered the ping: it is lost.
    Lost,
}

impl Vigil {
    pub(super) fn new(deadlines: Arc<Deadlines>, now: Instant) -> Self {
        Self { hello_due: Some(now + deadlines.hello), deadlines, heard: now, pinged: None }
    }

    /// A hello is due again, after a log-out. [`next`](Self::next) may be earlier than before.
    pub(super) fn expect_hello(&mut self, now: Instant) {
        self.hello_due = Some(now + self.deadlines.hello);
    }

    /// Something came, be it a pong.
    pub(super) const fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.pinged = None;
    }

    /// When to ask [`due`](Self::due). Something heard moves it later, never earlier.
    pub(super) fn next(&self) -> Instant {
        let silent = match self.pinged {
            None => self.heard + self.deadlines.ping_every,
            // From the ping, not from what was heard last: it needs its time to be answered, however late it went out.
            Some(pinged) => pinged + self.deadlines.silence.saturating_sub(self.deadlines.ping_every),
        };
        self.hello_due.map_or(silent, |hello| hello.min(silent))
    }

    /// What is due now, if anything.
    pub(super) fn due(&mut self, now: Instant) -> Option<Due> {
        if self.hello_due.is_some_and(|hello| hello <= now) {
            self.hello_due = None;
            return Some(Due::Hello);
        }
        if self.next() > now {
            return None;
        }
        if self.pinged.is_some() {
            return Some(Due::Lost);
        }
        self.pinged = Some(now);
        Some(Due::Ping)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Steps to each moment that is due, and tells what was due there, in seconds.
    fn watch(vigil: &mut Vigil, start: Instant, until: u64) -> Vec<(u64, Due)> {
        let mut seen = Vec::new();
        while vigil.next() <= start + Duration::from_secs(until) {
            let now = vigil.next();
            if let Some(due) = vigil.due(now) {
                seen.push(((now - start).as_secs(), due));
                if due == Due::Lost {
                    break;
                }
            }
        }
        seen
    }

    #[test]
    fn silence_is_pinged_and_then_lost() {
        let start = Instant::now();
        let mut vigil = Vigil::new(Arc::default(), start);
        assert_eq!(watch(&mut vigil, start, 100), [(10, Due::Hello), (20, Due::Ping), (45, Due::Lost)]);
    }

    #[test]
    fn whatever_is_heard_starts_it_over() {
        let start = Instant::now();
        let mut vigil = Vigil::new(Arc::default(), start);
        assert_eq!(watch(&mut vigil, start, 30), [(10, Due::Hello), (20, Due::Ping)]);
        vigil.heard(start + Duration::from_secs(30));
        assert_eq!(watch(&mut vigil, start, 100), [(50, Due::Ping), (75, Due::Lost)]);
    }

    #[test]
    fn a_ping_that_went_out_late_is_given_its_time() {
        let start = Instant::now();
        let mut vigil = Vigil::new(Arc::default(), start);
        let late = start + Duration::from_secs(1_000);
        assert_eq!(vigil.due(late), Some(Due::Hello));
        assert_eq!(vigil.due(late), Some(Due::Ping));
        assert_eq!(vigil.due(late), None);
        assert_eq!(vigil.next(), late + Duration::from_secs(25));
    }
}
