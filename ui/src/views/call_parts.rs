//! The stateless parts of the call screen: the other person and the phase, hints, and the self-view.

use hutong_core::{CallPhase, CallView};
use hutong_protocol::Name;
use yew::{Html, html};

use super::{avatar::Avatar, call_timer::CallTimer, icons, media_player::MediaPlayer};
use crate::{
    i18n::Texts,
    media::{CameraFacing, LocalMedia, MediaView, Mirror, RemoteMedia, SourceState, VideoNegotiation},
};

/// The state that these parts show.
#[derive(Clone, Copy)]
pub struct CallParts<'a> {
    /// The call.
    pub call: &'a CallView,
    /// The other person's name.
    pub name: &'a str,
    /// The media of the call.
    pub media: Option<&'a MediaView>,
    /// The local sources.
    pub local: LocalMedia,
    /// What the remote side sends.
    pub remote: RemoteMedia,
    /// Whether the person wants the own picture mirrored.
    pub mirror: Mirror,
    /// Whether the remote video is shown.
    pub shows_video: bool,
    /// The texts.
    pub texts: &'static Texts,
}

impl CallParts<'_> {
    /// Whether the call has been connected.
    pub fn was_connected(&self) -> bool {
        matches!(self.call.phase, CallPhase::Connected | CallPhase::Reconnecting)
    }

    /// The other person, the phase, and the duration. `since` is when the call was connected.
    pub fn header(&self, since: Option<f64>) -> Html {
        let Self { local, remote, texts, name, .. } = *self;
        let was_connected = self.was_connected();
        html! {
            <div class="who">
                <span class="who-ring"><Avatar name={name.to_owned()} class="huge" /></span>
                <h1 class="who-name">{ name.to_owned() }</h1>
                <p id="call-phase" class="who-phase" role="status">
                    { self.phase_text() }
                </p>
                if let (true, Some(since)) = (was_connected, since) {
                    <CallTimer {since} />
                }
                if was_connected && !remote.camera && local.camera != SourceState::Absent {
                    <p class="who-more">{ (texts.remote_camera_off)(name) }</p>
                }
            </div>
        }
    }

    /// Hints about problems on either side, and who tried to call meanwhile.
    pub fn hints(&self, reconnecting: bool, tried: Option<&Name>) -> Html {
        let Self { local, remote, texts, name, .. } = *self;
        html! {
            <div class="call-hints" aria-live="polite">
                if reconnecting {
                    <p class="call-hint" data-testid="reconnecting"><span class="spinner" aria-hidden="true" />{ texts.reconnecting_in_call }</p>
                }
                if let Some(tried) = tried {
                    <p class="call-hint" data-testid="tried">{ icons::phone() }{ (texts.tried_to_call)(tried.as_str()) }</p>
                }
                if local.microphone == SourceState::Absent && self.was_connected() {
                    <p class="call-hint warn" data-testid="no-microphone">{ icons::microphone_off() }{ texts.no_microphone }</p>
                }
                if self.was_connected() && remote.no_microphone {
                    <p class="call-hint" data-testid="remote-no-microphone">
                        { icons::microphone_off() }{ (texts.remote_no_microphone)(name) }
                    </p>
                } else if self.was_connected() && !remote.microphone {
                    <p class="call-hint">{ icons::microphone_off() }{ (texts.remote_muted)(name) }</p>
                }
                if self.media.is_some_and(|media| media.video == VideoNegotiation::NoCommonCodec) {
                    <p class="call-hint warn" data-testid="no-common-video">{ icons::camera_off() }{ (texts.no_common_video)(name) }</p>
                }
                if local.camera == SourceState::Held {
                    <p class="call-hint warn" data-testid="camera-held">{ icons::camera_off() }{ texts.camera_held }</p>
                }
                if local.microphone == SourceState::Held {
                    <p class="call-hint warn" data-testid="microphone-held">{ icons::microphone_off() }{ texts.microphone_held }</p>
                }
                if local.camera == SourceState::Lost {
                    <p class="call-hint warn" data-testid="camera-lost">{ icons::warning() }{ texts.camera_lost }</p>
                }
                if local.screen == SourceState::Lost {
                    <p class="call-hint warn" data-testid="screen-lost">{ icons::warning() }{ texts.screen_lost }</p>
                }
                if local.microphone == SourceState::Lost {
                    <p class="call-hint warn" data-testid="microphone-lost">{ icons::warning() }{ texts.microphone_lost }</p>
                }
            </div>
        }
    }

    /// The self-view.
    pub fn self_view(&self) -> Html {
        let Self { local, texts, .. } = *self;
        let screen = local.screen.is_on();
        if local.camera == SourceState::Absent && !screen {
            return html! {};
        }
        let faces_user = self.media.is_none_or(|media| media.facing == CameraFacing::User);
        let is_mirrored = !screen && faces_user && self.mirror.is_on();
        let is_sent = local.camera.is_on() || screen;
        // Shrinks as soon as the call is answered: rendering a large video would slow its setup down.
        let large = matches!(self.call.phase, CallPhase::Acquiring | CallPhase::Offering | CallPhase::Ringing);
        html! {
            <div class={yew::classes!("self", large.then_some("large"))}>
                <MediaPlayer
                    stream={self.media.and_then(|media| media.local_stream.clone())}
                    muted=true
                    label={texts.local_video}
                    testid="local-video"
                    class={yew::classes!("local", (!is_sent).then_some("unseen"), screen.then_some("screen"), is_mirrored.then_some("mirrored"))}
                />
                if !is_sent {
                    <span class="self-off">{ icons::camera_off() }</span>
                }
                <span class="self-name">
                    if !local.microphone.is_on() { { icons::microphone_off() } }
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
