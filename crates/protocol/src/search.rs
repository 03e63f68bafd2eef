//! Name search. Client and server share the rule, so that a search gives the same result on either side.

use std::borrow::Borrow;

use unicode_normalization::UnicodeNormalization;

use crate::{NameKey, limits::MAX_NAME_CHARS, name::fold};

/// Search text in the form of a [`NameKey`]: NFKC, case-folded, single spaces, at most [`MAX_NAME_CHARS`] characters.
///
/// Any text is a valid query. It matches a name if the name, from the start of one of its words on, begins with the
/// query. In scripts without spaces between words, every character starts a word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameQuery(NameKey);

impl NameQuery {
    /// Normalizes the text that a person typed.
    #[must_use]
    pub fn new(typed: &str) -> Self {
        // Bounds the work below, as with names.
        let typed: String = typed.chars().take(MAX_NAME_CHARS * 4).filter(|c| !c.is_control()).collect();
        let folded = fold(&typed.nfkc().collect::<String>());
        let mut query = String::with_capacity(folded.len());
        for word in folded.split_whitespace() {
            if !query.is_empty() {
                query.push(' ');
            }
            query.push_str(word);
        }
        if let Some((end, _)) = query.char_indices().nth(MAX_NAME_CHARS) {
            query.truncate(end);
        }
        Self(NameKey(query.into()))
    }

    /// The query as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The query as a [`NameKey`], for range lookups in an ordered index. It need not be the key of a valid name.
    #[must_use]
    pub const fn as_key(&self) -> &NameKey {
        &self.0
    }

    /// Whether the query is empty. An empty query matches no name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }

    /// Whether the query matches the name.
    #[must_use]
    pub fn matches(&self, name: &NameKey) -> bool {
        !self.is_empty() && name.word_starts().any(|start| name.as_str()[start..].starts_with(self.as_str()))
    }
}

/// A query and its text have the same equality, order and hash.
impl Borrow<str> for NameQuery {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl NameKey {
    /// Byte offsets at which a query may match, in ascending order: the start, each word, and each character of scripts
    /// without spaces between words.
    pub fn word_starts(&self) -> impl Iterator<Item = usize> + '_ {
        let mut previous = PreviousChar::None;
        self.as_str().char_indices().filter_map(move |(at, c)| {
            let starts_word = match previous {
                PreviousChar::None => true,
                PreviousChar::Spaced => c.is_alphanumeric() && is_unspaced(c),
                PreviousChar::Unspaced | PreviousChar::Separator => c.is_alphanumeric(),
            };
            previous = match (c.is_alphanumeric(), is_unspaced(c)) {
                (true, true) => PreviousChar::Unspaced,
                (true, false) => PreviousChar::Spaced,
                (false, _) => PreviousChar::Separator,
            };
            starts_word.then_some(at)
        })
    }
}

/// Class of the preceding character in [`NameKey::word_starts`].
enum PreviousChar {
    /// There is none: start of the name.
    None,
    /// Letter or digit of a script with spaces between words.
    Spaced,
    /// Letter or digit of a script without spaces between words.
    Unspaced,
    /// Neither letter nor digit: space, hyphen, emoji.
    Separator,
}

/// Whether the character's script has no spaces between words: Han, kana, Hangul (a syllable each), Thai, Lao, Khmer,
/// Burmese and similar.
const fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1100}'..='\u{11FF}' | '\u{1780}'..='\u{17FF}'
        | '\u{2E80}'..='\u{2FDF}' | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{30FF}' | '\u{3105}'..='\u{318F}'
        | '\u{31A0}'..='\u{31FF}' | '\u{3400}'..='\u{9FFF}' | '\u{A960}'..='\u{A97F}' | '\u{AC00}'..='\u{D7FF}'
        | '\u{F900}'..='\u{FAFF}' | '\u{1AFF0}'..='\u{1B16F}' | '\u{20000}'..='\u{3FFFF}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Name;

    fn key(name: &str) -> NameKey {
        Name::new(name).unwrap().key()
    }

    #[test]
    fn a_query_matches_names_from_the_start_of_any_word() {
        for (query, name, matches) in [
            ("a", "Ana", true),
            ("ANA", "ana", true),
            ("na", "Ana", false),
            ("lu", "Ana Luisa", true),
            ("ana  lu", "Ana Luisa", true),
            ("luisa ana", "Ana Luisa", false),
            ("luc", "Jean-Luc", true),
            ("jean-l", "Jean-Luc", true),
            ("ean", "Jean-Luc", false),
            ("\u{ff21}n", "Ana", true),
            ("strass", "Straße", true),
            ("e\u{301}", "Émile", true),
            ("7", "user 7", true),
            ("明", "小明", true),
            ("小明", "小明", true),
            ("小红", "小明", false),
            ("たろ", "山田たろう", true),
            ("영", "김영희", true),
            ("小", "Ana小", true),
            ("ana", "小Ana", true),
            ("ana", "★Ana", true),
            ("★", "★Ana", true),
            ("", "Ana", false),
            (" \n", "Ana", false),
            ("a\u{0}n", "Ana", true),
        ] {
            assert_eq!(NameQuery::new(query).matches(&key(name)), matches, "{query:?} in {name:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_a_query_of_bounded_length(typed in any::<String>()) {
            let query = NameQuery::new(&typed);
            prop_assert!(query.as_str().chars().count() <= MAX_NAME_CHARS);
            prop_assert_eq!(NameQuery::new(query.as_str()).is_empty(), query.is_empty());
        }

        #[test]
        fn a_whole_name_matches_itself(typed in "[a-zA-ZäÉßжЖ 小明か영-]{1,40}") {
            if let Ok(name) = Name::new(&typed) {
                prop_assert!(NameQuery::new(name.as_str()).matches(&name.key()), "{typed:?}");
            }
        }
    }
}
