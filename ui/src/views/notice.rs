//! The sentence that says what happened and what to do.

use hutong_core::{Command, MediaProblem, Notice};
use hutong_protocol::{MediaKind, User};
use yew::{Callback, Html, Properties, component, html};

use super::icons;
use crate::{
    dom,
    i18n::{Texts, use_texts},
    place::Place,
};

/// Properties of [`NoticeBar`].
#[derive(PartialEq, Properties)]
pub struct NoticeBarProps {
    /// The sentence, as data.
    pub notice: Option<Notice>,
    /// Where this page came from.
    pub place: Place,
    /// Where dismissing and calling go.
    pub command: Callback<Command>,
}

/// The sentence, until it is dismissed or replaced.
#[component]
pub fn NoticeBar(props: &NoticeBarProps) -> Html {
    let texts = use_texts();
    let Some(notice) = &props.notice else { return html! {} };
    let dismiss = props.command.reform(|_| Command::DismissNotice);
    let voice = voice_instead(notice).map(|user| {
        let to = user.token;
        let call = props.command.reform(move |_| Command::Call { to, media: MediaKind::Voice });
        html! {
            <button type="button" class="primary small" data-testid="notice-voice" onclick={call}>
                { icons::phone() }<span>{ (texts.voice_instead)(user.name.as_str()) }</span>
            </button>
        }
    });
    let secure = match notice {
        Notice::Media { problem: MediaProblem::NotSecure, .. } => props.place.secure_twin(),
        _ => None,
    };
    html! {
        <div class="notice" role="alert" data-testid="notice" data-code={code(notice)}>
            <p>{ sentence(notice, texts) }</p>
            <div class="notice-actions">
                if let Some(address) = secure {
                    <a class="button small" href={address.clone()}>{ texts.not_secure_link }{ " " }{ address }</a>
                }
                { voice }
                <button type="button" class="quiet small" data-testid="notice-dismiss" onclick={dismiss}>{ texts.dismiss }</button>
            </div>
        </div>
    }
}

/// The stable code of a notice.
fn code(notice: &Notice) -> String {
    match notice {
        Notice::CallEnded { reason, .. } => reason.as_str().to_owned(),
        Notice::CannotCall { .. } => "cannot_call".to_owned(),
        Notice::Media { problem, .. } => dom::code(problem),
        Notice::Error { code } => code.as_str().to_owned(),
    }
}

fn sentence(notice: &Notice, texts: &Texts) -> String {
    match notice {
        Notice::CallEnded { with, reason } => (texts.ended)(*reason, with.as_str()),
        Notice::CannotCall { with, state } => (texts.cannot_call)(*state, with.as_str()),
        Notice::Media { problem, .. } => (texts.media)(*problem).to_owned(),
        Notice::Error { code } => (texts.error)(*code).to_owned(),
    }
}

fn voice_instead(notice: &Notice) -> Option<&User> {
    match notice {
        Notice::Media { voice_instead, .. } => voice_instead.as_ref(),
        Notice::CallEnded { .. } | Notice::CannotCall { .. } | Notice::Error { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use hutong_protocol::{EndReason, ErrorCode, Name, UserState};

    use super::*;
    use crate::i18n::Language;

    #[test]
    fn every_notice_has_a_code_and_a_sentence_in_every_language() {
        let with = Name::new("Ana").unwrap();
        let mut notices: Vec<(Notice, &str)> = Vec::new();
        for &reason in EndReason::ALL {
            notices.push((Notice::CallEnded { with: with.clone(), reason }, reason.as_str()));
        }
        for state in UserState::ALL {
            notices.push((Notice::CannotCall { with: with.clone(), state }, "cannot_call"));
        }
        for &error in ErrorCode::ALL {
            notices.push((Notice::Error { code: error }, error.as_str()));
        }
        for (problem, expected) in [
            (MediaProblem::CameraDenied, "camera_denied"),
            (MediaProblem::MicrophoneDenied, "microphone_denied"),
            (MediaProblem::CameraMissing, "camera_missing"),
            (MediaProblem::MicrophoneMissing, "microphone_missing"),
            (MediaProblem::CameraInUse, "camera_in_use"),
            (MediaProblem::MicrophoneInUse, "microphone_in_use"),
            (MediaProblem::NotSecure, "not_secure"),
            (MediaProblem::NotSupported, "not_supported"),
            (MediaProblem::PictureCodecMissing, "picture_codec_missing"),
            (MediaProblem::VoiceCodecMissing, "voice_codec_missing"),
            (MediaProblem::Engine, "engine"),
        ] {
            notices.push((Notice::Media { problem, voice_instead: None }, expected));
        }
        for (notice, expected) in notices {
            assert_eq!(code(&notice), expected);
            for language in Language::ALL {
                let said = sentence(&notice, language.texts());
                assert!(said.chars().count() > 6, "{notice:?}: {said}");
                assert!(said.ends_with(['.', '。']), "{notice:?}: {said}");
            }
        }
    }
}
