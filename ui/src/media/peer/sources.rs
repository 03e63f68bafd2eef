//! The tracks of the own devices and screen: which are held, and what of them is sent.

use web_sys::MediaStreamTrack;

use super::super::{
    choice,
    connection::TrackKind,
    devices,
    view::{InUse, MediaView, Own, Sending},
};
use crate::dom::Listener;

/// The tracks that are held, each on its own.
#[derive(Default)]
pub struct Sources {
    microphone: Option<MediaStreamTrack>,
    camera: Option<MediaStreamTrack>,
    /// The own screen, in place of the camera's picture.
    pub screen: Option<MediaStreamTrack>,
    /// What hears of the microphone that is held.
    of_microphone: Vec<Listener>,
    /// What hears of the camera that is held.
    of_camera: Vec<Listener>,
    /// The person's wish. It outlives the microphone that it was said of.
    pub muted: bool,
}

impl Sources {
    /// The device of this kind.
    pub fn slot(&mut self, kind: TrackKind) -> &mut Option<MediaStreamTrack> {
        match kind {
            TrackKind::Voice => &mut self.microphone,
            TrackKind::Picture => &mut self.camera,
        }
    }

    /// Who heard of the device before hears no more.
    pub fn listen(&mut self, kind: TrackKind, listeners: Vec<Listener>) {
        match kind {
            TrackKind::Voice => self.of_microphone = listeners,
            TrackKind::Picture => self.of_camera = listeners,
        }
    }

    /// What is sent of this kind.
    pub fn sent(&self, kind: TrackKind) -> Option<&MediaStreamTrack> {
        match kind {
            TrackKind::Voice => self.microphone.as_ref(),
            TrackKind::Picture => self.screen.as_ref().or(self.camera.as_ref()),
        }
    }

    /// What the microphone sends now.
    pub fn voice_state(&self) -> Sending {
        match &self.microphone {
            _ if self.muted => Sending::Off,
            Some(track) => state_of(track),
            None => Sending::On,
        }
    }

    /// Takes up what the system keeps or has given back: of what is not sent, nothing.
    pub fn look(&self, own: &mut Own) {
        if own.microphone.is_wanted() && self.microphone.is_some() {
            own.microphone = self.voice_state();
        }
        if let Some(track) = self.camera.as_ref().filter(|_| own.camera.is_wanted()) {
            own.camera = state_of(track);
        }
    }

    /// Shows what is sent, and where it comes from.
    pub fn show(&self, view: &mut MediaView) {
        let from = |track: &Option<MediaStreamTrack>| track.as_ref().and_then(choice::device_of);
        view.in_use = InUse { camera: from(&self.camera), microphone: from(&self.microphone) };
        let sent: Vec<_> = TrackKind::ALL.into_iter().filter_map(|kind| self.sent(kind)).cloned().collect();
        view.local = devices::stream_of(view.local.take(), &sent);
    }

    /// Stops everything: the lights go out.
    pub fn release(&self) {
        [&self.microphone, &self.camera, &self.screen].into_iter().flatten().for_each(MediaStreamTrack::stop);
    }
}

/// What a track that is to be sent sends.
pub fn state_of(track: &MediaStreamTrack) -> Sending {
    if track.muted() { Sending::Held } else { Sending::On }
}
