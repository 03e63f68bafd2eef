//! Everybody online, found by the beginning of a name or of a word in it.

use std::{cmp::Ordering, collections::BTreeSet};

use hutong_protocol::{NameKey, Query, Token};

/// One entry for each place at which a search may begin in a name, in the order of what follows there.
///
/// A search goes to its place among them in a few string comparisons for each level of the tree, and reads on from there: at 100,000
/// users that is some microseconds. A name has at most 40 entries, so the first 50 users are found among 2,000.
#[derive(Clone, Debug, Default)]
pub struct Index(BTreeSet<Entry>);

/// A name, from one of its starts on. All entries of a name share its text.
#[derive(Clone, Debug)]
struct Entry {
    name: NameKey,
    start: usize,
    token: Token,
}

impl Index {
    /// Puts a user in, under its name.
    pub fn insert(&mut self, token: Token, name: &NameKey) {
        self.0.extend(name.starts().map(|start| Entry { name: name.clone(), start, token }));
    }

    /// Takes a user out that was put in under this name.
    pub fn remove(&mut self, token: Token, name: &NameKey) {
        for start in name.starts() {
            self.0.remove(&Entry { name: name.clone(), start, token });
        }
    }

    /// The first `most` users that the query finds, in the order of what it found in their names, but for one.
    pub fn find(&self, query: &Query, most: usize, but: Token) -> Vec<Token> {
        let mut found = Vec::new();
        if query.is_empty() {
            return found;
        }
        let first = Entry { name: query.as_key().clone(), start: 0, token: Token(0) };
        let entries = self.0.range(first..).take_while(|entry| entry.text().starts_with(query.as_str()));
        for Entry { token, .. } in entries {
            if found.len() == most {
                break;
            }
            if *token != but && !found.contains(token) {
                found.push(*token);
            }
        }
        found
    }
}

impl Entry {
    fn text(&self) -> &str {
        self.name.as_str().get(self.start..).unwrap_or_default()
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |entry: &Self| (entry.token, entry.start);
        self.text().cmp(other.text()).then_with(|| key(self).cmp(&key(other)))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

#[cfg(test)]
mod tests {
    use hutong_protocol::Name;
    use proptest::prelude::*;

    use super::*;

    fn key(name: &str) -> NameKey {
        Name::new(name).unwrap().key()
    }

    #[test]
    fn the_best_matches_come_first_and_each_user_once() {
        let mut index = Index::default();
        for (token, name) in (1..).zip(["Li Ana", "Ana", "Ana Ana", "Anabel", "小明", "明 Ana"]) {
            index.insert(Token(token), &key(name));
        }
        let find = |typed: &str, but| -> Vec<u64> {
            index.find(&Query::new(typed), 50, Token(but)).into_iter().map(|token| token.0).collect()
        };
        assert_eq!(find("ana", 0), [1, 2, 3, 6, 4]);
        assert_eq!(find("ana", 2), [1, 3, 6, 4]);
        assert_eq!(find("ANAB", 0), [4]);
        assert_eq!(find("明", 0), [5, 6]);
        assert_eq!(find("", 0), [0; 0]);
        assert_eq!(find("x", 0), [0; 0]);
        assert_eq!(index.find(&Query::new("a"), 2, Token(0)).len(), 2);
    }

    proptest! {
        /// The index finds whom a look at every name would.
        #[test]
        fn an_index_finds_whom_the_query_finds(
            names in prop::collection::vec("[aAb小明 -]{1,8}", 0..30),
            leave in prop::collection::vec(any::<bool>(), 30),
            typed in "[aAb小明 -]{0,4}",
        ) {
            let mut index = Index::default();
            let named: Vec<_> = names.iter().filter_map(|name| Some(Name::new(name).ok()?.key())).collect();
            for (token, name) in (1..).zip(&named) {
                index.insert(Token(token), name);
            }
            let mut here = Vec::new();
            for ((token, name), leaves) in (1..).zip(&named).zip(leave) {
                if leaves {
                    index.remove(Token(token), name);
                } else {
                    here.push((Token(token), name));
                }
            }
            let query = Query::new(&typed);
            let mut found = index.find(&query, usize::MAX, Token(0));
            found.sort_unstable();
            let expected: Vec<_> = here.iter().filter(|(_, name)| query.finds(name)).map(|(token, _)| *token).collect();
            prop_assert_eq!(found, expected);
            if here.is_empty() {
                prop_assert!(index.0.is_empty());
            }
        }
    }
}
