//! Everybody online as it stands in a roster on the wire, kept up to date user by user: so that a login among thousands costs the
//! copying of what was encoded already.

use std::collections::HashMap;

use hutong_protocol::{Token, User, UserState};

/// The entries of everybody, one after the other, each with a comma before it. An entry keeps its place while its user changes
/// states: what a shorter state leaves free is filled with spaces, as JSON allows (RFC 8259, section 2), and so is the place of
/// somebody who has left.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    text: Vec<u8>,
    places: HashMap<Token, Place>,
    /// Bytes of places that are nobody's.
    free: usize,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    end: usize,
}

impl Sheet {
    /// Puts a user in, or brings the entry up to date.
    pub fn put(&mut self, user: &User) {
        let mut entry = vec![b','];
        encode(user, &mut entry);
        if let Some(place) = self.places.get(&user.token).copied() {
            if entry.len() <= place.end - place.start {
                entry.resize(place.end - place.start, b' ');
                self.text[place.start..place.end].copy_from_slice(&entry);
                return;
            }
            // The name has changed.
            self.remove(user.token);
        }
        let start = self.text.len();
        let written = entry.len();
        self.text.append(&mut entry);
        encode(&User { state: LONGEST, ..user.clone() }, &mut entry);
        self.text.resize(start + written.max(entry.len() + 1), b' ');
        self.places.insert(user.token, Place { start, end: self.text.len() });
    }

    /// Takes a user out, if it is there.
    pub fn remove(&mut self, token: Token) {
        let Some(place) = self.places.remove(&token) else { return };
        self.text[place.start..place.end].fill(b' ');
        self.free += place.end - place.start;
        if self.free * 2 > self.text.len() {
            self.close_gaps();
        }
    }

    /// Writes the inside of a JSON array: everybody's entry but this user's.
    pub fn write_without(&self, token: Token, out: &mut Vec<u8>) {
        let start = out.len();
        let (left, right) = match self.places.get(&token) {
            Some(place) => (&self.text[..place.start], &self.text[place.end..]),
            None => (&self.text[..], &[][..]),
        };
        out.reserve(left.len() + right.len());
        out.extend_from_slice(left);
        out.extend_from_slice(right);
        if let Some(comma) = out[start..].iter().position(|byte| *byte == b',') {
            out[start + comma] = b' ';
        }
    }

    /// How many bytes [`write_without`](Self::write_without) writes at most.
    pub const fn len(&self) -> usize {
        self.text.len()
    }

    fn close_gaps(&mut self) {
        let mut places: Vec<_> = self.places.iter_mut().map(|(_, place)| place).collect();
        places.sort_unstable_by_key(|place| place.start);
        let mut end = 0;
        for place in places {
            let length = place.end - place.start;
            self.text.copy_within(place.start..place.end, end);
            *place = Place { start: end, end: end + length };
            end += length;
        }
        self.text.truncate(end);
        self.text.shrink_to(end * 2);
        self.free = 0;
    }
}

/// The state whose name takes the most room.
const LONGEST: UserState = UserState::Connecting;

/// Writes a user as JSON.
pub fn encode(user: &User, out: &mut Vec<u8>) {
    // Writing into memory does not fail, and a user has nothing that JSON cannot say.
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

    fn read(sheet: &Sheet, without: u64) -> Vec<User> {
        let mut text = vec![b'['];
        sheet.write_without(Token(without), &mut text);
        text.push(b']');
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&text)))
    }

    #[test]
    fn no_state_takes_more_room_than_the_longest() {
        let length = |state| serde_json::to_string(&state).unwrap().len();
        assert!(UserState::ALL.into_iter().all(|state| length(state) <= length(LONGEST)));
    }

    proptest! {
        /// Whoever comes, goes and changes: the sheet says what a list of them would.
        #[test]
        fn a_sheet_says_what_was_put_in(
            acts in prop::collection::vec((1_u64..9, 0_usize..7, prop::sample::select(vec!["Ana", "小\"明", "\\", "B ,{}"])), 0..120),
        ) {
            let mut sheet = Sheet::default();
            let mut truth = std::collections::BTreeMap::new();
            for (token, act, name) in acts {
                match UserState::ALL.get(act) {
                    Some(state) => {
                        let user = user(token, name, *state);
                        sheet.put(&user);
                        truth.insert(token, user);
                    }
                    None => {
                        sheet.remove(Token(token));
                        truth.remove(&token);
                    }
                }
                for without in [0, 1, 5] {
                    let mut said = read(&sheet, without);
                    said.sort_by_key(|user| user.token);
                    let others: Vec<_> = truth.values().filter(|user| user.token.0 != without).cloned().collect();
                    prop_assert_eq!(said, others);
                }
                prop_assert!(sheet.free * 2 <= sheet.text.len());
            }
        }
    }
}
