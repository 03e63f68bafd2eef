//! Line about ringing while another page is in front.

use yew::{Callback, Html, Properties, component, html};

use super::icons;
use crate::{i18n::use_texts, notifications::Permission};

/// Properties of [`RingHint`].
#[derive(PartialEq, Properties)]
pub struct RingHintProps {
    /// Whether the page may show notifications.
    pub permission: Permission,
    /// Asks the person.
    pub allow: Callback<()>,
}

/// Says that calls ring only while the page is in front, and offers notifications if the browser has them.
#[component]
pub fn RingHint(props: &RingHintProps) -> Html {
    let texts = use_texts();
    let text = match props.permission {
        Permission::Granted => return html! {},
        Permission::Default => texts.ring_ask,
        Permission::Denied => texts.ring_denied,
        Permission::Unsupported => texts.ring_unsupported,
    };
    html! {
        <div class="ring-hint" data-testid="ring-hint" data-permission={format!("{:?}", props.permission).to_lowercase()}>
            { icons::phone() }
            <p class="hint">{ text }</p>
            if props.permission == Permission::Default {
                <button
                    type="button"
                    class="secondary small"
                    data-testid="allow-notifications"
                    onclick={props.allow.reform(|_| ())}
                >
                    { texts.ring_allow }
                </button>
            }
        </div>
    }
}
