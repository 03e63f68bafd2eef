//! Button that copies a link with which others call this user.

use gloo_timers::callback::Timeout;
use wasm_bindgen_futures::spawn_local;
use web_sys::HtmlInputElement;
use yew::{AttrValue, Html, Properties, component, html, use_effect_with, use_node_ref, use_state};

use super::{
    icons,
    invite::{COPIED_MS, copy},
};
use crate::i18n::use_texts;

/// Properties of [`OwnLink`].
#[derive(PartialEq, Properties)]
pub struct OwnLinkProps {
    /// The link.
    pub link: AttrValue,
}

/// What the last press has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copying {
    /// Nothing, or it was shown for long enough.
    Idle,
    /// The link was copied.
    Copied,
    /// The page may not copy: it is not secure, or the person has forbidden it. The link is shown, selected.
    Shown,
}

/// The button; and the link itself, selected for the keyboard, where the page may not copy it.
#[component]
pub fn OwnLink(props: &OwnLinkProps) -> Html {
    let texts = use_texts();
    let copying = use_state(|| Copying::Idle);
    let field = use_node_ref();
    {
        let (copying, field) = (copying.clone(), field.clone());
        use_effect_with(*copying, move |&current| {
            let timeout = match current {
                Copying::Copied => Some(Timeout::new(COPIED_MS, move || copying.set(Copying::Idle))),
                Copying::Shown => {
                    select(field.cast());
                    None
                }
                Copying::Idle => None,
            };
            move || drop(timeout)
        });
    }
    let onclick = {
        let (link, copying, field) = (props.link.clone(), copying.clone(), field.clone());
        move |_| {
            let (link, copying, field) = (link.clone(), copying.clone(), field.clone());
            spawn_local(async move {
                copying.set(if copy(&link).await { Copying::Copied } else { Copying::Shown });
                select(field.cast());
            });
        }
    };
    html! {
        <div class="own-link">
            <button type="button" class="quiet small" data-testid="copy-own-link" {onclick}>
                if *copying == Copying::Copied { { icons::tick() } } else { { icons::copy() } }
                <span aria-live="polite">{ if *copying == Copying::Copied { texts.copied } else { texts.copy_own_link } }</span>
            </button>
            if *copying == Copying::Shown {
                <input
                    ref={field}
                    type="text"
                    readonly=true
                    aria-label={texts.own_link}
                    data-testid="own-link"
                    value={props.link.clone()}
                />
            }
        </div>
    }
}

/// Focuses the field, if it is there, and selects its text.
fn select(field: Option<HtmlInputElement>) {
    if let Some(field) = field {
        field.focus().ok();
        field.select();
    }
}
