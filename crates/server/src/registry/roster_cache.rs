//! Cache of the whole roster as JSON, updated user by user, so that a login on a busy server only copies encoded bytes.

use std::collections::HashMap;

use hutong_protocol::{Token, User, UserState};

/// The JSON of all users online, one after the other, each with a comma before it.
///
/// A user's entry stays in place while the user's state changes: a shorter state is padded with spaces, as JSON allows
/// (RFC 8259, section 2). The entry of a removed user is overwritten with spaces.
#[derive(Clone, Debug, Default)]
pub struct RosterCache {
    text: Vec<u8>,
    entries: HashMap<Token, ByteSpan>,
    /// Bytes of removed entries.
    unused: usize,
}

/// Where an entry lies in the cache's text.
#[derive(Clone, Copy, Debug)]
struct ByteSpan {
    start: usize,
    end: usize,
}

impl RosterCache {
    /// Inserts a user or updates its entry.
    pub fn upsert(&mut self, user: &User) {
        let mut entry = vec![b','];
        encode_user(user, &mut entry);
        if let Some(span) = self.entries.get(&user.token).copied() {
            if entry.len() <= span.end - span.start {
                entry.resize(span.end - span.start, b' ');
                self.text[span.start..span.end].copy_from_slice(&entry);
                return;
            }
            // The user has a longer name now.
            self.remove(user.token);
        }
        let start = self.text.len();
        let written = entry.len();
        self.text.append(&mut entry);
        encode_user(&User { state: LONGEST_STATE, ..user.clone() }, &mut entry);
        self.text.resize(start + written.max(entry.len() + 1), b' ');
        self.entries.insert(user.token, ByteSpan { start, end: self.text.len() });
    }

    /// Removes a user's entry, if there is one.
    pub fn remove(&mut self, token: Token) {
        let Some(span) = self.entries.remove(&token) else { return };
        self.text[span.start..span.end].fill(b' ');
        self.unused += span.end - span.start;
        if self.unused * 2 > self.text.len() {
            self.compact();
        }
    }

    /// Writes all entries except this user's as the elements of a JSON array.
    pub fn write_except(&self, token: Token, out: &mut Vec<u8>) {
        let start = out.len();
        let (left, right) = match self.entries.get(&token) {
            Some(span) => (&self.text[..span.start], &self.text[span.end..]),
            None => (&self.text[..], &[][..]),
        };
        out.reserve(left.len() + right.len());
        out.extend_from_slice(left);
        out.extend_from_slice(right);
        if let Some(comma) = out[start..].iter().position(|byte| *byte == b',') {
            out[start + comma] = b' ';
        }
    }

    /// Upper bound of the bytes that [`write_except`](Self::write_except) writes.
    pub const fn len(&self) -> usize {
        self.text.len()
    }

    fn compact(&mut self) {
        let mut spans: Vec<_> = self.entries.values_mut().collect();
        spans.sort_unstable_by_key(|span| span.start);
        let mut end = 0;
        for span in spans {
            let length = span.end - span.start;
            self.text.copy_within(span.start..span.end, end);
            *span = ByteSpan { start: end, end: end + length };
            end += length;
        }
        self.text.truncate(end);
        self.text.shrink_to(end * 2);
        self.unused = 0;
    }
}

/// The state with the longest name: an entry has room for it.
const LONGEST_STATE: UserState = UserState::Connecting;

/// Writes a user as JSON.
pub fn encode_user(user: &User, out: &mut Vec<u8>) {
    // Writing to memory does not fail, and every field of a user can be represented in JSON.
    let written: Result<(), serde_json::Error> = serde_json::to_writer(out, user);
    debug_assert!(written.is_ok(), "{written:?}");
}

#[cfg(test)]
mod tests {
    use hutong_protocol::Name;
    use proptest::prelude::*;

    use super::*;

    fn user(token: u64, name: &str, state: UserState) -> User {
        User { token: Token(token), name: Name::new(name).unwrap(), state }
    }

    fn read(cache: &RosterCache, except: u64) -> Vec<User> {
        let mut text = vec![b'['];
        cache.write_except(Token(except), &mut text);
        text.push(b']');
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&text)))
    }

    #[test]
    fn no_state_is_longer_than_the_longest_state() {
        let length = |state| serde_json::to_string(&state).unwrap().len();
        assert!(UserState::ALL.into_iter().all(|state| length(state) <= length(LONGEST_STATE)));
    }

    proptest! {
        #[test]
        fn the_cache_equals_a_list_of_the_users(
            updates in prop::collection::vec((1_u64..9, 0_usize..7, prop::sample::select(vec!["Ana", "小\"明", "\\", "B ,{}"])), 0..120),
        ) {
            let mut cache = RosterCache::default();
            let mut expected = std::collections::BTreeMap::new();
            for (token, update, name) in updates {
                match UserState::ALL.get(update) {
                    Some(state) => {
                        let user = user(token, name, *state);
                        cache.upsert(&user);
                        expected.insert(token, user);
                    }
                    None => {
                        cache.remove(Token(token));
                        expected.remove(&token);
                    }
                }
                for except in [0, 1, 5] {
                    let mut written = read(&cache, except);
                    written.sort_by_key(|user| user.token);
                    let others: Vec<_> = expected.values().filter(|user| user.token.0 != except).cloned().collect();
                    prop_assert_eq!(written, others);
                }
                prop_assert!(cache.unused * 2 <= cache.text.len());
            }
        }
    }
}
