//! The set of users that one client knows to be online.

use crate::{roster_scan::for_each_user, worker_state::TrafficCounts};

/// The users that one client knows to be online, as a bit set over client numbers.
#[derive(Debug)]
pub struct KnownUsers {
    me: u32,
    users: Vec<u64>,
}

impl KnownUsers {
    /// An empty set for this number of clients.
    #[must_use]
    pub fn new(me: u32, total_clients: u32) -> Self {
        Self { me, users: vec![0; total_clients.div_ceil(64) as usize] }
    }

    /// Applies a presence message, in any protocol.
    pub fn apply_changes(&mut self, text: &str, counts: &mut TrafficCounts) {
        counts.presence += 1;
        counts.entries += self.apply(text, counts);
    }

    /// Applies a roster message that replaces the whole set.
    pub fn replace_all(&mut self, text: &str, counts: &mut TrafficCounts) {
        self.clear(counts);
        self.apply_changes(text, counts);
    }

    /// Applies all users in a message and returns their number.
    pub fn apply(&mut self, text: &str, counts: &mut TrafficCounts) -> u64 {
        let mut updates = 0;
        for_each_user(text, |number, is_online| {
            updates += 1;
            if number == self.me {
                return;
            }
            let Some(word) = self.users.get_mut(number as usize / 64) else { return };
            let bit = 1 << (number % 64);
            match (is_online, *word & bit != 0) {
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
        updates
    }

    /// Clears the set, when the client is disconnected or logged out.
    pub fn clear(&mut self, counts: &mut TrafficCounts) {
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
    fn known_users_are_counted_once_and_without_the_client_itself() {
        let mut counts = TrafficCounts::default();
        let mut known = KnownUsers::new(1, 70);
        let updates = known.apply(r#"[{"name":"u1","state":"online"},{"name":"u69","state":"in_call"}]"#, &mut counts);
        known.apply_changes(r#"{"name":"u69","state":"online"}"#, &mut counts);
        known.apply_changes(r#"{"name":"u700","state":"online"}"#, &mut counts);
        assert_eq!((updates, counts.known, counts.entries, counts.presence), (2, 1, 2, 2));
        known.apply_changes(r#"{"name":"u69","state":"offline"}"#, &mut counts);
        known.apply_changes(r#"{"name":"u2","state":"online"}"#, &mut counts);
        known.replace_all(r#"{"users":[{"name":"u3","state":"online"}]}"#, &mut counts);
        assert_eq!(counts.known, 1);
        known.clear(&mut counts);
        assert_eq!(counts.known, 0);
    }
}
