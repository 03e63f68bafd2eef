//! The button that switches between the two languages.

use yew::{Callback, Html, Properties, component, html, use_context};

use super::icons;
use crate::i18n::Language;

/// Properties of [`LanguageSwitch`].
#[derive(PartialEq, Properties)]
pub struct LanguageSwitchProps {
    /// Called with the chosen language.
    pub choose: Callback<Language>,
}

/// Button with the name of the other language.
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
