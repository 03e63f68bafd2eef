//! A call that a link offers. There is one in the app alone, and nothing of it happens before the person says so.

use hutong_core::app::{AppCommand, Offer, OfferStep};
use js_sys::Function;
use wasm_bindgen::JsCast;
use web_sys::{Element, Event, MouseEvent};
use yew::{Callback, Html, Properties, component, html, use_effect_with, use_node_ref};

use super::icons;
use crate::{dom, i18n::use_texts};

/// Properties of [`CallOffer`].
#[derive(Clone, PartialEq, Properties)]
pub struct CallOfferProps {
    /// What is offered.
    pub offer: Offer,
    /// Where the answer goes.
    pub command: Callback<AppCommand>,
}

/// Asks whether to call, before everything else; or says that logging in comes first.
#[component]
pub fn CallOffer(props: &CallOfferProps) -> Html {
    let texts = use_texts();
    let (name, server) = (props.offer.name.as_str(), props.offer.server.as_str());
    let drop_it = props.command.reform(|_| AppCommand::DropOffer);
    match props.offer.step {
        OfferStep::Joining => html! {
            <div class="notice" role="status" data-testid="offer-join">
                <p>{ (texts.offer_join)(name, server) }</p>
                <div class="notice-actions">
                    <button type="button" class="quiet small" data-testid="offer-cancel" onclick={drop_it}>{ texts.cancel_call }</button>
                </div>
            </div>
        },
        OfferStep::Asking | OfferStep::Away => html! { <Question ..props.clone() /> },
    }
}

#[component]
fn Question(props: &CallOfferProps) -> Html {
    let texts = use_texts();
    let dialog = use_node_ref();
    {
        let dialog = dialog.clone();
        use_effect_with((), move |()| {
            if let Some(dialog) = dialog.cast::<Element>() {
                show_modal(&dialog);
            }
        });
    }
    let (name, server) = (props.offer.name.as_str(), props.offer.server.as_str());
    let (step, question) = match props.offer.step {
        OfferStep::Away => ("away", (texts.offer_away)(name, server)),
        OfferStep::Asking | OfferStep::Joining => ("asking", (texts.offer)(name, server)),
    };
    // Escape; the dialog goes when the app says so.
    let escape = props.command.reform(|event: Event| {
        event.prevent_default();
        AppCommand::DropOffer
    });
    let take = {
        let (command, offer) = (props.command.clone(), props.offer.clone());
        Callback::from(move |click: MouseEvent| {
            // The second click of two may be on the next question, which nobody has read yet.
            if click.detail() <= 1 {
                command.emit(AppCommand::TakeOffer { offer: offer.clone() });
            }
        })
    };
    html! {
        <dialog ref={dialog} class="card" role="alertdialog" aria-labelledby="offer-question" data-testid="offer" data-step={step} oncancel={escape}>
            <h2 id="offer-question">{ question }</h2>
            if props.offer.elsewhere {
                <p class="hint" data-testid="offer-moves">{ texts.offer_moves }</p>
            }
            <div class="field-row">
                <button
                    type="button"
                    class="secondary"
                    data-testid="offer-cancel"
                    autofocus=true
                    onclick={props.command.reform(|_| AppCommand::DropOffer)}
                >
                    { texts.cancel_call }
                </button>
                <button
                    type="button"
                    class="primary"
                    data-testid="offer-call"
                    onclick={take}
                >
                    { icons::camera() }{ texts.offer_call }
                </button>
            </div>
        </dialog>
    }
}

/// Puts it before everything else, as a browser does it: the page behind takes no clicks and no focus.
fn show_modal(dialog: &Element) {
    if let Some(show) = dom::property(dialog, "showModal").and_then(|show| show.dyn_into::<Function>().ok()) {
        // It fails where it is shown already.
        show.call0(dialog).ok();
    }
}
