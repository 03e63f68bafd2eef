//! The remote side of a call: its tracks, its last status message, and which tracks to play.

use web_sys::MediaStreamTrack;

use super::super::{
    capture,
    connection::TrackKind,
    status::MediaStatus,
    view::{LocalMedia, MediaView, RemoteMedia, SourceState},
};
use crate::dom;

/// The remote tracks and the remote state.
#[derive(Default)]
pub struct RemoteTracks {
    tracks: Vec<MediaStreamTrack>,
    state: RemoteState,
}

impl RemoteTracks {
    /// Adds a track.
    pub fn add(&mut self, track: MediaStreamTrack) {
        self.tracks.push(track);
    }

    /// Stores a status message.
    pub fn set_status(&mut self, status: MediaStatus) {
        self.state.status = Some(status);
    }

    /// Updates the remote media and the remote stream in the view.
    pub fn update_view(&mut self, view: &mut MediaView) {
        let video_arrives = self.tracks.iter().any(|track| {
            TrackKind::of(track) == TrackKind::Video
                && !track.muted()
                && dom::text_property(track, "readyState").as_deref() == Some("live")
        });
        view.remote = self.state.update(view.local, video_arrives);
        let played: Vec<_> =
            self.tracks.iter().filter(|track| self.state.plays(TrackKind::of(track), view.remote)).cloned().collect();
        if view.remote_stream.is_some() || !played.is_empty() {
            view.remote_stream = capture::stream_of(view.remote_stream.take(), &played);
        }
    }
}

/// What is known of the remote side.
#[derive(Clone, Copy, Debug, Default)]
struct RemoteState {
    /// The last status message.
    status: Option<MediaStatus>,
    /// Whether video has arrived at any time in this call.
    had_video: bool,
}

impl RemoteState {
    /// The remote media, by the last status and whether video arrives now.
    fn update(&mut self, local: LocalMedia, video_arrives: bool) -> RemoteMedia {
        // Before the first status, assume the kind of call that this side makes.
        let camera = self.status.map_or(local.camera != SourceState::Absent, |status| status.camera);
        let remote = RemoteMedia {
            video: video_arrives && camera,
            camera,
            screen: self.status.is_some_and(|status| status.screen),
            microphone: self.status.is_none_or(|status| status.microphone),
            no_microphone: self.status.is_some_and(|status| status.no_microphone),
        };
        self.had_video |= remote.video;
        remote
    }

    /// Whether to play a track. A video track that is not sent yet is left out: browsers hold the audio back until the first
    /// video frame.
    fn plays(self, kind: TrackKind, remote: RemoteMedia) -> bool {
        match kind {
            TrackKind::Audio => true,
            TrackKind::Video => remote.camera || self.had_video,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(microphone: bool, camera: bool, screen: bool) -> Option<MediaStatus> {
        Some(MediaStatus { microphone, camera, screen, no_microphone: false })
    }

    #[test]
    fn remote_media_follows_the_status_and_the_arriving_video() {
        for (last_status, local_camera, video_arrives, expected) in [
            // No status: the kind of call of this side counts.
            (None, SourceState::Absent, true, [false, false, false, true]),
            (None, SourceState::On, false, [false, true, false, true]),
            (None, SourceState::Off, true, [true, true, false, true]),
            // A camera that is off still sends black frames.
            (status(true, false, false), SourceState::On, true, [false, false, false, true]),
            (status(false, true, false), SourceState::Absent, true, [true, true, false, false]),
            (status(true, true, true), SourceState::Absent, false, [false, true, true, true]),
        ] {
            let local = LocalMedia { camera: local_camera, ..LocalMedia::default() };
            let remote = RemoteState { status: last_status, had_video: false }.update(local, video_arrives);
            assert_eq!(
                [remote.video, remote.camera, remote.screen, remote.microphone],
                expected,
                "{last_status:?} {video_arrives}"
            );
        }
    }

    #[test]
    fn video_is_played_once_announced_and_always_after_it_has_arrived() {
        let mut state = RemoteState::default();
        let mut plays = |last_status, video_arrives| {
            state.status = last_status;
            let remote = state.update(LocalMedia::default(), video_arrives);
            (state.plays(TrackKind::Audio, remote), state.plays(TrackKind::Video, remote))
        };
        assert_eq!(plays(None, true), (true, false), "a voice call");
        assert_eq!(plays(status(true, true, false), false), (true, true), "announced");
        assert_eq!(plays(status(true, false, false), false), (true, false), "withdrawn before it arrived");
        assert_eq!(plays(status(true, true, false), true), (true, true), "arrived");
        assert_eq!(plays(status(true, false, false), false), (true, true), "off again");
    }
}
