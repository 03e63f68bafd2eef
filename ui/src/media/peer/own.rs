//! The own sources of a call: microphone and camera.

use futures_util::future::join;
use hutong_protocol::{IceServer, MediaKind};
use web_sys::MediaStreamTrack;

use super::{
    super::{Sending, connection::TrackKind, devices, status::Status},
    Peer, Stop,
};
use crate::dom::Listener;
use hutong_core::MediaEvent;

impl Peer {
    /// Asks for the devices, and makes the connection that they are sent by.
    pub(super) async fn acquire(&self, media: MediaKind, ice_servers: &[IceServer]) -> Result<(), Stop> {
        // Devices take their time, and a connection takes some too: both at once.
        let (stream, connected) = join(devices::acquire(media), async { self.connect(ice_servers) }).await;
        let stream = stream.map_err(Stop::Problem)?;
        if self.closed.get() {
            devices::release(&stream);
            return Err(Stop::Closed);
        }
        let tracks = devices::tracks(&stream);
        let mut listeners: Vec<_> = tracks.iter().map(|track| self.watch_own(track)).collect();
        self.change(|parts| {
            parts.listeners.append(&mut listeners);
            parts.view.own.microphone = Sending::On;
            if media == MediaKind::Video {
                parts.view.own.camera = Sending::On;
            }
            parts.view.local = Some(stream);
        });
        connected?;
        let connection = self.connection()?;
        // All before the first wait: what the person switches meanwhile comes after it.
        let sent: Vec<_> = tracks.iter().map(|track| connection.send(TrackKind::of(track), Some(track))).collect();
        for sent in sent {
            sent.await?;
        }
        self.reports.events.emit(MediaEvent::Acquired { peer: self.id });
        Ok(())
    }

    /// Tells the other side what is sent.
    pub(super) fn tell_status(&self) {
        let parts = self.parts.borrow();
        let own = parts.view.own;
        let status = Status { microphone: own.microphone.is_on(), camera: own.camera.is_on() };
        if let Some(connection) = &parts.connection {
            connection.send_text(&status.to_text());
        }
    }

    /// Mutes, or makes heard again.
    pub(super) fn switch_microphone(&self, on: bool) {
        self.change(|parts| {
            if matches!(parts.view.own.microphone, Sending::Absent | Sending::Lost) {
                return;
            }
            parts.view.own.microphone = if on { Sending::On } else { Sending::Off };
            for track in parts.own_tracks(TrackKind::Voice) {
                track.set_enabled(on);
            }
        });
        self.tell_status();
    }

    /// Off lets go of the camera, so that its light goes out; on asks for it anew.
    pub(super) async fn switch_camera(&self, on: bool) -> Result<(), Stop> {
        let camera = self.parts.borrow().view.own.camera;
        if self.closed.get() || camera == Sending::Absent || camera.is_on() == on {
            return Ok(());
        }
        if !on {
            self.show(None, Sending::Off).await;
            return Ok(());
        }
        let track = devices::camera().await;
        if self.closed.get() {
            if let Ok(track) = track {
                track.stop();
            }
            return Err(Stop::Closed);
        }
        match track {
            Ok(track) => self.show(Some(track), Sending::On).await,
            Err(_) => self.change(|parts| parts.view.own.camera = Sending::Lost),
        }
        Ok(())
    }

    /// Sends this picture from now on, or none. One that the connection does not take is let go again.
    async fn show(&self, track: Option<MediaStreamTrack>, state: Sending) {
        let mut listener = track.as_ref().map(|track| self.watch_own(track));
        let mut sent = None;
        self.change(|parts| {
            parts.replace_own(TrackKind::Picture, track.as_ref());
            parts.listeners.extend(listener.take());
            parts.view.own.camera = state;
            sent = parts.connection.as_ref().map(|connection| connection.send(TrackKind::Picture, track.as_ref()));
        });
        self.tell_status();
        let Some(sent) = sent else { return };
        if sent.await.is_err() && !self.closed.get() && track.is_some() {
            self.change(|parts| {
                parts.replace_own(TrackKind::Picture, None);
                parts.view.own.camera = Sending::Lost;
            });
            self.tell_status();
        }
    }

    /// A device that goes away by itself: unplugged, or taken by the system. Stopping a track ourselves is not told here.
    fn watch_own(&self, track: &MediaStreamTrack) -> Listener {
        let kind = TrackKind::of(track);
        self.on(track, "ended", move |peer, _| {
            peer.change(|parts| {
                let own = &mut parts.view.own;
                *(match kind {
                    TrackKind::Picture => &mut own.camera,
                    TrackKind::Voice => &mut own.microphone,
                }) = Sending::Lost;
            });
            peer.tell_status();
        })
    }
}
