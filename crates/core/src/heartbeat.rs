//! Heartbeat of a logged-in session: detects a connection that is lost without being closed.

use std::time::Duration;

use hutong_protocol::limits;

/// How long after an event of the network, or after sleep, the server may take to answer. Short, because such an event
/// often means that the connection's local address is gone.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(3);

/// How long the server may take when media of a call has just been interrupted: two signs of a lost network. Long enough for
/// the queue of a congested link.
pub const INTERRUPTED_TIMEOUT: Duration = Duration::from_secs(2);

/// A deadline that is noticed later than this passed while the page was frozen or the computer slept. Answers may then
/// be waiting to be read, so the silence says nothing.
const FROZEN_AFTER: Duration = Duration::from_secs(3);

/// Timer of the server's silence. Times are of the client's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Heartbeat {
    /// Never pings: for models that close each lost connection.
    Disabled,
    /// The server sent something; a ping is due at `ping_at`.
    Quiet { ping_at: Duration },
    /// A ping is sent; without any message the connection is lost at `lost_at`.
    Pinged { lost_at: Duration },
}

/// What to do after a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeartbeatAction {
    /// Send `ping`.
    SendPing,
    /// Reconnect: the server did not answer.
    ConnectionLost,
}

impl Heartbeat {
    /// Starts the timer of a new session.
    pub fn new(is_enabled: bool, now: Duration) -> Self {
        if is_enabled { Self::Quiet { ping_at: now + limits::HEARTBEAT_INTERVAL } } else { Self::Disabled }
    }

    /// Restarts the timer: the server sent a message.
    pub fn received(&mut self, now: Duration) {
        *self = Self::new(*self != Self::Disabled, now);
    }

    /// Checks the connection at once: it is lost without an answer within `timeout`. Returns whether to send `ping`.
    pub fn check(&mut self, now: Duration, timeout: Duration) -> bool {
        match self {
            Self::Disabled => false,
            Self::Quiet { .. } => {
                *self = Self::Pinged { lost_at: now + timeout };
                true
            }
            // A ping that was lost with the old network is repeated too late by TCP; a later answer counts for either.
            Self::Pinged { lost_at } => {
                let is_new_ping_due = *lost_at > now + timeout || *lost_at + FROZEN_AFTER < now;
                if is_new_ping_due {
                    *lost_at = now + timeout;
                }
                is_new_ping_due
            }
        }
    }

    /// When [`on_deadline`](Self::on_deadline) has to be called.
    pub const fn deadline(self) -> Option<Duration> {
        match self {
            Self::Disabled => None,
            Self::Quiet { ping_at } => Some(ping_at),
            Self::Pinged { lost_at } => Some(lost_at),
        }
    }

    /// What to do now, if a deadline has passed.
    pub fn on_deadline(&mut self, now: Duration) -> Option<HeartbeatAction> {
        let deadline = self.deadline().filter(|deadline| *deadline <= now)?;
        if matches!(self, Self::Pinged { .. }) && now - deadline <= FROZEN_AFTER {
            return Some(HeartbeatAction::ConnectionLost);
        }
        // After a thaw the server gets its full time again.
        *self = Self::Pinged { lost_at: now + limits::HEARTBEAT_TIMEOUT };
        Some(HeartbeatAction::SendPing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_silent_server_is_pinged_after_10_s_and_lost_after_15() {
        let mut heartbeat = Heartbeat::new(true, at(100));
        assert_eq!(heartbeat.deadline(), Some(at(110)));
        assert_eq!(heartbeat.on_deadline(at(109)), None);
        assert_eq!(heartbeat.on_deadline(at(110)), Some(HeartbeatAction::SendPing));
        assert_eq!(heartbeat.deadline(), Some(at(115)));
        assert_eq!(heartbeat.on_deadline(at(115)), Some(HeartbeatAction::ConnectionLost));
    }

    #[test]
    fn any_message_restarts_the_timer() {
        let mut heartbeat = Heartbeat::new(true, at(100));
        heartbeat.on_deadline(at(110));
        heartbeat.received(at(114));
        assert_eq!(heartbeat.deadline(), Some(at(124)));
    }

    #[test]
    fn time_in_which_the_page_was_frozen_does_not_count() {
        let mut heartbeat = Heartbeat::new(true, at(100));
        assert_eq!(heartbeat.on_deadline(at(1_000)), Some(HeartbeatAction::SendPing));
        assert_eq!(heartbeat.on_deadline(at(2_000)), Some(HeartbeatAction::SendPing), "frozen again before the answer");
        assert_eq!(heartbeat.deadline(), Some(at(2_005)));
        assert_eq!(heartbeat.on_deadline(at(2_005)), Some(HeartbeatAction::ConnectionLost));
    }

    #[test]
    fn a_check_pings_once_and_waits_3_s() {
        let mut heartbeat = Heartbeat::new(true, at(100));
        assert!(heartbeat.check(at(101), CHECK_TIMEOUT));
        assert!(!heartbeat.check(at(102), CHECK_TIMEOUT));
        assert_eq!(heartbeat.on_deadline(at(104)), Some(HeartbeatAction::ConnectionLost));
        let mut pinged = Heartbeat::new(true, at(100));
        pinged.on_deadline(at(110));
        assert!(pinged.check(at(111), CHECK_TIMEOUT), "the first ping may be lost with the old network");
        assert_eq!(pinged.deadline(), Some(at(114)));
        assert!(pinged.check(at(1_000), CHECK_TIMEOUT), "after a thaw");
        assert_eq!(pinged.deadline(), Some(at(1_003)));
    }

    #[test]
    fn a_disabled_heartbeat_has_no_deadline() {
        let mut heartbeat = Heartbeat::new(false, at(100));
        heartbeat.received(at(101));
        assert!(!heartbeat.check(at(102), CHECK_TIMEOUT));
        assert_eq!((heartbeat.deadline(), heartbeat.on_deadline(at(1_000))), (None, None));
    }
}
