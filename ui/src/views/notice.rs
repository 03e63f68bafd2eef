//! The notice bar: what happened, and what to do.

use hutong_core::{CallAgain, CallFailure, Command, MediaProblem, Notice};
use hutong_protocol::{MediaKind, User};
use yew::{Callback, Html, Properties, component, html};

use super::icons;
use crate::{
    dom,
    i18n::{Texts, use_texts},
    page_origin::PageOrigin,
};

/// Properties of [`NoticeBar`].
#[derive(PartialEq, Properties)]
pub struct NoticeBarProps {
    /// The notice.
    pub notice: Option<Notice>,
    /// Origin of the page.
    pub origin: PageOrigin,
    /// Sends commands to the client.
    pub command: Callback<Command>,
}

/// Shows the notice until it is dismissed or replaced.
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
    let again = call_again(notice).map(|CallAgain { user, media }| {
        let (to, media) = (user.token, *media);
        let call = props.command.reform(move |_| Command::Call { to, media });
        html! {
            <button type="button" class="primary small" data-testid="notice-again" onclick={call}>
                { icons::phone() }<span>{ (texts.call_again)(user.name.as_str()) }</span>
            </button>
        }
    });
    let https_url = match notice {
        Notice::Media { problem: MediaProblem::NotSecure, .. } => props.origin.https_url(),
        _ => None,
    };
    html! {
        <div class="notice" role="alert" data-testid="notice" data-code={code(notice)}>
            <p>{ sentence(notice, texts) }</p>
            <div class="notice-actions">
                if let Some(url) = https_url {
                    <a class="button small" href={url.clone()}>{ texts.not_secure_link }{ " " }{ url }</a>
                }
                { voice }
                { again }
                <button type="button" class="quiet small" data-testid="notice-dismiss" onclick={dismiss}>{ texts.dismiss }</button>
            </div>
        </div>
    }
}

/// The code of a notice, for tests.
fn code(notice: &Notice) -> String {
    match notice {
        Notice::CallEnded { reason, .. } => reason.as_str().to_owned(),
        Notice::CallFailed { failure: CallFailure::ServerLost, .. } => "server_lost".to_owned(),
        Notice::CallFailed { failure: CallFailure::MediaLost, .. } => "media_lost".to_owned(),
        Notice::CallFailed { failure: CallFailure::NoPath { .. }, .. } => "no_path".to_owned(),
        Notice::CannotCall { .. } => "cannot_call".to_owned(),
        Notice::Media { problem, .. } => dom::code(problem),
        Notice::Error { code } => code.as_str().to_owned(),
    }
}

fn sentence(notice: &Notice, texts: &Texts) -> String {
    match notice {
        Notice::CallEnded { with, reason } => (texts.ended)(*reason, with.as_str()),
        Notice::CallFailed { with, failure } => (texts.call_failed)(*failure, with.as_str()),
        Notice::CannotCall { with, state } => (texts.cannot_call)(*state, with.as_str()),
        Notice::Media { problem, .. } => (texts.media)(*problem).to_owned(),
        Notice::Error { code } => (texts.error)(*code).to_owned(),
    }
}

fn voice_instead(notice: &Notice) -> Option<&User> {
    match notice {
        Notice::Media { voice_instead, .. } => voice_instead.as_ref(),
        Notice::CallEnded { .. } | Notice::CallFailed { .. } | Notice::CannotCall { .. } | Notice::Error { .. } => None,
    }
}

fn call_again(notice: &Notice) -> Option<&CallAgain> {
    if let Notice::Media { again, .. } = notice { again.as_ref() } else { None }
}

#[cfg(test)]
mod tests {
    use hutong_core::PathsTried;
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
        for (failure, expected) in [
            (CallFailure::ServerLost, "server_lost"),
            (CallFailure::MediaLost, "media_lost"),
            (CallFailure::NoPath { tried: PathsTried::Nothing }, "no_path"),
            (CallFailure::NoPath { tried: PathsTried::Direct }, "no_path"),
            (CallFailure::NoPath { tried: PathsTried::DirectRelaySilent }, "no_path"),
            (CallFailure::NoPath { tried: PathsTried::DirectAndRelay }, "no_path"),
            (CallFailure::NoPath { tried: PathsTried::LocalNetworkBlocked }, "no_path"),
        ] {
            notices.push((Notice::CallFailed { with: with.clone(), failure }, expected));
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
            (MediaProblem::NotAllowedYet, "not_allowed_yet"),
            (MediaProblem::CameraMissing, "camera_missing"),
            (MediaProblem::MicrophoneMissing, "microphone_missing"),
            (MediaProblem::CameraInUse, "camera_in_use"),
            (MediaProblem::MicrophoneInUse, "microphone_in_use"),
            (MediaProblem::NotSecure, "not_secure"),
            (MediaProblem::NotSupported, "not_supported"),
            (MediaProblem::VideoCodecMissing, "video_codec_missing"),
            (MediaProblem::AudioCodecMissing, "audio_codec_missing"),
            (MediaProblem::Engine, "engine"),
        ] {
            notices.push((Notice::Media { problem, voice_instead: None, again: None }, expected));
        }
        for (notice, expected) in notices {
            assert_eq!(code(&notice), expected);
            for language in Language::ALL {
                let text = sentence(&notice, language.texts());
                assert!(text.chars().count() > 6, "{notice:?}: {text}");
                assert!(text.ends_with(['.', '。']), "{notice:?}: {text}");
            }
        }
    }
}
