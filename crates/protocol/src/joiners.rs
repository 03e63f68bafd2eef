//! Invisible characters that names need: zero-width joiners, variation selector 16, and the tags of flags.
//!
//! Each is kept where Unicode gives it a meaning, and removed everywhere else, where nobody would see it. Two names that
//! differ only in them are the same name.

use unicode_normalization::char::canonical_combining_class;

use crate::unicode_ranges::{JOINS_NEXT, JOINS_PREVIOUS, PICTOGRAPHIC, contains};

/// Zero-width non-joiner: separates letters that would join.
const ZWNJ: char = '\u{200C}';

/// Zero-width joiner: joins letters, and emoji into one.
const ZWJ: char = '\u{200D}';

/// Variation selector 16, which requests the emoji form of a character.
const EMOJI_VARIATION: char = '\u{FE0F}';

/// Combining enclosing keycap, which makes a digit an emoji.
const KEYCAP: char = '\u{20E3}';

/// The emoji with which each flag of a part of a country begins.
const BLACK_FLAG: char = '\u{1F3F4}';

/// The last tag of such a flag.
const CANCEL_TAG: char = '\u{E007F}';

/// The tags of all such flags that Unicode recommends (`RGI_Emoji_Tag_Sequence`): England, Scotland, Wales. Others would
/// look like a black flag.
const FLAG_TAGS: [&str; 3] = [
    "\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
    "\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}",
    "\u{E0067}\u{E0062}\u{E0077}\u{E006C}\u{E0073}\u{E007F}",
];

/// Whether the comparison of names ignores the character.
pub(crate) const fn is_ignored(c: char) -> bool {
    matches!(c, ZWNJ | ZWJ | EMOJI_VARIATION) || is_tag(c)
}

const fn is_tag(c: char) -> bool {
    matches!(c, '\u{E0020}'..=CANCEL_TAG)
}

/// Whether the text has tags that do not belong to a flag. They could hide any text.
pub(crate) fn has_stray_tags(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find(is_tag) {
        let (before, tags) = rest.split_at(at);
        let Some(flag) = FLAG_TAGS.iter().find(|flag| before.ends_with(BLACK_FLAG) && tags.starts_with(**flag)) else {
            return true;
        };
        rest = &tags[flag.len()..];
    }
    false
}

/// The text without the joiners and variation selectors that have no meaning where they are. It should be in NFKC; the
/// result may not be.
///
/// - ZWNJ is kept by rule A.1 of RFC 5892: after a virama, or between letters that would join.
/// - ZWJ is kept by rule A.2, after a virama; before the virama of a Bengali or Kannada *ra*, which the Unicode Standard
///   requires for conjuncts without a reph (sections 12.2 and 12.8); and between emoji (UTS 51). Which emoji make one
///   picture is not checked: fonts and Unicode versions differ.
/// - Variation selector 16 is kept after an emoji, and in a keycap.
pub(crate) fn remove_meaningless(text: &str) -> String {
    let mut kept = Kept { text: String::with_capacity(text.len()) };
    for (at, c) in text.char_indices() {
        let has_meaning = match c {
            ZWNJ | ZWJ | EMOJI_VARIATION => {
                let following = text[at..].chars().filter(|c| !matches!(*c, ZWNJ | ZWJ | EMOJI_VARIATION));
                kept.gives_meaning(c, following)
            }
            _ => true,
        };
        if has_meaning {
            kept.text.push(c);
        }
    }
    kept.text
}

/// The characters that [`remove_meaningless`] has kept so far.
struct Kept {
    text: String,
}

impl Kept {
    /// Whether the invisible character has a meaning behind the kept ones, before the next visible ones.
    fn gives_meaning(&self, c: char, mut following: impl Iterator<Item = char>) -> bool {
        let last = self.text.chars().next_back();
        let follows_virama = last.is_some_and(is_virama);
        match c {
            ZWNJ => {
                let before = self.text.chars().rev().find(|c| !is_transparent(*c));
                let separates = before.is_some_and(|c| contains(JOINS_NEXT, c))
                    && following.find(|c| !is_transparent(*c)).is_some_and(|c| contains(JOINS_PREVIOUS, c));
                follows_virama || separates
            }
            ZWJ => {
                let next = following.next();
                let is_before_virama =
                    matches!((last, next), (Some('\u{09B0}'), Some('\u{09CD}')) | (Some('\u{0CB0}'), Some('\u{0CCD}')));
                follows_virama || is_before_virama || (self.ends_with_emoji() && next.is_some_and(is_pictographic))
            }
            EMOJI_VARIATION => {
                let is_in_keycap = last.is_some_and(is_keycap_base) && following.next() == Some(KEYCAP);
                last.is_some_and(is_pictographic) || is_in_keycap
            }
            _ => true,
        }
    }

    /// Whether the last character is an emoji, perhaps with a variation selector or a skin tone.
    fn ends_with_emoji(&self) -> bool {
        let mut backwards = self.text.chars().rev();
        match backwards.next() {
            Some(c) if c == EMOJI_VARIATION || is_skin_tone(c) => backwards.next().is_some_and(is_pictographic),
            Some(c) => is_pictographic(c),
            None => false,
        }
    }
}

/// The characters of the text as a person sees them.
///
/// An emoji is one, however many characters it consists of, and a joiner belongs to the character before it. Letters and
/// their combining marks are separate.
pub fn seen_characters(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    core::iter::from_fn(move || {
        let (seen, after) = rest.split_at(seen_length(rest));
        rest = after;
        (!seen.is_empty()).then_some(seen)
    })
}

/// Length in bytes of the first of [`seen_characters`].
fn seen_length(text: &str) -> usize {
    let mut chars = Chars { rest: text };
    let first = chars.rest.chars().next();
    chars.skip(|_| true);
    if first.is_some_and(is_regional_indicator) {
        chars.skip(is_regional_indicator);
    } else if first.is_some_and(is_pictographic) {
        // Modifiers of this emoji, then the emoji that are joined to it.
        loop {
            while chars.skip(|c| is_skin_tone(c) || c == EMOJI_VARIATION || is_tag(c)) {}
            if !chars.skip(|c| c == ZWJ) || !chars.skip(is_pictographic) {
                break;
            }
        }
    } else if first.is_some_and(is_keycap_base) {
        chars.skip(|c| c == EMOJI_VARIATION);
        chars.skip(|c| c == KEYCAP);
    }
    while chars.skip(is_ignored) {}
    text.len() - chars.rest.len()
}

/// Reads a text from its start.
struct Chars<'a> {
    rest: &'a str,
}

impl Chars<'_> {
    /// Passes over the next character if it is such a one. Returns whether it was.
    fn skip(&mut self, is_such: impl Fn(char) -> bool) -> bool {
        let mut chars = self.rest.chars();
        let skips = chars.next().is_some_and(is_such);
        if skips {
            self.rest = chars.as_str();
        }
        skips
    }
}

/// Canonical combining class 9: signs that remove an Indic letter's vowel, and join it to the next letter.
fn is_virama(c: char) -> bool {
    canonical_combining_class(c) == 9
}

/// `Joining_Type` `T`, as far as such characters occur beside letters that join: vowel signs and other marks.
fn is_transparent(c: char) -> bool {
    canonical_combining_class(c) != 0 || matches!(c, '\u{70F}' | '\u{1885}' | '\u{1886}' | '\u{10EFC}' | '\u{1E94B}')
}

fn is_pictographic(c: char) -> bool {
    contains(PICTOGRAPHIC, c)
}

const fn is_keycap_base(c: char) -> bool {
    matches!(c, '0'..='9' | '#' | '*')
}

const fn is_skin_tone(c: char) -> bool {
    matches!(c, '\u{1F3FB}'..='\u{1F3FF}')
}

const fn is_regional_indicator(c: char) -> bool {
    matches!(c, '\u{1F1E6}'..='\u{1F1FF}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn joiners_are_kept_where_unicode_gives_them_a_meaning() {
        for text in [
            "می\u{200c}خواهم",
            "علی\u{200c}رضا",
            // With a vowel sign on either side.
            "مِ\u{200c}خ",
            "क्\u{200d}ष",
            "क्\u{200c}ष",
            // Old spelling of a final chillu.
            "സുനില്\u{200d}",
            "শ্রী",
            "র\u{200d}্যাচেল",
            "ರ\u{200d}್ಯಾ",
            "ශ්\u{200d}රී",
            "ලක්\u{200d}ෂ්මී",
            "👩\u{200d}💻",
            "🏳\u{fe0f}\u{200d}⚧\u{fe0f}",
            "👨\u{200d}👩\u{200d}👧\u{200d}👦",
            "👩🏽\u{200d}❤\u{fe0f}\u{200d}💋\u{200d}👨🏿",
            "❤\u{fe0f}",
            "1\u{fe0f}\u{20e3}",
        ] {
            assert_eq!(remove_meaningless(text), text, "{text:?}");
        }
    }

    #[test]
    fn joiners_and_selectors_without_meaning_are_removed() {
        for (text, expected) in [
            ("A\u{200d}na", "Ana"),
            ("A\u{200c}na", "Ana"),
            ("\u{200d}Ana\u{200c}", "Ana"),
            ("小\u{200d}明", "小明"),
            ("A\u{fe0f}na 7\u{fe0f}", "Ana 7"),
            ("\u{200c}می", "می"),
            ("می\u{200c}", "می"),
            ("می\u{200c} خواهم", "می خواهم"),
            // Reh does not join the next letter, so there is nothing to separate.
            ("ر\u{200c}ب", "رب"),
            ("ب\u{200d}ب", "بب"),
            ("می\u{200c}\u{200c}خواهم", "می\u{200c}خواهم"),
            ("می\u{200d}\u{200c}خواهم", "می\u{200c}خواهم"),
            ("می\u{200c}\u{200d}خواهم", "می\u{200c}خواهم"),
            ("क\u{200d}ष", "कष"),
            ("क्\u{200d}\u{200d}ष", "क्\u{200d}ष"),
            ("র\u{200d}ক", "রক"),
            ("👩\u{200d}\u{200d}💻", "👩\u{200d}💻"),
            ("👩\u{200d}", "👩"),
            ("👩\u{200d} 💻", "👩 💻"),
            ("👩\u{200d}a", "👩a"),
            ("👩\u{200c}💻", "👩💻"),
            ("❤\u{fe0f}\u{fe0f}", "❤\u{fe0f}"),
            ("1\u{200d}\u{20e3}", "1\u{20e3}"),
        ] {
            assert_eq!(remove_meaningless(text), expected, "{text:?}");
        }
    }

    #[test]
    fn tags_belong_to_flags_only() {
        for flag in FLAG_TAGS {
            assert!(!has_stray_tags(&format!("Ana {BLACK_FLAG}{flag}{BLACK_FLAG}{flag}!")));
            for stray in [
                flag.to_owned(),
                format!("🏁{flag}"),
                format!("{BLACK_FLAG}\u{fe0f}{flag}"),
                format!("{BLACK_FLAG}{flag}{flag}"),
                format!("{BLACK_FLAG}{flag}\u{e0067}"),
                format!("{BLACK_FLAG}{}", flag.trim_end_matches(CANCEL_TAG)),
            ] {
                assert!(has_stray_tags(&stray), "{stray:?}");
            }
        }
        assert!(has_stray_tags("🏴\u{e0075}\u{e0073}\u{e0074}\u{e0078}\u{e007f}"), "Texas");
        assert!(!has_stray_tags("🏴"));
    }

    #[test]
    fn an_emoji_is_one_seen_character() {
        for seen in [
            &["A", "n", "a"][..],
            &["小", "明"],
            &["👩\u{200d}💻"],
            &["🏳\u{fe0f}\u{200d}⚧\u{fe0f}", "!"],
            &["👨\u{200d}👩\u{200d}👧\u{200d}👦", "👋🏽"],
            &["🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}", "x"],
            &["🇨🇳", "🇸🇪"],
            &["🇨🇳", "🇸"],
            &["1\u{fe0f}\u{20e3}", "1"],
            &["👩", "💻"],
            &["م", "ی\u{200c}", "خ"],
            &["क", "्\u{200d}", "ष"],
            &[],
        ] {
            let text = seen.concat();
            assert_eq!(seen_characters(&text).collect::<Vec<_>>(), seen, "{text:?}");
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    #[test]
    fn marks_beside_letters_that_join_are_transparent() {
        use icu_properties::{
            CodePointMapData,
            props::{JoiningType, Script},
        };
        let (joining, script) = (CodePointMapData::<JoiningType>::new(), CodePointMapData::<Script>::new());
        let scripts: std::collections::BTreeSet<_> =
            ('\0'..=char::MAX).filter(|c| contains(JOINS_NEXT, *c)).map(|c| script.get(c)).collect();
        for c in '\0'..=char::MAX {
            let is_mark = joining.get(c) == JoiningType::Transparent;
            if is_mark && scripts.contains(&script.get(c)) && crate::name::is_permitted(c) {
                assert!(is_transparent(c), "{c:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn seen_characters_are_the_whole_text(text in any::<String>()) {
            prop_assert_eq!(seen_characters(&text).collect::<String>(), text);
        }
    }
}
