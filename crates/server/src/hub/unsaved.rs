//! Revocations that the registry has added and that are not stored yet, in bounded memory.

use crate::registry::Revocation;

/// Revocations that wait at most. Beyond, the file is written as a whole.
const MAX_WAITING: usize = 4_096;

/// Revocations to store.
#[derive(Debug)]
pub(super) enum Unsaved {
    /// The server has no file for them.
    Discarded,
    /// These.
    New(Vec<Revocation>),
    /// All that are in force: too many were added, or the last write failed.
    All,
}

impl Unsaved {
    pub(super) fn push(&mut self, revocation: Revocation) {
        match self {
            Self::New(waiting) if waiting.len() < MAX_WAITING => waiting.push(revocation),
            Self::New(_) => *self = Self::All,
            Self::Discarded | Self::All => {}
        }
    }

    /// The table has changed as a whole.
    pub(super) fn changed(&mut self) {
        match self {
            Self::New(_) => *self = Self::All,
            Self::Discarded | Self::All => {}
        }
    }

    /// Whether there is something to store.
    pub(super) fn is_waiting(&self) -> bool {
        match self {
            Self::Discarded => false,
            Self::New(waiting) => !waiting.is_empty(),
            Self::All => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hutong_protocol::Token;

    use super::*;
    use crate::registry::RevokedSessions;

    #[test]
    fn revocations_that_wait_for_the_disk_are_bounded() {
        let revocation =
            Revocation { revoked: RevokedSessions::All { until: Token(1) }, expires: Duration::from_secs(1) };
        let mut unsaved = Unsaved::New(Vec::new());
        assert!(!unsaved.is_waiting());
        for _ in 0..MAX_WAITING {
            unsaved.push(revocation);
        }
        assert!(matches!(&unsaved, Unsaved::New(waiting) if waiting.len() == MAX_WAITING));
        unsaved.push(revocation);
        assert!(matches!(unsaved, Unsaved::All) && unsaved.is_waiting());
        let mut discarded = Unsaved::Discarded;
        discarded.push(revocation);
        assert!(!discarded.is_waiting());
    }
}
