//! The card about what this device remembers of the person.

use yew::{Callback, Html, Properties, component, html};

use crate::{actions::DeviceAction, i18n::use_texts, personal_storage::Scope};

/// Properties of [`Remembered`].
#[derive(PartialEq, Properties)]
pub struct RememberedProps {
    /// Whether the page runs in the app.
    pub in_app: bool,
    /// Receives the person's choice.
    pub choose: Callback<DeviceAction>,
}

/// Says what is remembered, with a button that forgets it.
#[component]
pub fn Remembered(props: &RememberedProps) -> Html {
    let texts = use_texts();
    let hint = match Scope::current() {
        Scope::Tab(_) => texts.remembered_in_tab,
        Scope::Device if props.in_app => texts.remembered_in_app,
        Scope::Device => texts.remembered,
    };
    html! {
        <section class="remembered">
            <p class="hint">{ hint }</p>
            <button
                type="button"
                class="quiet small"
                data-testid="forget-device"
                onclick={props.choose.reform(|_| DeviceAction::Forget)}
            >
                { texts.forget_device }
            </button>
        </section>
    }
}
