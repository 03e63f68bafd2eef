//! The other side of a call: its tracks, what it says of them, and what of it is played.

use web_sys::MediaStreamTrack;

use super::super::{
    connection::TrackKind,
    devices,
    status::Status,
    view::{MediaView, Other, Own, Sending},
};
use crate::dom;

/// What has come from the other side.
#[derive(Default)]
pub struct RemoteTracks {
    tracks: Vec<MediaStreamTrack>,
    state: RemoteState,
}

impl RemoteTracks {
    /// Takes up a track.
    pub fn add(&mut self, track: MediaStreamTrack) {
        self.tracks.push(track);
    }

    /// Takes up what the other side says of itself.
    pub fn set_status(&mut self, status: Status) {
        self.state.said = Some(status);
    }

    /// Works out anew what of the other side is seen and heard.
    pub fn show(&mut self, view: &mut MediaView) {
        let comes = self.tracks.iter().any(|track| {
            TrackKind::of(track) == TrackKind::Picture
                && !track.muted()
                && dom::text_property(track, "readyState").as_deref() == Some("live")
        });
        view.other = self.state.see(view.own, comes);
        let played: Vec<_> =
            self.tracks.iter().filter(|track| self.state.plays(TrackKind::of(track), view.other)).cloned().collect();
        if view.remote.is_some() || !played.is_empty() {
            view.remote = devices::stream_of(view.remote.take(), &played);
        }
    }
}

/// What is known of the other side.
#[derive(Clone, Copy, Debug, Default)]
struct RemoteState {
    /// What it said last.
    said: Option<Status>,
    picture: Picture,
}

/// Whether the other side has sent a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Picture {
    /// None has come.
    #[default]
    Awaited,
    /// One has come, at some time.
    Known,
}

impl RemoteState {
    /// What it sends, where a picture `comes` or not.
    fn see(&mut self, own: Own, comes: bool) -> Other {
        // Until the other side has said it, a video call is taken for one on both sides.
        let camera = self.said.map_or(own.camera != Sending::Absent, |status| status.camera);
        let other = Other {
            picture: comes && camera,
            camera,
            screen: self.said.is_some_and(|status| status.screen),
            microphone: self.said.is_none_or(|status| status.microphone),
        };
        if other.picture {
            self.picture = Picture::Known;
        }
        other
    }

    /// Whether a track is played. A picture that is not sent yet is left out: browsers hold the sound back until the first
    /// frame of a picture that they are given.
    fn plays(self, kind: TrackKind, other: Other) -> bool {
        match kind {
            TrackKind::Voice => true,
            TrackKind::Picture => other.camera || self.picture == Picture::Known,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(microphone: bool, camera: bool, screen: bool) -> Option<Status> {
        Some(Status { microphone, camera, screen })
    }

    #[test]
    fn what_the_other_side_sends_follows_what_it_says_and_what_comes() {
        for (said, own_camera, comes, expected) in [
            // Nothing said: as in a call of the own kind.
            (None, Sending::Absent, true, [false, false, false, true]),
            (None, Sending::On, false, [false, true, false, true]),
            (None, Sending::Off, true, [true, true, false, true]),
            // A camera that is off goes on carrying black pictures.
            (status(true, false, false), Sending::On, true, [false, false, false, true]),
            (status(false, true, false), Sending::Absent, true, [true, true, false, false]),
            (status(true, true, true), Sending::Absent, false, [false, true, true, true]),
        ] {
            let own = Own { camera: own_camera, ..Own::default() };
            let other = RemoteState { said, picture: Picture::Awaited }.see(own, comes);
            assert_eq!([other.picture, other.camera, other.screen, other.microphone], expected, "{said:?} {comes}");
        }
    }

    #[test]
    fn a_picture_is_played_from_when_it_is_announced_and_for_good_once_it_has_come() {
        let mut remote = RemoteState::default();
        let mut plays = |said, comes| {
            remote.said = said;
            let other = remote.see(Own::default(), comes);
            (remote.plays(TrackKind::Voice, other), remote.plays(TrackKind::Picture, other))
        };
        assert_eq!(plays(None, true), (true, false), "a voice call");
        assert_eq!(plays(status(true, true, false), false), (true, true), "announced");
        assert_eq!(plays(status(true, false, false), false), (true, false), "taken back before it came");
        assert_eq!(plays(status(true, true, false), true), (true, true), "it comes");
        assert_eq!(plays(status(true, false, false), false), (true, true), "off again");
    }
}
