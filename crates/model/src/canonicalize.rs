//! Canonical fingerprint of a world state: states with the same future behaviour have the same fingerprint.
//!
//! The behaviour does not depend on the time of day, nor on the values of user, call and connection IDs, but on the
//! time left until each deadline, and on which IDs are equal. So the hash contains the time left instead of absolute
//! times, and the order of first occurrence instead of IDs.
//!
//! The time left counts in whole seconds; otherwise each presence batch, 40 ms earlier or later, would double the
//! number of states. The price: of two orders of deadlines within the same second, the checker may explore only one. It
//! never explores an impossible state.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    time::Duration,
};

/// Start time of every world: 2026-11-23, about noon.
pub const EPOCH: Duration = Duration::from_secs(1_795_435_200);

/// First connection ID: far from all other numbers, so that the hasher recognizes connection IDs.
pub const FIRST_CONNECTION: u64 = 1 << 40;

/// Upper bound on the duration of a world: numbers further from the epoch are neither times nor IDs derived from times.
const MAX_DURATION: Duration = Duration::from_secs(1_000_000);

/// Fingerprint of `world` at time `now`. After a restart of the server, IDs from before and after it are distinguished.
pub fn fingerprint(now: Duration, restarted: Option<Duration>, world: &impl Hash) -> u64 {
    let older_than = restarted.map_or(0, |at| u64::try_from(at.as_micros()).unwrap_or(u64::MAX));
    let mut hasher = CanonicalHasher { now, older_than, inner: DefaultHasher::new(), ids: Vec::new(), seconds: None };
    world.hash(&mut hasher);
    hasher.finish()
}

/// [`Hasher`] that canonicalizes times and IDs.
struct CanonicalHasher {
    now: Duration,
    older_than: u64,
    inner: DefaultHasher,
    /// IDs of users, calls and connections, in order of first occurrence.
    ids: Vec<u64>,
    /// Seconds of a `Duration` whose nanoseconds follow.
    seconds: Option<u64>,
}

impl CanonicalHasher {
    fn hash_id(&mut self, number: u64) {
        let index = self.ids.iter().position(|id| *id == number).unwrap_or_else(|| {
            self.ids.push(number);
            self.ids.len() - 1
        });
        self.inner.write_usize(index);
        self.inner.write_u8(u8::from(is_timestamp(number) && number < self.older_than));
    }

    /// Hashes the user and call IDs of a ticket. Its time of issue matters only after a day and is left out, and its session
    /// is that of its user.
    fn hash_ticket(&mut self, text: &str) {
        for field in text.split('.').skip(1) {
            let number = field.parse().ok().or_else(|| u64::from_str_radix(field, 16).ok());
            if let Some(number) = number.filter(|number| is_timestamp(*number)) {
                self.hash_id(number);
            }
        }
    }
}

impl Hasher for CanonicalHasher {
    fn finish(&self) -> u64 {
        self.inner.finish()
    }

    fn write(&mut self, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) if text.starts_with("u2.") || text.starts_with("c1.") => self.hash_ticket(text),
            _ => self.inner.write(bytes),
        }
    }

    fn write_u64(&mut self, number: u64) {
        let connections = FIRST_CONNECTION..FIRST_CONNECTION + 1_000_000;
        if is_timestamp(number) || connections.contains(&number) {
            self.hash_id(number);
        } else if (EPOCH.as_secs()..(EPOCH + MAX_DURATION).as_secs()).contains(&number) {
            self.seconds = Some(number);
        } else {
            self.inner.write_u64(number);
        }
    }

    fn write_u32(&mut self, number: u32) {
        match self.seconds.take() {
            Some(seconds) => {
                let at = Duration::new(seconds, number);
                let left = at.saturating_sub(self.now);
                // Whole seconds, rounded up: see the module documentation.
                self.inner.write_u64(left.as_secs() + u64::from(left.subsec_nanos() > 0));
            }
            None => self.inner.write_u32(number),
        }
    }
}

/// Whether the number is a time in microseconds, as user tokens and call IDs are.
fn is_timestamp(number: u64) -> bool {
    (EPOCH.as_micros()..(EPOCH + MAX_DURATION).as_micros()).contains(&u128::from(number))
}

#[cfg(test)]
mod tests {
    use hutong_protocol::{CallId, CallTicket, ServerMessage, Token};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn timestamp(after: u64) -> u64 {
        u64::try_from(EPOCH.as_micros()).unwrap() + after
    }

    #[test]
    fn times_are_hashed_as_the_time_left() {
        let world = |now, until: Duration| fingerprint(now, None, &(7_u32, Some(until)));
        assert_eq!(world(EPOCH, EPOCH + SECOND), world(EPOCH + SECOND, EPOCH + SECOND * 2));
        assert_ne!(world(EPOCH, EPOCH + SECOND), world(EPOCH, EPOCH + SECOND * 2));
        assert_ne!(world(EPOCH, EPOCH), world(EPOCH, EPOCH + Duration::from_millis(1)));
    }

    #[test]
    fn ids_are_hashed_by_their_equality() {
        let world = |one, other| {
            fingerprint(EPOCH, None, &(Token(timestamp(one)), CallId(timestamp(other)), Token(timestamp(one))))
        };
        assert_eq!(world(1, 2), world(5, 3));
        assert_ne!(world(1, 2), world(1, 1));
        let ticket =
            |call: u64, issued| CallTicket::new(&format!("c1.{:x}.{}.9.{issued}.xyz", timestamp(call), timestamp(1)));
        let claimed = |call, issued| fingerprint(EPOCH, None, &(CallId(timestamp(2)), ticket(call, issued)));
        assert_eq!(claimed(2, 5), claimed(2, 6));
        assert_ne!(claimed(2, 5), claimed(3, 5));
    }

    #[test]
    fn different_messages_have_different_fingerprints() {
        let ended = |call, reason| ServerMessage::Ended { call: CallId(timestamp(call)), reason };
        let one = fingerprint(EPOCH, None, &ended(1, hutong_protocol::EndReason::Gone));
        assert_eq!(one, fingerprint(EPOCH, None, &ended(2, hutong_protocol::EndReason::Gone)));
        assert_ne!(one, fingerprint(EPOCH, None, &ended(1, hutong_protocol::EndReason::Hangup)));
    }
}
