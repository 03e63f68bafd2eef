//! The dialog for a call link (`hutong://`), shown only in the app. Nothing happens before the person confirms.

use hutong_core::host_messages::{AppCommand, CallLinkStage, PendingCallLink};
use js_sys::Function;
use wasm_bindgen::JsCast;
use web_sys::{Element, Event, MouseEvent};
use yew::{Callback, Html, Properties, component, html, use_effect_with, use_node_ref};

use super::icons;
use crate::{dom, i18n::use_texts};

/// Properties of [`CallLinkDialog`].
#[derive(Clone, PartialEq, Properties)]
pub struct CallLinkDialogProps {
    /// The call that the link proposes.
    pub link: PendingCallLink,
    /// Sends commands to the app.
    pub command: Callback<AppCommand>,
}

/// Asks whether to call, in a modal dialog; or shows that a login has to come first.
#[component]
pub fn CallLinkDialog(props: &CallLinkDialogProps) -> Html {
    let texts = use_texts();
    let (name, server) = (props.link.name.as_str(), props.link.server.as_str());
    let cancel = props.command.reform(|_| AppCommand::DismissCallLink);
    match props.link.stage {
        CallLinkStage::AwaitingLogin => html! {
            <div class="notice" role="status" data-testid="call-link-login">
                <p>{ (texts.call_link_login)(name, server) }</p>
                <div class="notice-actions">
                    <button type="button" class="quiet small" data-testid="call-link-cancel" onclick={cancel}>{ texts.cancel_call }</button>
                </div>
            </div>
        },
        CallLinkStage::AwaitingConfirmation | CallLinkStage::CalleeOffline => {
            html! { <CallLinkQuestion ..props.clone() /> }
        }
    }
}

/// The modal dialog.
#[component]
fn CallLinkQuestion(props: &CallLinkDialogProps) -> Html {
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
    let (name, server) = (props.link.name.as_str(), props.link.server.as_str());
    let (step, question) = match props.link.stage {
        CallLinkStage::CalleeOffline => ("offline", (texts.call_link_offline)(name, server)),
        CallLinkStage::AwaitingConfirmation | CallLinkStage::AwaitingLogin => {
            ("asking", (texts.call_link)(name, server))
        }
    };
    // The Escape key. The dialog stays until the app has dismissed the link.
    let oncancel = props.command.reform(|event: Event| {
        event.prevent_default();
        AppCommand::DismissCallLink
    });
    let confirm = {
        let (command, link) = (props.command.clone(), props.link.clone());
        Callback::from(move |click: MouseEvent| {
            // The second click of a double click may hit a new question that was not read yet.
            if click.detail() <= 1 {
                command.emit(AppCommand::ConfirmCallLink { link: link.clone() });
            }
        })
    };
    html! {
        <dialog ref={dialog} class="card" role="alertdialog" aria-labelledby="call-link-question" data-testid="call-link" data-step={step} {oncancel}>
            <h2 id="call-link-question">{ question }</h2>
            if props.link.changes_server {
                <p class="hint" data-testid="call-link-moves">{ texts.call_link_moves }</p>
            }
            <div class="field-row">
                <button
                    type="button"
                    class="secondary"
                    data-testid="call-link-cancel"
                    autofocus=true
                    onclick={props.command.reform(|_| AppCommand::DismissCallLink)}
                >
                    { texts.cancel_call }
                </button>
                <button
                    type="button"
                    class="primary"
                    data-testid="call-link-call"
                    onclick={confirm}
                >
                    { icons::camera() }{ texts.call_link_call }
                </button>
            </div>
        </dialog>
    }
}

/// Opens the dialog as modal: the page behind takes neither clicks nor focus.
fn show_modal(dialog: &Element) {
    if let Some(show) = dom::property(dialog, "showModal").and_then(|show| show.dyn_into::<Function>().ok()) {
        // Fails if the dialog is open already.
        show.call0(dialog).ok();
    }
}
