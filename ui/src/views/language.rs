//! The switch between the two languages.

use yew::{Callback, Html, Properties, component, html, use_context};

use super::icons;
use crate::i18n::Language;

/// Properties of [`LanguageSwitch`].
#[derive(PartialEq, Properties)]
pub struct LanguageSwitchProps {
    /// Where the choice goes.
    pub choose: Callback<Language>,
}

/// Offers the other language, in that language.
#[component]
pub fn LanguageSwitch(props: &LanguageSwitchProps) -> Html {
    let other = use_context::<Language>().unwrap_or_default().other();
    let choose = props.choose.reform(move |_| other);
    html! {
        <button
            type="button"
            class="quiet"
            data-testid="language"
            lang={other.tag()}
            aria-label={other.texts().switch_to_this}
            onclick={choose}
        >
            { icons::globe() }
            <span>{ other.own_name() }</span>
        </button>
    }
}
