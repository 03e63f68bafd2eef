//! One number for all worlds that go on alike.
//!
//! Two worlds that differ only in the time of day, or in which numbers their users, calls and connections happen to have, go on
//! alike: all that happens in them goes by how long something still has, and by which number is the same as which. So times are
//! hashed as what is left of them, and numbers in the order in which they are met.
//!
//! What is left of a time counts in whole seconds: that presence is told 40 ms earlier or later would else make two worlds of each.
//! So of two orders of deadlines within one second only one may be gone through. No world is gone through that could not be.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    time::Duration,
};

/// When every world begins: 2026-11-23, about noon.
pub const EPOCH: Duration = Duration::from_secs(1_795_435_200);

/// The first number of a connection: far from all other numbers, so that it is known for one.
pub const FIRST_CONNECTION: u64 = 1 << 40;

/// No world lasts longer; this far from the epoch a number is no time, and no number that was made of one.
const LONGEST: Duration = Duration::from_secs(1_000_000);

/// The number of all worlds like this one, seen at this time. After a restart of the server it matters what is older.
pub fn fingerprint(now: Duration, restarted: Option<Duration>, world: &impl Hash) -> u64 {
    let older_than = restarted.map_or(0, |at| u64::try_from(at.as_micros()).unwrap_or(u64::MAX));
    let mut canon = Canon { now, older_than, inner: DefaultHasher::new(), met: Vec::new(), seconds: None };
    world.hash(&mut canon);
    canon.finish()
}

/// Hashes what it is fed in its canonical form.
struct Canon {
    now: Duration,
    older_than: u64,
    inner: DefaultHasher,
    /// Users, calls and connections, in the order in which they were met.
    met: Vec<u64>,
    /// The seconds of a time whose nanoseconds come next.
    seconds: Option<u64>,
}

impl Canon {
    fn number(&mut self, number: u64) {
        let place = self.met.iter().position(|met| *met == number).unwrap_or_else(|| {
            self.met.push(number);
            self.met.len() - 1
        });
        self.inner.write_usize(place);
        self.inner.write_u8(u8::from(is_stamp(number) && number < self.older_than));
    }

    /// A ticket names its user or call, and the moment of its signing, which nobody looks at for a day.
    fn ticket(&mut self, text: &str) {
        for field in text.split('.').skip(1) {
            let number = field.parse().ok().or_else(|| u64::from_str_radix(field, 16).ok());
            if let Some(number) = number.filter(|number| is_stamp(*number)) {
                self.number(number);
            }
        }
    }
}

impl Hasher for Canon {
    fn finish(&self) -> u64 {
        self.inner.finish()
    }

    fn write(&mut self, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) if text.starts_with("u1.") || text.starts_with("c1.") => self.ticket(text),
            _ => self.inner.write(bytes),
        }
    }

    fn write_u64(&mut self, number: u64) {
        let connections = FIRST_CONNECTION..FIRST_CONNECTION + 1_000_000;
        if is_stamp(number) || connections.contains(&number) {
            self.number(number);
        } else if (EPOCH.as_secs()..(EPOCH + LONGEST).as_secs()).contains(&number) {
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
                // In whole seconds, rounded up: see the module's documentation.
                self.inner.write_u64(left.as_secs() + u64::from(left.subsec_nanos() > 0));
            }
            None => self.inner.write_u32(number),
        }
    }
}

/// Whether the number was made of a moment in microseconds, as users' tokens and calls' ids are.
fn is_stamp(number: u64) -> bool {
    (EPOCH.as_micros()..(EPOCH + LONGEST).as_micros()).contains(&u128::from(number))
}

#[cfg(test)]
mod tests {
    use hutong_protocol::{CallId, ServerMessage, Ticket, Token};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn stamp(after: u64) -> u64 {
        u64::try_from(EPOCH.as_micros()).unwrap() + after
    }

    #[test]
    fn times_count_as_what_is_left_of_them() {
        let world = |now, until: Duration| fingerprint(now, None, &(7_u32, Some(until)));
        assert_eq!(world(EPOCH, EPOCH + SECOND), world(EPOCH + SECOND, EPOCH + SECOND * 2));
        assert_ne!(world(EPOCH, EPOCH + SECOND), world(EPOCH, EPOCH + SECOND * 2));
        assert_ne!(world(EPOCH, EPOCH), world(EPOCH, EPOCH + Duration::from_millis(1)));
    }

    #[test]
    fn numbers_count_as_which_is_the_same_as_which() {
        let world =
            |one, other| fingerprint(EPOCH, None, &(Token(stamp(one)), CallId(stamp(other)), Token(stamp(one))));
        assert_eq!(world(1, 2), world(5, 3));
        assert_ne!(world(1, 2), world(1, 1));
        let ticket = |call: u64, issued| Ticket::new(&format!("c1.{:x}.{}.9.{issued}.xyz", stamp(call), stamp(1)));
        let claimed = |call, issued| fingerprint(EPOCH, None, &(CallId(stamp(2)), ticket(call, issued)));
        assert_eq!(claimed(2, 5), claimed(2, 6));
        assert_ne!(claimed(2, 5), claimed(3, 5));
    }

    #[test]
    fn messages_that_differ_are_told_apart() {
        let ended = |call, reason| ServerMessage::Ended { call: CallId(stamp(call)), reason };
        let one = fingerprint(EPOCH, None, &ended(1, hutong_protocol::EndReason::Gone));
        assert_eq!(one, fingerprint(EPOCH, None, &ended(2, hutong_protocol::EndReason::Gone)));
        assert_ne!(one, fingerprint(EPOCH, None, &ended(1, hutong_protocol::EndReason::Hangup)));
    }
}
