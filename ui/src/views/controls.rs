//! The buttons of a call.

use hutong_core::{CallPhase, CallView, Command};
use hutong_protocol::MediaKind;
use yew::{Callback, Html, MouseEvent, html};

use super::{icons, panels::Panel};
use crate::{
    actions::Actions,
    i18n::Texts,
    media::{Abilities, Own, Sending, Source},
};

/// What the buttons of a call depend on.
pub struct Controls<'a> {
    /// The call.
    pub call: &'a CallView,
    /// The own sources.
    pub own: Own,
    /// What can be offered here.
    pub abilities: Abilities,
    /// What the person can do.
    pub actions: &'a Actions,
    /// Whether the devices are shown.
    pub settings_open: bool,
    /// Opens and closes.
    pub toggle_panel: Callback<Panel>,
    /// The language.
    pub texts: &'static Texts,
}

impl Controls<'_> {
    /// The buttons for this stage of the call.
    pub fn view(&self) -> Html {
        let Self { own, texts, .. } = *self;
        let command = &self.actions.command;
        match self.call.phase {
            CallPhase::Incoming => html! {
                <div class="controls answer">
                    { control("decline", "danger", icons::hang_up(), texts.decline, command.reform(|_| Command::Decline)) }
                    if self.abilities.calls {
                        { control("accept-voice", accent(self.call.media, MediaKind::Voice), icons::phone(), texts.accept_voice,
                            command.reform(|_| Command::Accept { media: MediaKind::Voice })) }
                        { control("accept-video", accent(self.call.media, MediaKind::Video), icons::camera(), texts.accept_video,
                            command.reform(|_| Command::Accept { media: MediaKind::Video })) }
                    } else {
                        <p class="call-hint warn">{ texts.no_calls }</p>
                    }
                </div>
            },
            CallPhase::Ending => html! { <div class="controls" /> },
            phase => {
                let set_up = matches!(phase, CallPhase::Connecting | CallPhase::Connected | CallPhase::Reconnecting);
                let end = if set_up { texts.hang_up } else { texts.cancel_call };
                html! {
                    <div class="controls">
                        { self.source(Source::Microphone, own.microphone) }
                        // In a voice call it comes once there is a call: until then it would only be in the way.
                        if set_up || own.camera != Sending::Absent {
                            { self.source(Source::Camera, own.camera) }
                        }
                        if set_up && self.abilities.screen {
                            { self.source(Source::Screen, own.screen) }
                        }
                        if set_up {
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
                        { control("hang-up", "danger", icons::hang_up(), end, command.reform(|_| Command::HangUp)) }
                    </div>
                }
            }
        }
    }

    /// A button that is pressed where something is off, or, for the screen, shared.
    fn source(&self, source: Source, state: Sending) -> Html {
        let texts = self.texts;
        let on = state.is_wanted();
        let (testid, words, icon, pressed) = match (source, on) {
            (Source::Microphone, true) => ("mute", texts.mute, icons::microphone(), Some(false)),
            (Source::Microphone, false) => ("mute", texts.mute, icons::microphone_off(), Some(true)),
            (Source::Camera, true) => ("camera", texts.camera_off, icons::camera(), Some(false)),
            // Nothing is off in a voice call: it becomes a video call.
            (Source::Camera, false) if state == Sending::Absent => ("camera", texts.video, icons::camera(), None),
            (Source::Camera, false) => ("camera", texts.camera_off, icons::camera_off(), Some(true)),
            (Source::Screen, false) => ("screen", texts.share_screen, icons::screen(), Some(false)),
            (Source::Screen, true) => ("screen", texts.stop_screen, icons::screen_off(), Some(true)),
        };
        let Some(peer) = self.call.peer.filter(|_| source != Source::Microphone || state != Sending::Absent) else {
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

/// The way of answering that matches the call stands out.
fn accent(offered: MediaKind, answer: MediaKind) -> &'static str {
    if offered == answer { "go" } else { "plain" }
}

fn control(
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
