//! The bar that says that the link is lost.

use hutong_core::Session;
use yew::{Html, Properties, component, html};

use crate::i18n::use_texts;

/// Properties of [`LinkBanner`].
#[derive(PartialEq, Properties)]
pub struct LinkBannerProps {
    /// Whether the server is there.
    pub session: Session,
    /// Whether a call goes on meanwhile.
    pub in_call: bool,
}

/// Says that the link is lost, while it is.
#[component]
pub fn LinkBanner(props: &LinkBannerProps) -> Html {
    let texts = use_texts();
    let lost = matches!(props.session, Session::Reconnecting { .. });
    html! {
        <div role="status" class="link-region">
            if lost && !props.in_call {
                <p class="link" data-testid="link"><span class="spinner" aria-hidden="true" />{ texts.reconnecting }</p>
            }
        </div>
    }
}
