//! Playback of the remote stream: the player, whether a frame was shown, and the button for blocked autoplay.

use hutong_core::PeerId;
use yew::{Html, UseStateHandle, hook, html, use_state};

use super::{call_parts::CallParts, icons, media_player::MediaPlayer};
use crate::i18n::Texts;

/// State of the playback.
pub struct Playback {
    /// The peer whose first frame was shown.
    first_frame_of: UseStateHandle<Option<PeerId>>,
    /// Whether the autoplay policy blocks playback.
    blocked: UseStateHandle<bool>,
    /// Number of clicks on the button.
    clicks: UseStateHandle<u32>,
}

/// Creates the state before playback.
#[hook]
pub fn use_playback() -> Playback {
    Playback { first_frame_of: use_state(|| None), blocked: use_state(|| false), clicks: use_state(|| 0) }
}

impl Playback {
    /// Whether a frame of this peer was shown.
    pub fn has_frame(&self, peer: Option<PeerId>) -> bool {
        *self.first_frame_of == peer
    }

    /// The player, once there is a peer.
    pub fn view(&self, parts: &CallParts<'_>, speaker: Option<String>) -> Html {
        let Some(peer) = parts.call.peer else { return html! {} };
        let CallParts { remote, texts, name, .. } = *parts;
        let (first_frame_of, blocked) = (self.first_frame_of.clone(), self.blocked.clone());
        html! {
            <MediaPlayer
                key={peer.0}
                stream={parts.media.and_then(|media| media.remote_stream.clone())}
                label={if remote.screen { (texts.remote_screen)(name) } else { (texts.remote_video)(name) }}
                testid="remote-video"
                class={yew::classes!("remote", (!parts.shows_video).then_some("unseen"), remote.screen.then_some("screen"))}
                {speaker}
                on_first_frame={move |()| first_frame_of.set(Some(peer))}
                on_blocked={move |now| blocked.set(now)}
                play_requests={*self.clicks}
            />
        }
    }

    /// The button that starts blocked playback.
    pub fn button(&self, texts: &Texts) -> Html {
        let clicks = self.clicks.clone();
        html! {
            if *self.blocked {
                <button type="button" class="primary hear" data-testid="hear" onclick={move |_| clicks.set(*clicks + 1)}>
                    { icons::speaker() }<span>{ texts.tap_to_play }</span>
                </button>
            }
        }
    }
}
