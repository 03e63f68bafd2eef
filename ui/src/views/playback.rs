//! The other side's stream in a call: plays it, knows when its first frame is there, and asks for a click where the browser wants one.

use hutong_core::PeerId;
use yew::{Html, UseStateHandle, hook, html, use_state};

use super::{call_parts::CallParts, icons, stream::Stream};
use crate::i18n::Texts;

/// How far the other side's stream is played.
pub struct Playback {
    /// Whose first frame has been drawn.
    framed: UseStateHandle<Option<PeerId>>,
    /// Whether the browser refuses to play by itself.
    blocked: UseStateHandle<bool>,
    /// Changes at every click that allows it.
    asked: UseStateHandle<u32>,
}

/// Nothing is played yet.
#[hook]
pub fn use_playback() -> Playback {
    Playback { framed: use_state(|| None), blocked: use_state(|| false), asked: use_state(|| 0) }
}

impl Playback {
    /// Whether there is a picture of this peer to be seen.
    pub fn has_frame(&self, peer: Option<PeerId>) -> bool {
        *self.framed == peer
    }

    /// The element that plays it, where there is a peer.
    pub fn view(&self, parts: &CallParts<'_>, speaker: Option<String>) -> Html {
        let Some(peer) = parts.call.peer else { return html! {} };
        let CallParts { other, texts, name, .. } = *parts;
        let (framed, blocked) = (self.framed.clone(), self.blocked.clone());
        html! {
            <Stream
                key={peer.0}
                stream={parts.media.and_then(|media| media.remote.clone())}
                label={if other.screen { (texts.screen_of)(name) } else { (texts.picture_of)(name) }}
                testid="remote-video"
                class={yew::classes!("remote", (!parts.picture).then_some("unseen"), other.screen.then_some("screen"))}
                {speaker}
                seen={move |()| framed.set(Some(peer))}
                blocked={move |now| blocked.set(now)}
                asked={*self.asked}
            />
        }
    }

    /// The button that allows it to be heard.
    pub fn button(&self, texts: &Texts) -> Html {
        let asked = self.asked.clone();
        html! {
            if *self.blocked {
                <button type="button" class="primary hear" data-testid="hear" onclick={move |_| asked.set(*asked + 1)}>
                    { icons::speaker() }<span>{ texts.tap_to_hear }</span>
                </button>
            }
        }
    }
}
