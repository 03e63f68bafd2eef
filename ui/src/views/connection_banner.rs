//! The banners while the connection to the server is lost, and when the server has a newer version of the page.

use hutong_core::SessionView;
use yew::{Callback, Html, Properties, component, html};

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

/// Properties of [`UpdateBanner`].
#[derive(PartialEq, Properties)]
pub struct UpdateBannerProps {
    /// Reloads the page.
    pub reload: Callback<()>,
}

/// Offers to load the newer version of the page.
#[component]
pub fn UpdateBanner(props: &UpdateBannerProps) -> Html {
    let texts = use_texts();
    html! {
        <div role="status" class="link-region">
            <p class="link update" data-testid="outdated">
                <span>{ texts.outdated }</span>
                <button type="button" class="quiet small" data-testid="reload" onclick={props.reload.reform(|_| ())}>
                    { texts.reload }
                </button>
            </p>
        </div>
    }
}
