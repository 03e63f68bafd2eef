//! Ping and idle timer of one connection, and the deadline of its `hello`. The current time is an argument.

use std::{sync::Arc, time::Instant};

use super::deadlines::Deadlines;

/// The timers of one connection.
#[derive(Clone, Debug)]
pub(super) struct Keepalive {
    deadlines: Arc<Deadlines>,
    /// `None` after it has passed.
    hello_due: Option<Instant>,
    last_received: Instant,
    /// When a ping was sent, if nothing was received since.
    pinged: Option<Instant>,
}

/// What to do when a timer has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeepaliveAction {
    /// Close the connection if no `hello` was accepted yet.
    CheckHello,
    /// Send a ping: the client has been silent.
    SendPing,
    /// Drop the connection: the client has not answered the ping.
    ConnectionLost,
}

impl Keepalive {
    pub(super) fn new(deadlines: Arc<Deadlines>, now: Instant) -> Self {
        Self { hello_due: Some(now + deadlines.hello), deadlines, last_received: now, pinged: None }
    }

    /// Starts the `hello` deadline again, after a logout. [`next`](Self::next) may become earlier.
    pub(super) fn expect_hello(&mut self, now: Instant) {
        self.hello_due = Some(now + self.deadlines.hello);
    }

    /// Resets the idle timer: a frame was received, possibly a pong.
    pub(super) const fn received(&mut self, now: Instant) {
        self.last_received = now;
        self.pinged = None;
    }

    /// When to call [`due`](Self::due). Received frames move it later, never earlier.
    pub(super) fn next(&self) -> Instant {
        let silent = match self.pinged {
            None => self.last_received + self.deadlines.ping_every,
            // Measured from the ping: the client gets its full time to answer, even if the ping was sent late.
            Some(pinged) => pinged + self.deadlines.silence.saturating_sub(self.deadlines.ping_every),
        };
        self.hello_due.map_or(silent, |hello| hello.min(silent))
    }

    /// What to do now, if a timer has expired.
    pub(super) fn due(&mut self, now: Instant) -> Option<KeepaliveAction> {
        if self.hello_due.is_some_and(|hello| hello <= now) {
            self.hello_due = None;
            return Some(KeepaliveAction::CheckHello);
        }
        if self.next() > now {
            return None;
        }
        if self.pinged.is_some() {
            return Some(KeepaliveAction::ConnectionLost);
        }
        self.pinged = Some(now);
        Some(KeepaliveAction::SendPing)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Steps through the timers, and returns each action with its time in seconds.
    fn actions(keepalive: &mut Keepalive, start: Instant, until: u64) -> Vec<(u64, KeepaliveAction)> {
        let mut seen = Vec::new();
        while keepalive.next() <= start + Duration::from_secs(until) {
            let now = keepalive.next();
            if let Some(due) = keepalive.due(now) {
                seen.push(((now - start).as_secs(), due));
                if due == KeepaliveAction::ConnectionLost {
                    break;
                }
            }
        }
        seen
    }

    #[test]
    fn a_silent_client_is_pinged_and_then_dropped() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(Arc::default(), start);
        assert_eq!(
            actions(&mut keepalive, start, 100),
            [(8, KeepaliveAction::SendPing), (10, KeepaliveAction::CheckHello), (15, KeepaliveAction::ConnectionLost)]
        );
    }

    #[test]
    fn a_received_frame_resets_the_timer() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(Arc::default(), start);
        assert_eq!(
            actions(&mut keepalive, start, 12),
            [(8, KeepaliveAction::SendPing), (10, KeepaliveAction::CheckHello)]
        );
        keepalive.received(start + Duration::from_secs(12));
        assert_eq!(
            actions(&mut keepalive, start, 100),
            [(20, KeepaliveAction::SendPing), (27, KeepaliveAction::ConnectionLost)]
        );
    }

    #[test]
    fn a_late_ping_gets_the_full_time_for_its_answer() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(Arc::default(), start);
        let late = start + Duration::from_secs(1_000);
        assert_eq!(keepalive.due(late), Some(KeepaliveAction::CheckHello));
        assert_eq!(keepalive.due(late), Some(KeepaliveAction::SendPing));
        assert_eq!(keepalive.due(late), None);
        assert_eq!(keepalive.next(), late + Duration::from_secs(7));
    }
}
