//! Search index of the users online: finds names, and words in names, by prefix.

use std::{cmp::Ordering, collections::BTreeSet};

use hutong_protocol::{NameKey, NameQuery, Token};

/// Ordered set of name suffixes, one for each position at which a search may begin in a name.
///
/// A search is a range scan: microseconds at 100,000 users. A name has at most 40 entries, so a scan reads at most 2,000
/// entries to find 50 users.
#[derive(Clone, Debug, Default)]
pub struct NameIndex(BTreeSet<IndexEntry>);

/// A name from one of its starts on. All entries of a name share its text.
#[derive(Clone, Debug)]
struct IndexEntry {
    name: NameKey,
    start: usize,
    token: Token,
}

impl NameIndex {
    /// Inserts a user under this name.
    pub fn insert(&mut self, token: Token, name: &NameKey) {
        self.0.extend(name.word_starts().map(|start| IndexEntry { name: name.clone(), start, token }));
    }

    /// Removes a user that was inserted under this name.
    pub fn remove(&mut self, token: Token, name: &NameKey) {
        for start in name.word_starts() {
            self.0.remove(&IndexEntry { name: name.clone(), start, token });
        }
    }

    /// The first `limit` users that the query matches, without `except`, ordered by the matching suffix.
    pub fn find(&self, query: &NameQuery, limit: usize, except: Token) -> Vec<Token> {
        let mut found = Vec::new();
        if query.is_empty() {
            return found;
        }
        let first = IndexEntry { name: query.as_key().clone(), start: 0, token: Token(0) };
        let entries = self.0.range(first..).take_while(|entry| entry.text().starts_with(query.as_str()));
        for IndexEntry { token, .. } in entries {
            if found.len() == limit {
                break;
            }
            if *token != except && !found.contains(token) {
                found.push(*token);
            }
        }
        found
    }
}

impl IndexEntry {
    fn text(&self) -> &str {
        self.name.as_str().get(self.start..).unwrap_or_default()
    }
}

impl Ord for IndexEntry {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |entry: &Self| (entry.token, entry.start);
        self.text().cmp(other.text()).then_with(|| key(self).cmp(&key(other)))
    }
}

impl PartialOrd for IndexEntry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for IndexEntry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for IndexEntry {}

#[cfg(test)]
mod tests {
    use hutong_protocol::Name;
    use proptest::prelude::*;

    use super::*;

    fn key(name: &str) -> NameKey {
        Name::new(name).unwrap().key()
    }

    #[test]
    fn results_are_ordered_by_match_and_list_each_user_once() {
        let mut index = NameIndex::default();
        for (token, name) in (1..).zip(["Li Ana", "Ana", "Ana Ana", "Anabel", "小明", "明 Ana"]) {
            index.insert(Token(token), &key(name));
        }
        let find = |typed: &str, except| -> Vec<u64> {
            index.find(&NameQuery::new(typed), 50, Token(except)).into_iter().map(|token| token.0).collect()
        };
        assert_eq!(find("ana", 0), [1, 2, 3, 6, 4]);
        assert_eq!(find("ana", 2), [1, 3, 6, 4]);
        assert_eq!(find("ANAB", 0), [4]);
        assert_eq!(find("明", 0), [5, 6]);
        assert_eq!(find("", 0), [0; 0]);
        assert_eq!(find("x", 0), [0; 0]);
        assert_eq!(index.find(&NameQuery::new("a"), 2, Token(0)).len(), 2);
    }

    proptest! {
        #[test]
        fn the_index_finds_exactly_the_names_that_match_the_query(
            names in prop::collection::vec("[aAb小明 -]{1,8}", 0..30),
            removed in prop::collection::vec(any::<bool>(), 30),
            typed in "[aAb小明 -]{0,4}",
        ) {
            let mut index = NameIndex::default();
            let named: Vec<_> = names.iter().filter_map(|name| Some(Name::new(name).ok()?.key())).collect();
            for (token, name) in (1..).zip(&named) {
                index.insert(Token(token), name);
            }
            let mut remaining = Vec::new();
            for ((token, name), is_removed) in (1..).zip(&named).zip(removed) {
                if is_removed {
                    index.remove(Token(token), name);
                } else {
                    remaining.push((Token(token), name));
                }
            }
            let query = NameQuery::new(&typed);
            let mut found = index.find(&query, usize::MAX, Token(0));
            found.sort_unstable();
            let expected: Vec<_> = remaining.iter().filter(|(_, name)| query.matches(name)).map(|(token, _)| *token).collect();
            prop_assert_eq!(found, expected);
            if remaining.is_empty() {
                prop_assert!(index.0.is_empty());
            }
        }
    }
}
