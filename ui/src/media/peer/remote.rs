//! The other side of a call: its tracks, what it says of them, and what of it is played.

use web_sys::MediaStreamTrack;

use super::{
    super::{MediaView, Sending, connection::TrackKind, devices, status::Status},
    Parts, Peer,
};
use crate::dom;

/// What has come from the other side.
#[derive(Default)]
pub struct Remote {
    tracks: Vec<MediaStreamTrack>,
    /// Whether its picture has come at some time.
    pictured: bool,
    status: Option<Status>,
}

impl Peer {
    /// Takes up a track of the other side.
    pub(super) fn track(&self, track: MediaStreamTrack) {
        let mut listeners: Vec<_> =
            ["mute", "unmute", "ended"].map(|name| self.on(&track, name, |peer, _| peer.change(Parts::see))).into();
        self.change(|parts| {
            parts.listeners.append(&mut listeners);
            parts.remote.tracks.push(track);
            parts.see();
        });
    }

    /// Takes up what the other side says of itself.
    pub(super) fn hear_status(&self, text: &str) {
        if let Some(status) = Status::from_text(text) {
            self.change(|parts| {
                parts.remote.status = Some(status);
                parts.see();
            });
        }
    }
}

impl Parts {
    /// Works out anew what of the other side is seen and heard.
    fn see(&mut self) {
        self.remote.see(&mut self.view);
    }
}

impl Remote {
    fn see(&mut self, view: &mut MediaView) {
        let picture = self.tracks.iter().any(|track| {
            TrackKind::of(track) == TrackKind::Picture
                && !track.muted()
                && dom::text_property(track, "readyState").as_deref() == Some("live")
        });
        // Until the other side has said it, a video call is taken for one on both sides.
        view.other.camera = self.status.map_or(view.own.camera != Sending::Absent, |status| status.camera);
        view.other.screen = self.status.is_some_and(|status| status.screen);
        view.other.picture = picture && view.other.camera;
        view.other.microphone = self.status.is_none_or(|status| status.microphone);
        self.pictured |= view.other.picture;
        self.gather(view);
    }

    /// Puts together what is played. A picture that is not sent yet is left out: browsers hold the sound back until the
    /// first frame of a picture that they are given.
    fn gather(&self, view: &mut MediaView) {
        let seen = view.other.camera || self.pictured;
        let plays = |track: &MediaStreamTrack| TrackKind::of(track) == TrackKind::Voice || seen;
        let played: Vec<_> = self.tracks.iter().filter(|track| plays(track)).cloned().collect();
        if view.remote.is_some() || !played.is_empty() {
            view.remote = devices::stream_of(view.remote.take(), &played);
        }
    }
}
