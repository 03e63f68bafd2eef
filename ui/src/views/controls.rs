//! The buttons of a call.

use hutong_core::{CallPhase, Command};
use hutong_protocol::MediaKind;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;
use yew::{Callback, Html, MouseEvent, html};

use super::{call::CallScreenProps, icons};
use crate::{
    i18n::Texts,
    media::{Own, Sending, Source},
};

/// What can be opened beside a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panel {
    /// The devices.
    Settings,
    /// The call in figures.
    Details,
}

/// The buttons for this stage of a call.
pub fn controls(
    props: &CallScreenProps,
    own: Own,
    settings: bool,
    toggle_panel: Callback<Panel>,
    texts: &'static Texts,
) -> Html {
    let command = &props.actions.command;
    match props.call.phase {
        CallPhase::Incoming => html! {
            <div class="controls answer">
                { control("decline", "danger", icons::hang_up(), texts.decline, command.reform(|_| Command::Decline)) }
                if props.abilities.calls {
                    { control("accept-voice", accent(props.call.media, MediaKind::Voice), icons::phone(), texts.accept_voice,
                        command.reform(|_| Command::Accept { media: MediaKind::Voice })) }
                    { control("accept-video", accent(props.call.media, MediaKind::Video), icons::camera(), texts.accept_video,
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
                    { toggle(props, Source::Microphone, own.microphone, texts) }
                    // In a voice call it comes once there is a call: until then it would only be in the way.
                    if set_up || own.camera != Sending::Absent {
                        { toggle(props, Source::Camera, own.camera, texts) }
                    }
                    if set_up && props.abilities.screen {
                        { toggle(props, Source::Screen, own.screen, texts) }
                    }
                    if set_up {
                        <button
                            type="button"
                            class="control plain"
                            data-testid="more"
                            aria-expanded={settings.to_string()}
                            onclick={toggle_panel.reform(|_| Panel::Settings)}
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

/// The button that opens the devices, where the focus goes back to.
pub fn more_button(screen: &HtmlElement) -> Option<HtmlElement> {
    screen.query_selector("[data-testid=more]").ok()??.dyn_into().ok()
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

/// A button that is pressed where something is off, or, for the screen, shared.
fn toggle(props: &CallScreenProps, source: Source, state: Sending, texts: &'static Texts) -> Html {
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
    let Some(peer) = props.call.peer.filter(|_| source != Source::Microphone || state != Sending::Absent) else {
        return html! {};
    };
    html! {
        <button
            type="button"
            class="control plain"
            data-testid={testid}
            aria-pressed={pressed.map(|pressed| pressed.to_string())}
            onclick={props.actions.switch.reform(move |_| (peer, source, !on))}
        >
            <span class="control-disc">{ icon }</span>
            <span class="control-words">{ words }</span>
        </button>
    }
}
