//! Pace of one user's presence: how often its changes are sent to others. Changes in between are merged; the last one counts.

use std::{
    hash::{Hash, Hasher},
    time::Duration,
};

use hutong_protocol::limits::{PRESENCE_BURST, PRESENCE_INTERVAL};

/// Token bucket of changes, full at first.
#[derive(Clone, Copy, Debug, Default)]
pub struct PresencePace {
    /// When the bucket is full again.
    full_at: Duration,
}

impl PresencePace {
    /// When the next change may be sent. Not after `now` if that is at once.
    pub fn next_at(&self) -> Duration {
        self.full_at.saturating_sub(PRESENCE_INTERVAL * (PRESENCE_BURST - 1))
    }

    /// Counts a change that is sent.
    pub fn count(&mut self, now: Duration) {
        self.full_at = self.full_at.max(now) + PRESENCE_INTERVAL;
    }
}

/// Adds nothing: the model checker's budgets allow a user fewer changes than [`PRESENCE_BURST`], so it never decides their
/// future.
impl Hash for PresencePace {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
