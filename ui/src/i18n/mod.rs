//! The interface's texts in two languages.
//!
//! Every language is a value of one struct, [`Texts`], and matches on every code of the protocol: a missing sentence is a
//! compile error.

mod chinese;
mod english;
mod texts;

pub use texts::Texts;
use yew::{hook, use_context};

use crate::dom;

/// `localStorage` key of the chosen language.
const LANGUAGE_KEY: &str = "hutong.language";

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
    /// All languages.
    #[cfg(test)]
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// The chosen language, or else the first supported one of the browser.
    pub fn current() -> Self {
        let stored = dom::local_storage().and_then(|storage| storage.get_item(LANGUAGE_KEY).ok().flatten());
        if let Some(language) = stored.as_deref().and_then(Self::of_tag) {
            return language;
        }
        let Some(window) = dom::window() else { return Self::default() };
        Self::preferred(window.navigator().languages().iter().filter_map(|tag| tag.as_string()))
    }

    /// The first supported language of a list of BCP 47 tags.
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

    /// The BCP 47 tag, for `lang` attributes and storage.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    /// The language's name in that language.
    pub fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "中文",
        }
    }

    /// The other language.
    pub fn other(self) -> Self {
        match self {
            Self::English => Self::Chinese,
            Self::Chinese => Self::English,
        }
    }

    /// Stores the choice.
    pub fn store(self) {
        if let Some(storage) = dom::local_storage() {
            storage.set_item(LANGUAGE_KEY, self.tag()).ok();
        }
    }

    /// Sets the page's `lang` attribute, for fonts, hyphenation and screen readers, and its title.
    pub fn apply_to_page(self) {
        let Some(document) = dom::window().and_then(|window| window.document()) else { return };
        if let Some(root) = document.document_element() {
            root.set_attribute("lang", self.tag()).ok();
        }
        document.set_title(self.texts().app_name);
    }

    /// The texts in this language.
    pub fn texts(self) -> &'static Texts {
        match self {
            Self::English => &english::TEXTS,
            Self::Chinese => &chinese::TEXTS,
        }
    }
}

/// The texts in the current language.
#[hook]
pub fn use_texts() -> &'static Texts {
    use_context::<Language>().unwrap_or_default().texts()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{CallPath, TransportProtocol};

    fn preferred(tags: &[&str]) -> Language {
        Language::preferred(tags.iter().map(|&tag| tag.to_owned()))
    }

    #[test]
    fn the_first_supported_language_of_the_browser_is_preferred() {
        assert_eq!(preferred(&["zh-CN", "en"]), Language::Chinese);
        assert_eq!(preferred(&["fr", "zh-Hant-TW", "en"]), Language::Chinese);
        assert_eq!(preferred(&["en-GB", "zh"]), Language::English);
        assert_eq!(preferred(&["fr"]), Language::English);
        assert_eq!(preferred(&[]), Language::English);
    }

    #[test]
    fn a_stored_tag_is_parsed_again() {
        for language in Language::ALL {
            assert_eq!(Language::of_tag(language.tag()), Some(language));
        }
    }

    #[test]
    fn the_path_of_a_call_is_named_in_both_languages() {
        for (path, in_english, in_chinese) in [
            (CallPath::Direct(None), "Direct", "直连"),
            (CallPath::Direct(Some(TransportProtocol::Udp)), "Direct, over UDP", "直连（UDP）"),
            (CallPath::Relayed(None), "Relayed", "中继"),
            (CallPath::Relayed(Some(TransportProtocol::Tcp)), "Relayed, over TCP", "中继（TCP）"),
            (CallPath::Relayed(Some(TransportProtocol::Tls)), "Relayed, over TLS", "中继（TLS）"),
            (CallPath::RelayedByOtherSide, "Relayed by the other side", "经对方的中继"),
        ] {
            assert_eq!((english::TEXTS.call_path)(path), in_english);
            assert_eq!((chinese::TEXTS.call_path)(path), in_chinese);
        }
    }
}
