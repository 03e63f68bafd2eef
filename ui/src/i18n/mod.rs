//! What the interface says, in the person's language.
//!
//! Every language is a value of one struct, [`Texts`], so a sentence that is missing in one of them does not compile; and a
//! code of the protocol that has no sentence does not either, since each language matches on all of them.

mod chinese;
mod english;
mod texts;

pub use texts::Texts;
use yew::{hook, use_context};

use crate::dom;

/// Where the choice is remembered.
const REMEMBERED: &str = "hutong.language";

/// A language of the interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Simplified Chinese.
    Chinese,
}

impl Language {
    /// All of them.
    #[cfg(test)]
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// What the person chose, or else what the browser prefers.
    pub fn of_this_person() -> Self {
        let remembered = dom::local_storage().and_then(|storage| storage.get_item(REMEMBERED).ok().flatten());
        if let Some(language) = remembered.as_deref().and_then(Self::of_tag) {
            return language;
        }
        let Some(window) = dom::window() else { return Self::default() };
        Self::preferred(window.navigator().languages().iter().filter_map(|tag| tag.as_string()))
    }

    /// The first language of a list of tags (BCP 47) that there is.
    fn preferred(tags: impl Iterator<Item = String>) -> Self {
        tags.into_iter().find_map(|tag| Self::of_tag(&tag)).unwrap_or_default()
    }

    fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or(tag);
        if primary.eq_ignore_ascii_case("zh") {
            Some(Self::Chinese)
        } else if primary.eq_ignore_ascii_case("en") {
            Some(Self::English)
        } else {
            None
        }
    }

    /// The tag for `lang` attributes.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    /// What it is called in itself.
    pub fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "中文",
        }
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::English => Self::Chinese,
            Self::Chinese => Self::English,
        }
    }

    /// Remembers the choice.
    pub fn remember(self) {
        if let Some(storage) = dom::local_storage() {
            storage.set_item(REMEMBERED, self.tag()).ok();
        }
    }

    /// Tells the page, so that fonts, hyphenation and screen readers follow.
    pub fn mark_page(self) {
        let Some(document) = dom::window().and_then(|window| window.document()) else { return };
        if let Some(root) = document.document_element() {
            root.set_attribute("lang", self.tag()).ok();
        }
        document.set_title(self.texts().hutong);
    }

    /// What is said in it.
    pub fn texts(self) -> &'static Texts {
        match self {
            Self::English => &english::TEXTS,
            Self::Chinese => &chinese::TEXTS,
        }
    }
}

/// What to say, in the language that is on.
#[hook]
pub fn use_texts() -> &'static Texts {
    use_context::<Language>().unwrap_or_default().texts()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preferred(tags: &[&str]) -> Language {
        Language::preferred(tags.iter().map(|&tag| tag.to_owned()))
    }

    #[test]
    fn the_browsers_first_language_that_there_is_wins() {
        assert_eq!(preferred(&["zh-CN", "en"]), Language::Chinese);
        assert_eq!(preferred(&["fr", "zh-Hant-TW", "en"]), Language::Chinese);
        assert_eq!(preferred(&["en-GB", "zh"]), Language::English);
        assert_eq!(preferred(&["fr"]), Language::English);
        assert_eq!(preferred(&[]), Language::English);
    }

    #[test]
    fn a_remembered_tag_is_read_again() {
        for language in Language::ALL {
            assert_eq!(Language::of_tag(language.tag()), Some(language));
        }
    }
}
