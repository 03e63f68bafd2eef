//! The buttons of the call screen.

use hutong_core::{CallPhase, CallView, Command};
use hutong_protocol::MediaKind;
use yew::{Callback, Html, MouseEvent, html};

use super::{icons, panels::Panel};
use crate::{
    actions::Actions,
    i18n::Texts,
    media::{LocalMedia, LocalSource, MediaCapabilities, SourceState, VideoNegotiation},
};

/// The state that the buttons depend on.
pub struct CallControls<'a> {
    /// The call.
    pub call: &'a CallView,
    /// The local sources.
    pub local: LocalMedia,
    /// Whether the two sides can exchange video.
    pub video: VideoNegotiation,
    /// The features that may be offered.
    pub capabilities: MediaCapabilities,
    /// The person's actions.
    pub actions: &'a Actions,
    /// Whether the device settings are open.
    pub settings_open: bool,
    /// Opens or closes a panel.
    pub toggle_panel: Callback<Panel>,
    /// The texts.
    pub texts: &'static Texts,
}

impl CallControls<'_> {
    /// The buttons for the phase of the call.
    pub fn view(&self) -> Html {
        let Self { local, texts, .. } = *self;
        let command = &self.actions.command;
        match self.call.phase {
            CallPhase::Incoming => html! {
                <div class="controls answer">
                    { button("decline", "danger", icons::hang_up(), texts.decline, command.reform(|_| Command::Decline)) }
                    if self.capabilities.calls {
                        { button("accept-voice", accent(self.call.media, MediaKind::Voice), icons::phone(), texts.accept_voice,
                            command.reform(|_| Command::Accept { media: MediaKind::Voice })) }
                        { button("accept-video", accent(self.call.media, MediaKind::Video), icons::camera(), texts.accept_video,
                            command.reform(|_| Command::Accept { media: MediaKind::Video })) }
                    } else {
                        <p class="call-hint warn">{ texts.no_calls }</p>
                    }
                </div>
            },
            CallPhase::Ending => html! { <div class="controls" /> },
            phase => {
                let answered = matches!(phase, CallPhase::Connecting | CallPhase::Connected | CallPhase::Reconnecting);
                let has_video = self.video == VideoNegotiation::Possible;
                let end = if answered { texts.hang_up } else { texts.cancel_call };
                html! {
                    <div class="controls">
                        { self.source_button(LocalSource::Microphone, local.microphone) }
                        // In a voice call the camera button appears once the call is answered.
                        if has_video && (answered || local.camera != SourceState::Absent) {
                            { self.source_button(LocalSource::Camera, local.camera) }
                        }
                        if has_video && answered && self.capabilities.screen {
                            { self.source_button(LocalSource::Screen, local.screen) }
                        }
                        if answered {
                            <button
                                type="button"
                                class="control plain"
                                data-testid="more"
                                aria-expanded={self.settings_open.to_string()}
                                onclick={self.toggle_panel.reform(|_| Panel::Settings)}
                            >
                                <span class="control-disc">{ icons::sliders() }</span>
                                <span class="control-words">{ texts.settings }</span>
                            </button>
                        }
                        { button("hang-up", "danger", icons::hang_up(), end, command.reform(|_| Command::HangUp)) }
                    </div>
                }
            }
        }
    }

    /// Toggle of a local source: pressed while microphone or camera is off, or the screen is shared.
    fn source_button(&self, source: LocalSource, state: SourceState) -> Html {
        let texts = self.texts;
        let on = state.is_wanted();
        let (testid, words, icon, pressed) = match (source, on) {
            (LocalSource::Microphone, true) => ("mute", texts.mute, icons::microphone(), Some(false)),
            (LocalSource::Microphone, false) => ("mute", texts.mute, icons::microphone_off(), Some(true)),
            (LocalSource::Camera, true) => ("camera", texts.camera_off, icons::camera(), Some(false)),
            // In a voice call the button starts the video.
            (LocalSource::Camera, false) if state == SourceState::Absent => {
                ("camera", texts.video, icons::camera(), None)
            }
            (LocalSource::Camera, false) => ("camera", texts.camera_off, icons::camera_off(), Some(true)),
            (LocalSource::Screen, false) => ("screen", texts.share_screen, icons::screen(), Some(false)),
            (LocalSource::Screen, true) => ("screen", texts.stop_screen, icons::screen_off(), Some(true)),
        };
        let Some(peer) = self.call.peer.filter(|_| source != LocalSource::Microphone || state != SourceState::Absent)
        else {
            return html! {};
        };
        html! {
            <button
                type="button"
                class="control plain"
                data-testid={testid}
                aria-pressed={pressed.map(|pressed| pressed.to_string())}
                onclick={self.actions.switch.reform(move |_| (peer, source, !on))}
            >
                <span class="control-disc">{ icon }</span>
                <span class="control-words">{ words }</span>
            </button>
        }
    }
}

/// Highlights the answer that matches the kind of call.
fn accent(offered: MediaKind, answer: MediaKind) -> &'static str {
    if offered == answer { "go" } else { "plain" }
}

fn button(
    testid: &'static str,
    class: &'static str,
    icon: Html,
    words: &'static str,
    act: Callback<MouseEvent>,
) -> Html {
    html! {
        <button type="button" class={yew::classes!("control", class)} data-testid={testid} onclick={act}>
            <span class="control-disc">{ icon }</span>
            <span class="control-words">{ words }</span>
        </button>
    }
}
