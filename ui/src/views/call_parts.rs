//! The parts of the call's screen that have no state: who it is with, the hints, and the own picture.

use hutong_core::{CallPhase, CallView};
use yew::{Html, html};

use super::{avatar::Avatar, icons, stream::Stream, timer::Timer};
use crate::{
    i18n::Texts,
    media::{MediaView, Other, Own, Sending},
};

/// What these parts show.
#[derive(Clone, Copy)]
pub struct CallParts<'a> {
    /// The call.
    pub call: &'a CallView,
    /// The other person's name.
    pub name: &'a str,
    /// What there is to see of it.
    pub media: Option<&'a MediaView>,
    /// The own sources.
    pub own: Own,
    /// What the other side sends.
    pub other: Other,
    /// Whether the other side's picture is seen.
    pub picture: bool,
    /// The language.
    pub texts: &'static Texts,
}

impl CallParts<'_> {
    /// Whether media has been flowing in this call.
    pub fn flowing(&self) -> bool {
        matches!(self.call.phase, CallPhase::Connected | CallPhase::Reconnecting)
    }

    /// Who it is with and how far it is. `since` is when it was connected, if it was.
    pub fn who(&self, since: Option<f64>) -> Html {
        let Self { own, other, texts, name, .. } = *self;
        let flowing = self.flowing();
        html! {
            <div class="who">
                <span class="who-ring"><Avatar name={name.to_owned()} class="huge" /></span>
                <h1 class="who-name">{ name.to_owned() }</h1>
                <p id="call-phase" class="who-phase" role="status">
                    { self.phase_text() }
                </p>
                if let (true, Some(since)) = (flowing, since) {
                    <Timer {since} />
                }
                if flowing && !other.camera && own.camera != Sending::Absent {
                    <p class="who-more">{ (texts.other_camera_off)(name) }</p>
                }
            </div>
        }
    }

    /// What is amiss, on either side.
    pub fn hints(&self, link_lost: bool) -> Html {
        let Self { own, other, texts, name, .. } = *self;
        html! {
            <div class="call-hints" aria-live="polite">
                if link_lost {
                    <p class="call-hint" data-testid="link"><span class="spinner" aria-hidden="true" />{ texts.reconnecting_in_call }</p>
                }
                if self.flowing() && !other.microphone {
                    <p class="call-hint">{ icons::microphone_off() }{ (texts.other_muted)(name) }</p>
                }
                if own.camera == Sending::Held {
                    <p class="call-hint warn" data-testid="camera-held">{ icons::camera_off() }{ texts.camera_held }</p>
                }
                if own.microphone == Sending::Held {
                    <p class="call-hint warn" data-testid="microphone-held">{ icons::microphone_off() }{ texts.microphone_held }</p>
                }
                if own.camera == Sending::Lost {
                    <p class="call-hint warn" data-testid="camera-lost">{ icons::warning() }{ texts.camera_lost }</p>
                }
                if own.screen == Sending::Lost {
                    <p class="call-hint warn" data-testid="screen-lost">{ icons::warning() }{ texts.screen_lost }</p>
                }
                if own.microphone == Sending::Lost {
                    <p class="call-hint warn" data-testid="microphone-lost">{ icons::warning() }{ texts.microphone_lost }</p>
                }
            </div>
        }
    }

    /// What is sent, as the person sees it.
    pub fn own_picture(&self) -> Html {
        let Self { own, texts, .. } = *self;
        let screen = own.screen.is_on();
        if own.camera == Sending::Absent && !screen {
            return html! {};
        }
        let is_sent = own.camera.is_on() || screen;
        // The moment the call is taken, drawing has to make way for setting it up.
        let alone = matches!(self.call.phase, CallPhase::Acquiring | CallPhase::Offering | CallPhase::Ringing);
        html! {
            <div class={yew::classes!("self", alone.then_some("large"))}>
                <Stream
                    stream={self.media.and_then(|media| media.local.clone())}
                    muted=true
                    label={texts.own_picture}
                    testid="local-video"
                    class={yew::classes!("local", (!is_sent).then_some("unseen"), screen.then_some("screen"))}
                />
                if !is_sent {
                    <span class="self-off">{ icons::camera_off() }</span>
                }
                <span class="self-name">
                    if !own.microphone.is_on() { { icons::microphone_off() } }
                    { if screen { texts.your_screen } else { texts.you } }
                </span>
            </div>
        }
    }

    fn phase_text(&self) -> String {
        match self.call.phase {
            CallPhase::Incoming => (self.texts.incoming)(self.call.media).to_owned(),
            phase => (self.texts.phase)(phase, self.call.media, self.name),
        }
    }
}
