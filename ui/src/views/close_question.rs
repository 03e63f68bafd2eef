//! The app's question what closing its window shall do. Asked once: the answer is remembered, and can be changed in the settings.

use hutong_core::host_messages::{AppCommand, WhenClosed};
use web_sys::Event;
use yew::{Callback, Html, Properties, component, html};

use super::modal::use_modal;
use crate::i18n::use_texts;

/// Properties of [`CloseQuestion`].
#[derive(PartialEq, Properties)]
pub struct CloseQuestionProps {
    /// Sends commands to the app.
    pub command: Callback<AppCommand>,
}

/// The question, in a modal dialog.
#[component]
pub fn CloseQuestion(props: &CloseQuestionProps) -> Html {
    let texts = use_texts();
    let dialog = use_modal();
    let answer = |to| props.command.reform(move |_| AppCommand::SetWhenClosed { to });
    // The Escape key.
    let oncancel = props.command.reform(|event: Event| {
        event.prevent_default();
        AppCommand::CancelClose
    });
    html! {
        <dialog
            ref={dialog}
            class="card"
            role="alertdialog"
            aria-labelledby="close-question"
            aria-describedby="close-question-hint"
            data-testid="close-question"
            {oncancel}
        >
            <h2 id="close-question">{ texts.close_question }</h2>
            <p id="close-question-hint" class="hint">{ texts.close_question_hint }</p>
            <div class="dialog-buttons">
                <button type="button" class="primary" data-testid="close-stay" onclick={answer(WhenClosed::Stay)}>
                    { texts.close_stay }
                </button>
                <button type="button" class="secondary" data-testid="close-quit" onclick={answer(WhenClosed::Quit)}>
                    { texts.close_quit }
                </button>
                <button
                    type="button"
                    class="quiet"
                    data-testid="close-cancel"
                    onclick={props.command.reform(|_| AppCommand::CancelClose)}
                >
                    { texts.cancel }
                </button>
            </div>
        </dialog>
    }
}
