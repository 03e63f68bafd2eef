//! The warning on a page that is not a secure context, with a link to the https URL.

use yew::{Html, html};

use super::icons;
use crate::{i18n::Texts, page_origin::PageOrigin};

/// The warning, if the page has an https URL to go to.
pub fn insecure_warning(origin: &PageOrigin, texts: &Texts) -> Html {
    html! {
        if let Some(url) = origin.https_url() {
            <section class="card caution" data-testid="not-secure">
                <h2>{ icons::warning() }{ texts.not_secure_title }</h2>
                <p>{ texts.not_secure }</p>
                <a class="button" href={url.clone()}>{ texts.not_secure_link }{ " " }{ url }</a>
            </section>
        }
    }
}
