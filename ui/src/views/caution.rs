//! The card on a page whose address is not secure, with the one that is.

use yew::{Html, html};

use super::icons;
use crate::{i18n::Texts, place::Place};

/// The card, where it is needed.
pub fn not_secure(place: &Place, texts: &Texts) -> Html {
    html! {
        if let Some(address) = place.secure_twin() {
            <section class="card caution" data-testid="not-secure">
                <h2>{ icons::warning() }{ texts.not_secure_title }</h2>
                <p>{ texts.not_secure }</p>
                <a class="button" href={address.clone()}>{ texts.not_secure_link }{ " " }{ address }</a>
            </section>
        }
    }
}
