//! The invitation card, and an address with a copy button.

use gloo_timers::callback::Timeout;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use yew::{AttrValue, Html, Properties, component, html, use_effect_with, use_state};

use super::{icons, qr::Qr};
use crate::{
    dom,
    i18n::use_texts,
    page_origin::{is_loopback, key_fragment, without_key},
};

/// How long the copy button shows its success, in milliseconds.
pub const COPIED_MS: u32 = 2_000;

/// Properties of [`Invite`].
#[derive(PartialEq, Properties)]
pub struct InviteProps {
    /// The invitation address.
    pub address: AttrValue,
}

/// Card with the address that others open to join.
#[component]
pub fn Invite(props: &InviteProps) -> Html {
    let texts = use_texts();
    html! {
        <section class="card invite" aria-labelledby="invite-title">
            <h2 id="invite-title">{ icons::people() }{ texts.invite_title }</h2>
            if is_loopback(&props.address) {
                <p>{ texts.invite_loopback }</p>
                <AddressBox address={props.address.clone()} testid="invite-address" />
            } else {
                <p>{ texts.invite }</p>
                <AddressBox address={props.address.clone()} testid="invite-address" />
                <Qr text={props.address.clone()} label={(texts.qr_code)(without_key(&props.address))} testid="invite-qr" />
            }
        </section>
    }
}

/// Properties of [`AddressBox`].
#[derive(PartialEq, Properties)]
pub struct AddressBoxProps {
    /// The address.
    pub address: AttrValue,
    /// Test ID.
    pub testid: &'static str,
}

/// An address with a button that copies it.
#[component]
pub fn AddressBox(props: &AddressBoxProps) -> Html {
    let texts = use_texts();
    let copied = use_state(|| false);
    {
        let copied = copied.clone();
        use_effect_with(*copied, move |&is_copied| {
            let timeout = is_copied.then(|| Timeout::new(COPIED_MS, move || copied.set(false)));
            move || drop(timeout)
        });
    }
    let copy = {
        let (address, copied) = (props.address.clone(), copied.clone());
        move |_| {
            let (address, copied) = (address.clone(), copied.clone());
            spawn_local(async move { copied.set(copy(&address).await) });
        }
    };
    html! {
        <div class="address">
            <code data-testid={props.testid}>
                { without_key(&props.address).to_owned() }
                <span class="address-key">{ key_fragment(&props.address).to_owned() }</span>
            </code>
            if can_copy() {
                <button type="button" class="copy" title={texts.copy} onclick={copy}>
                    if *copied { { icons::tick() } } else { { icons::copy() } }
                    <span class="unseen-words" aria-live="polite">{ if *copied { texts.copied } else { texts.copy } }</span>
                </button>
            }
        </div>
    }
}

/// `navigator.clipboard` exists only in a secure context.
fn can_copy() -> bool {
    dom::window().is_some_and(|window| dom::property(&JsValue::from(window.navigator()), "clipboard").is_some())
}

/// Copies a text. Returns whether the page could.
pub async fn copy(text: &str) -> bool {
    let Some(window) = dom::window().filter(|_| can_copy()) else { return false };
    JsFuture::from(window.navigator().clipboard().write_text(text)).await.is_ok()
}
