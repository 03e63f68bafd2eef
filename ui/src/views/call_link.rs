//! The dialog for a call link: `hutong://` in the app, `#call=` in a browser. Nothing happens before the person confirms.

use hutong_core::host_messages::{CallLinkStage, PendingCallLink};
use hutong_protocol::MediaKind;
use web_sys::{Event, MouseEvent};
use yew::{Callback, Html, Properties, component, html};

use super::{icons, modal::use_modal};
use crate::i18n::{Texts, use_texts};

/// Properties of [`CallLinkDialog`].
#[derive(Clone, PartialEq, Properties)]
pub struct CallLinkDialogProps {
    /// The call that the link proposes.
    pub link: PendingCallLink,
    /// Where it was opened.
    pub opened: LinkOpened,
    /// The person's choice.
    pub choose: Callback<LinkChoice>,
}

/// Where a call link was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkOpened {
    /// In the app, which may have to change to another server.
    InApp,
    /// In a browser, at the server that it names. The question comes by itself once the user is online.
    InBrowser,
}

/// The person's choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkChoice {
    /// Call, with these media, the user of the link that the person has read.
    Call(PendingCallLink, MediaKind),
    /// Do not call.
    Dismiss,
}

/// Asks whether to call, in a modal dialog; or, beside the page, says that the user is not online. Before the login, the
/// login page has a [`LoginNote`] instead.
#[component]
pub fn CallLinkDialog(props: &CallLinkDialogProps) -> Html {
    let texts = use_texts();
    match (props.link.stage, props.opened) {
        (CallLinkStage::AwaitingLogin, _) => html! {},
        (CallLinkStage::CalleeOffline, LinkOpened::InBrowser) => html! {
            <div class="notice" role="status" data-testid="call-link-offline">
                <p>{ (texts.call_here_offline)(props.link.name.as_str()) }</p>
                <div class="notice-actions">{ cancel_button(props, texts) }</div>
            </div>
        },
        (CallLinkStage::AwaitingConfirmation, _) | (CallLinkStage::CalleeOffline, LinkOpened::InApp) => {
            html! { <CallLinkQuestion ..props.clone() /> }
        }
    }
}

/// What the login page says of the link: that the call comes after the login.
#[component]
pub fn LoginNote(props: &CallLinkDialogProps) -> Html {
    let texts = use_texts();
    if props.link.stage != CallLinkStage::AwaitingLogin {
        return html! {};
    }
    let (name, server) = (props.link.name.as_str(), props.link.server.as_str());
    let sentence = match props.opened {
        LinkOpened::InApp => (texts.call_link_login)(name, server),
        LinkOpened::InBrowser => (texts.call_here_login)(name),
    };
    html! {
        <div class="login-link" role="status" data-testid="call-link-login">
            <p>{ sentence }</p>
            { cancel_button(props, texts) }
        </div>
    }
}

fn cancel_button(props: &CallLinkDialogProps, texts: &Texts) -> Html {
    html! {
        <button
            type="button"
            class="quiet small"
            data-testid="call-link-cancel"
            onclick={props.choose.reform(|_| LinkChoice::Dismiss)}
        >
            { texts.cancel_call }
        </button>
    }
}

/// The modal dialog.
#[component]
fn CallLinkQuestion(props: &CallLinkDialogProps) -> Html {
    let texts = use_texts();
    let dialog = use_modal();
    let (name, server) = (props.link.name.as_str(), props.link.server.as_str());
    let (step, question) = match (props.link.stage, props.opened) {
        (CallLinkStage::CalleeOffline, _) => ("offline", (texts.call_link_offline)(name, server)),
        (_, LinkOpened::InApp) => ("asking", (texts.call_link)(name, server)),
        (_, LinkOpened::InBrowser) => ("asking", (texts.call_here)(name)),
    };
    // The Escape key. The dialog stays until the link is dismissed.
    let oncancel = props.choose.reform(|event: Event| {
        event.prevent_default();
        LinkChoice::Dismiss
    });
    let call = |media| {
        let (choose, link) = (props.choose.clone(), props.link.clone());
        Callback::from(move |click: MouseEvent| {
            // The second click of a double click may hit a new question that was not read yet.
            if click.detail() <= 1 {
                choose.emit(LinkChoice::Call(link.clone(), media));
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
                    onclick={props.choose.reform(|_| LinkChoice::Dismiss)}
                >
                    { texts.cancel_call }
                </button>
                // At another server the person is asked again.
                if !props.link.changes_server {
                    <button
                        type="button"
                        class="secondary"
                        data-testid="call-link-voice"
                        aria-label={(texts.call_voice)(name)}
                        onclick={call(MediaKind::Voice)}
                    >
                        { icons::phone() }{ texts.voice }
                    </button>
                }
                <button
                    type="button"
                    class="primary"
                    data-testid="call-link-call"
                    aria-label={(!props.link.changes_server).then(|| (texts.call_video)(name))}
                    onclick={call(MediaKind::Video)}
                >
                    { icons::camera() }{ if props.link.changes_server { texts.call_link_call } else { texts.video } }
                </button>
            </div>
        </dialog>
    }
}
