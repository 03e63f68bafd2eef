//! User names: validation, normal form, and the key by which two names are compared.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::{
    joiners,
    limits::{MAX_NAME_BYTES, MAX_NAME_CHARS},
};

/// A valid user name in its normal form: NFKC, trimmed, with each run of white space replaced by one space, and without
/// joiners that have no meaning where they are ([`joiners`]).
///
/// It may contain any visible character: display it as text, never as markup.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// Validates the text that a person typed, and normalizes it.
    ///
    /// # Errors
    ///
    /// [`NameError`] if the name is empty, longer than [`MAX_NAME_CHARS`] or [`MAX_NAME_BYTES`], or has invisible or
    /// bidirectional characters.
    pub fn new(typed: &str) -> Result<Self, NameError> {
        // Bounds the work below: NFKC expands one character to at most 18.
        if typed.chars().nth(MAX_NAME_CHARS * 4).is_some() {
            return Err(NameError::TooLong);
        }
        if !is_honest(typed) {
            return Err(NameError::Character);
        }
        let name = normalize(typed).ok_or(NameError::Character)?;
        if !is_honest(&name) {
            return Err(NameError::Character);
        }
        if name.is_empty() || fold(&name).is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > MAX_NAME_BYTES || joiners::seen_characters(&name).count() > MAX_NAME_CHARS {
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

/// The normal form of a typed name. `None` if it is not stable after [`MAX_PASSES`], as no real name is.
fn normalize(typed: &str) -> Option<String> {
    let mut name: String = typed.nfkc().collect();
    for _ in 0..MAX_PASSES {
        // Without a joiner, its neighbours may compose, and what they become may give the next joiner no meaning.
        let kept: String = joiners::remove_meaningless(&name).nfkc().collect();
        let mut spaced = String::with_capacity(kept.len());
        for word in kept.split_whitespace() {
            if !spaced.is_empty() {
                spaced.push(' ');
            }
            spaced.push_str(word);
        }
        if spaced == name {
            return Some(name);
        }
        name = spaced;
    }
    None
}

/// Passes of [`normalize`]. The last one only confirms that nothing changes any more.
const MAX_PASSES: usize = 5;

/// Case-folds a name and removes its invisible characters.
pub(crate) fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    if !name.contains(joiners::is_ignored) {
        return caseless::default_case_fold_str(name).nfkc().collect();
    }
    // What was beside an invisible character may compose.
    let visible: String = name.chars().filter(|c| !joiners::is_ignored(*c)).nfkc().collect();
    caseless::default_case_fold_str(&visible).nfkc().collect()
}

/// Error: the text is not a valid name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing but white space.
    #[error("a name needs at least one visible character")]
    Empty,
    /// More than [`MAX_NAME_CHARS`] characters or [`MAX_NAME_BYTES`].
    #[error("a name has at most {MAX_NAME_CHARS} characters and {MAX_NAME_BYTES} bytes")]
    TooLong,
    /// A control, bidirectional or invisible character.
    #[error("a name has no control, bidirectional or invisible characters")]
    Character,
}

/// Whether the text shows all that it has, so that two names do not look alike by what is invisible.
fn is_honest(text: &str) -> bool {
    text.chars().all(is_permitted) && !joiners::has_stray_tags(text)
}

/// Whether a name may contain the character.
///
/// Not permitted are characters that are invisible or change how others are displayed: controls, bidirectional marks and
/// overrides, zero-width characters, fillers (Unicode `Default_Ignorable_Code_Point`, general categories Cc, Co and
/// Cn's noncharacters). Those that real names need have rules of their own, in [`joiners`].
pub(crate) fn is_permitted(c: char) -> bool {
    let is_deceptive = c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}' | '\u{200E}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0E}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}' | '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}')
        || (c as u32) & 0xFFFE == 0xFFFE
        || matches!(c, '\u{FDD0}'..='\u{FDEF}');
    !is_deceptive || joiners::is_ignored(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCOTLAND: &str = "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}";

    #[test]
    fn names_are_normalized() {
        let cases = [
            ("Ana", "Ana"),
            ("  Ana  Luisa ", "Ana Luisa"),
            ("小明", "小明"),
            ("\u{ff21}na", "Ana"),
            ("e\u{301}", "é"),
            ("<b>Bo</b>", "<b>Bo</b>"),
            ("👩\u{200d}", "👩"),
            ("👩\u{200d}💻", "👩\u{200d}💻"),
            ("🏳\u{fe0f}\u{200d}⚧\u{fe0f}", "🏳\u{fe0f}\u{200d}⚧\u{fe0f}"),
            ("👨\u{200d}👩\u{200d}👧\u{200d}👦", "👨\u{200d}👩\u{200d}👧\u{200d}👦"),
            (SCOTLAND, SCOTLAND),
            ("می\u{200c}خواهم", "می\u{200c}خواهم"),
            ("क्\u{200d}ष", "क्\u{200d}ष"),
            ("ශ්\u{200d}රී", "ශ්\u{200d}රී"),
            ("സുനില്\u{200d}", "സുനില്\u{200d}"),
            ("র\u{200d}্যাচেল", "র\u{200d}্যাচেল"),
            ("A\u{200d}na", "Ana"),
            ("\u{200c}Ana\u{200d} \u{200d} Luisa", "Ana Luisa"),
            // Without the joiner, the letters compose.
            ("e\u{200d}\u{301}", "é"),
            ("\u{dd9}\u{200d}\u{dca}\u{200d}", "\u{dda}"),
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
            ("🏴\u{e0041}", NameError::Character),
            ("Ana\u{e0100}", NameError::Character),
            ("\u{200d}\u{200c}", NameError::Empty),
            ("👩\u{200b}💻", NameError::Character),
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
    fn an_emoji_counts_as_one_character_and_bytes_are_limited_too() {
        let coder = "👩\u{200d}💻";
        assert_eq!(coder.len(), 11);
        assert!(Name::new(&format!("{}{}", "n".repeat(MAX_NAME_CHARS - 1), coder)).is_ok());
        assert_eq!(Name::new(&format!("{}{}", "n".repeat(MAX_NAME_CHARS), coder)), Err(NameError::TooLong));
        assert!(Name::new(&coder.repeat(MAX_NAME_BYTES / 11)).is_ok());
        assert_eq!(Name::new(&coder.repeat(MAX_NAME_BYTES / 11 + 1)), Err(NameError::TooLong));
        assert!(Name::new(&"👋".repeat(MAX_NAME_CHARS)).is_ok());
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
            ("👩\u{200d}💻", "👩💻"),
            ("🏳\u{fe0f}\u{200d}⚧\u{fe0f}", "🏳⚧"),
            (SCOTLAND, "🏴"),
            ("می\u{200c}خواهم", "میخواهم"),
            ("क्\u{200d}ष", "क्ष"),
            ("A\u{200d}na", "ana"),
        ];
        for (one, other) in same {
            assert_eq!(Name::new(one).unwrap().key(), Name::new(other).unwrap().key(), "{one} {other}");
        }
        assert_ne!(Name::new("Ana").unwrap().key(), Name::new("Anna").unwrap().key());
    }

    /// Text in which joiners often meet what gives them a meaning.
    fn joined_text() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just("\u{200c}"),
            Just("\u{200d}"),
            Just("\u{fe0f}"),
            Just("👩"),
            Just("💻"),
            Just("❤"),
            Just("🏽"),
            Just("🇨"),
            Just(SCOTLAND),
            Just("1"),
            Just("\u{20e3}"),
            Just("ی"),
            Just("خ"),
            Just("ر"),
            Just("\u{650}"),
            Just("क"),
            Just("\u{94d}"),
            Just("র"),
            Just("\u{9cd}"),
            Just("\u{dd9}"),
            Just("\u{dca}"),
            Just("e"),
            Just("\u{301}"),
            Just("\u{345}"),
            Just("ß"),
            Just("ΐ"),
            Just(" "),
            Just("ﷺ"),
        ];
        prop::collection::vec(part, 0..20).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn normalization_is_idempotent(typed in prop_oneof!["\\PC{0,50}".boxed(), joined_text().boxed()]) {
            if let Ok(name) = Name::new(&typed) {
                prop_assert_eq!(Name::new(name.as_str()), Ok(name.clone()));
                prop_assert!(joiners::seen_characters(name.as_str()).count() <= MAX_NAME_CHARS);
                prop_assert!(name.as_str().len() <= MAX_NAME_BYTES);
                prop_assert!(is_honest(name.as_str()));
            }
        }

        #[test]
        fn invisible_characters_do_not_make_another_name(typed in joined_text()) {
            let visible: String = typed.chars().filter(|c| !joiners::is_ignored(*c)).collect();
            if let (Ok(name), Ok(plain)) = (Name::new(&typed), Name::new(&visible)) {
                prop_assert_eq!(name.key(), plain.key());
                let visible: String = name.as_str().chars().filter(|c| !joiners::is_ignored(*c)).collect();
                prop_assert_eq!(Name::new(&visible).map(|name| name.key()), Ok(plain.key()));
                prop_assert!(!name.key().as_str().contains(joiners::is_ignored));
            }
        }

        #[test]
        fn arbitrary_text_does_not_panic(typed in any::<String>()) {
            let _: Result<Name, NameError> = Name::new(&typed);
        }
    }
}
