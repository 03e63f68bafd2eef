//! The banner while the connection to the server is lost.

use hutong_core::SessionView;
use yew::{Html, Properties, component, html};

use crate::i18n::use_texts;

/// Properties of [`ConnectionBanner`].
#[derive(PartialEq, Properties)]
pub struct ConnectionBannerProps {
    /// State of the session.
    pub session: SessionView,
    /// Whether the call screen is open, which has its own hint.
    pub in_call: bool,
}

/// Shows that the client is reconnecting to the server.
#[component]
pub fn ConnectionBanner(props: &ConnectionBannerProps) -> Html {
    let texts = use_texts();
    let reconnecting = matches!(props.session, SessionView::Reconnecting { .. });
    html! {
        <div role="status" class="link-region">
            if reconnecting && !props.in_call {
                <p class="link" data-testid="reconnecting"><span class="spinner" aria-hidden="true" />{ texts.reconnecting }</p>
            }
        </div>
    }
}
