//! Which names a search finds. Client and server go by the same rule: a person sees no difference between a list that is searched
//! here and one that is searched there.

use std::borrow::Borrow;

use unicode_normalization::UnicodeNormalization;

use crate::{NameKey, limits::NAME_CHARS, name::fold};

/// What a person typed into the search field, brought into the form of a [`NameKey`]: NFKC, case folded, single spaces, at most
/// [`NAME_CHARS`] characters. Any text is one.
///
/// It finds a name that begins with it, or a word of which, with what follows, begins with it. In scripts that are written without
/// spaces between words every character begins one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Query(NameKey);

impl Query {
    /// The query of what was typed.
    #[must_use]
    pub fn new(typed: &str) -> Self {
        // Bounds the work below, as with names.
        let typed: String = typed.chars().take(NAME_CHARS * 4).filter(|c| !c.is_control()).collect();
        let folded = fold(&typed.nfkc().collect::<String>());
        let mut query = String::with_capacity(folded.len());
        for word in folded.split_whitespace() {
            if !query.is_empty() {
                query.push(' ');
            }
            query.push_str(word);
        }
        if let Some((end, _)) = query.char_indices().nth(NAME_CHARS) {
            query.truncate(end);
        }
        Self(NameKey(query.into()))
    }

    /// The query as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The query as the key of a name that reads so, though it may be no name: for looking it up among keys.
    #[must_use]
    pub const fn as_key(&self) -> &NameKey {
        &self.0
    }

    /// Whether nothing is searched for. It finds nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }

    /// Whether it finds this name.
    #[must_use]
    pub fn finds(&self, name: &NameKey) -> bool {
        !self.is_empty() && name.starts().any(|start| name.as_str()[start..].starts_with(self.as_str()))
    }
}

/// As text: both are equal, ordered and hashed alike.
impl Borrow<str> for Query {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl NameKey {
    /// Where a search may begin in it: at its beginning, at each word, and, where words are written without spaces between them, at
    /// each character. In bytes, ascending.
    pub fn starts(&self) -> impl Iterator<Item = usize> + '_ {
        let mut before = Before::Nothing;
        self.as_str().char_indices().filter_map(move |(at, c)| {
            let begins = match before {
                Before::Nothing => true,
                Before::Word => c.is_alphanumeric() && is_unspaced(c),
                Before::Unspaced | Before::Between => c.is_alphanumeric(),
            };
            before = match (c.is_alphanumeric(), is_unspaced(c)) {
                (true, true) => Before::Unspaced,
                (true, false) => Before::Word,
                (false, _) => Before::Between,
            };
            begins.then_some(at)
        })
    }
}

/// What stands before a character.
enum Before {
    /// The beginning.
    Nothing,
    /// A letter or digit of a script that has spaces between words.
    Word,
    /// A character of a script that has none.
    Unspaced,
    /// A space, a hyphen, a picture.
    Between,
}

/// Whether a character's script is written without spaces between words: Han, kana, Hangul (where each character is a syllable),
/// Thai, Lao, Khmer, Burmese and the like.
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
    fn names_are_found_by_the_beginning_of_any_word() {
        for (query, name, found) in [
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
            assert_eq!(Query::new(query).finds(&key(name)), found, "{query:?} in {name:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_query_of_bounded_length(typed in any::<String>()) {
            let query = Query::new(&typed);
            prop_assert!(query.as_str().chars().count() <= NAME_CHARS);
            prop_assert_eq!(Query::new(query.as_str()).is_empty(), query.is_empty());
        }

        #[test]
        fn whoever_types_a_whole_name_finds_it(typed in "[a-zA-ZäÉßжЖ 小明か영-]{1,40}") {
            if let Ok(name) = Name::new(&typed) {
                prop_assert!(Query::new(name.as_str()).finds(&name.key()), "{typed:?}");
            }
        }
    }
}
