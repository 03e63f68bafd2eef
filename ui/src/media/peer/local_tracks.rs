//! The local tracks of a call: microphone, camera and screen, and which of them are sent.

use web_sys::MediaStreamTrack;

use super::super::{
    capture,
    connection::TrackKind,
    device_choice,
    view::{CameraFacing, DevicesInUse, LocalMedia, MediaView, SourceState},
};
use super::audio_mix::AudioMix;
use crate::dom::EventListener;

/// The tracks of the local sources.
#[derive(Default)]
pub struct LocalTracks {
    microphone: Option<MediaStreamTrack>,
    camera: Option<MediaStreamTrack>,
    /// The shared screen, sent instead of the camera.
    pub screen: Option<MediaStreamTrack>,
    /// The sound of the shared tab with the microphone, sent instead of the microphone.
    pub mix: Option<AudioMix>,
    microphone_listeners: Vec<EventListener>,
    camera_listeners: Vec<EventListener>,
    /// Whether the person has muted. Survives a change of the microphone.
    pub muted: bool,
}

impl LocalTracks {
    /// The track of the device of this kind.
    pub fn device_mut(&mut self, kind: TrackKind) -> &mut Option<MediaStreamTrack> {
        match kind {
            TrackKind::Audio => &mut self.microphone,
            TrackKind::Video => &mut self.camera,
        }
    }

    /// Replaces the listeners of the device of this kind.
    pub fn set_listeners(&mut self, kind: TrackKind, listeners: Vec<EventListener>) {
        match kind {
            TrackKind::Audio => self.microphone_listeners = listeners,
            TrackKind::Video => self.camera_listeners = listeners,
        }
    }

    /// The track of this kind that is sent.
    pub fn sent(&self, kind: TrackKind) -> Option<&MediaStreamTrack> {
        match kind {
            TrackKind::Audio => self.mix.as_ref().map(AudioMix::track).or(self.microphone.as_ref()),
            TrackKind::Video => self.screen.as_ref().or(self.camera.as_ref()),
        }
    }

    /// State of the microphone, while it is part of the call.
    pub fn microphone_state(&self) -> SourceState {
        match &self.microphone {
            _ if self.muted => SourceState::Off,
            Some(track) => track_state(track),
            None => SourceState::On,
        }
    }

    /// Updates the states of wanted sources: the system may have muted or unmuted their tracks.
    pub fn update_states(&self, local: &mut LocalMedia) {
        if local.microphone.is_wanted() && self.microphone.is_some() {
            local.microphone = self.microphone_state();
        }
        if let Some(track) = self.camera.as_ref().filter(|_| local.camera.is_wanted()) {
            local.camera = track_state(track);
        }
    }

    /// Updates the local stream and the devices in the view.
    pub fn update_view(&self, view: &mut MediaView) {
        let device = |track: &Option<MediaStreamTrack>| track.as_ref().and_then(device_choice::device_of);
        let points_away = self.camera.as_ref().is_some_and(|camera| {
            let settings = camera.get_settings();
            matches!(crate::dom::text_property(&settings, "facingMode").as_deref(), Some("environment"))
        });
        view.facing = if points_away { CameraFacing::Away } else { CameraFacing::User };
        view.in_use = DevicesInUse { camera: device(&self.camera), microphone: device(&self.microphone) };
        let sent: Vec<_> = TrackKind::ALL.into_iter().filter_map(|kind| self.sent(kind)).cloned().collect();
        if let Some(mix) = &self.mix {
            mix.set_microphone(self.microphone.as_ref());
        }
        view.local_stream = capture::stream_of(view.local_stream.take(), &sent);
    }

    /// Stops all tracks, which releases their devices.
    pub fn release(&self) {
        [&self.microphone, &self.camera, &self.screen].into_iter().flatten().for_each(MediaStreamTrack::stop);
    }
}

/// State of a source whose track is sent.
pub fn track_state(track: &MediaStreamTrack) -> SourceState {
    if track.muted() { SourceState::Held } else { SourceState::On }
}
