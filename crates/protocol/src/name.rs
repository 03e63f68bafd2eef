//! User names: validation, normal form, and the key by which two names are compared.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::limits::MAX_NAME_CHARS;

/// A valid user name in its normal form: NFKC, trimmed, with each run of white space replaced by one space.
///
/// It may contain any visible character: display it as text, never as markup.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// Validates the text that a person typed, and normalizes it.
    ///
    /// # Errors
    ///
    /// [`NameError`] if the name is empty, longer than [`MAX_NAME_CHARS`], or has invisible or bidirectional
    /// characters.
    pub fn new(typed: &str) -> Result<Self, NameError> {
        // Bounds the work below: NFKC expands one character to at most 18.
        if typed.chars().nth(MAX_NAME_CHARS * 4).is_some() {
            return Err(NameError::TooLong);
        }
        if typed.chars().any(is_deceptive) {
            return Err(NameError::Character);
        }
        let normal: String = typed.nfkc().collect();
        let mut name = String::with_capacity(normal.len());
        for word in normal.split_whitespace() {
            if !name.is_empty() {
                name.push(' ');
            }
            name.push_str(word);
        }
        if name.chars().any(is_deceptive) {
            return Err(NameError::Character);
        }
        if name.is_empty() || fold(&name).is_empty() {
            return Err(NameError::Empty);
        }
        if name.chars().nth(MAX_NAME_CHARS).is_some() {
            return Err(NameError::TooLong);
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key that decides whether two names are the same.
    #[must_use]
    pub fn key(&self) -> NameKey {
        let folded = fold(&self.0);
        // Names in scripts without case equal their key: share the allocation.
        if *folded == *self.0 { NameKey(Arc::clone(&self.0)) } else { NameKey(folded.into()) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// Comparison key of a name: case-folded and without invisible characters, in effect Unicode `toNFKC_Casefold`.
///
/// Two names with the same key are the same name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameKey(pub(crate) Arc<str>);

impl NameKey {
    /// The key as text, for comparing, searching, signing and hashing. Never display it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Case-folds a name and removes its invisible characters.
pub(crate) fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let visible: String = name.chars().filter(|c| *c != EMOJI_VARIATION).collect();
    caseless::default_case_fold_str(&visible).nfkc().collect()
}

/// Variation selector 16, which requests the emoji form of a character. Invisible by itself.
const EMOJI_VARIATION: char = '\u{FE0F}';

/// Error: the text is not a valid name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing but white space.
    #[error("a name needs at least one visible character")]
    Empty,
    /// More than [`MAX_NAME_CHARS`] characters.
    #[error("a name has at most {MAX_NAME_CHARS} characters")]
    TooLong,
    /// A control, bidirectional or invisible character.
    #[error("a name has no control, bidirectional or invisible characters")]
    Character,
}

/// Whether a name must not contain the character, because two names could look alike by it.
///
/// These are characters that are invisible or change how others are displayed: controls, bidirectional marks and
/// overrides, zero-width characters, fillers (Unicode `Default_Ignorable_Code_Point`, general categories Cc, Co and
/// Cn's noncharacters).
///
/// [`EMOJI_VARIATION`] is allowed: emoji need it, and [`NameKey`] leaves it out. The zero-width joiner is not: on many
/// systems a name with it looks like the name without it.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0E}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}'
            | '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}')
        || (c as u32) & 0xFFFE == 0xFFFE
        || matches!(c, '\u{FDD0}'..='\u{FDEF}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_normalized() {
        let cases = [
            ("Ana", "Ana"),
            ("  Ana  Luisa ", "Ana Luisa"),
            ("小明", "小明"),
            ("\u{ff21}na", "Ana"),
            ("e\u{301}", "é"),
            ("<b>Bo</b>", "<b>Bo</b>"),
            ("👩‍", ""),
            ("❤\u{fe0f}", "❤\u{fe0f}"),
        ];
        for (typed, expected) in cases {
            match Name::new(typed) {
                Ok(name) => assert_eq!(name.as_str(), expected, "{typed:?}"),
                Err(error) => assert_eq!(expected, "", "{typed:?}: {error}"),
            }
        }
    }

    #[test]
    fn invalid_names_are_rejected() {
        let long = "字".repeat(MAX_NAME_CHARS + 1);
        let cases = [
            ("", NameError::Empty),
            (" \u{3000} ", NameError::Empty),
            ("a\nb", NameError::Character),
            ("a\u{0}", NameError::Character),
            ("\u{202e}ana", NameError::Character),
            ("an\u{200b}a", NameError::Character),
            ("\u{2066}a", NameError::Character),
            ("\u{3164}", NameError::Character),
            ("\u{e0041}", NameError::Character),
            ("\u{fe0f}", NameError::Empty),
            (&long, NameError::TooLong),
            ("\u{fdfa}\u{fdfa}\u{fdfa}", NameError::TooLong),
        ];
        for (typed, expected) in cases {
            assert_eq!(Name::new(typed), Err(expected), "{typed:?}");
        }
        assert!(Name::new(&"字".repeat(MAX_NAME_CHARS)).is_ok());
    }

    #[test]
    fn names_that_differ_in_case_width_or_invisible_characters_have_the_same_key() {
        let same = [
            ("Ana", "ANA"),
            ("Straße", "STRASSE"),
            ("\u{ff21}na", "ana"),
            ("ﬁn", "FIN"),
            ("Ana\u{fe0f}", "Ana"),
            ("A\u{fe0f}na", "ana"),
            ("❤\u{fe0f}", "❤"),
        ];
        for (one, other) in same {
            assert_eq!(Name::new(one).unwrap().key(), Name::new(other).unwrap().key(), "{one} {other}");
        }
        assert_ne!(Name::new("Ana").unwrap().key(), Name::new("Anna").unwrap().key());
    }

    proptest! {
        #[test]
        fn normalization_is_idempotent(typed in "\\PC{0,50}") {
            if let Ok(name) = Name::new(&typed) {
                prop_assert_eq!(Name::new(name.as_str()), Ok(name.clone()));
                prop_assert!(name.as_str().chars().count() <= MAX_NAME_CHARS);
                prop_assert!(!name.as_str().chars().any(is_deceptive));
            }
        }

        #[test]
        fn arbitrary_text_does_not_panic(typed in any::<String>()) {
            let _: Result<Name, NameError> = Name::new(&typed);
        }
    }
}
