//! The own sources of a call: microphone and camera, and which picture is sent.

use std::rc::Rc;

use futures_util::future::join;
use hutong_core::{MediaEvent, MediaProblem};
use hutong_protocol::{IceServer, MediaKind};
use web_sys::MediaStreamTrack;

use super::{
    super::{
        InUse, MediaView, Own, Sending,
        choice::{self, Sort},
        connection::TrackKind,
        devices,
        status::Status,
    },
    Parts, Peer, Stop,
};
use crate::dom::{self, Listener};

/// What may be wished of the camera, one after the other: each may have to wait for a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameraWish {
    /// Asks for it.
    On,
    /// Lets go of it, so that its light goes out.
    Off,
    /// Takes the one that is chosen now, or any other in place of one that is lost.
    Anew,
}

/// The tracks that are held, each on its own.
#[derive(Default)]
pub struct Sources {
    microphone: Option<MediaStreamTrack>,
    camera: Option<MediaStreamTrack>,
    pub(super) screen: Option<MediaStreamTrack>,
    /// What hears of the microphone that is held.
    of_microphone: Vec<Listener>,
    /// What hears of the camera that is held.
    of_camera: Vec<Listener>,
    /// The person's wish. It outlives the microphone that it was said of.
    muted: bool,
}

impl Sources {
    fn slot(&mut self, kind: TrackKind) -> &mut Option<MediaStreamTrack> {
        match kind {
            TrackKind::Voice => &mut self.microphone,
            TrackKind::Picture => &mut self.camera,
        }
    }

    /// Who heard of the device before hears no more.
    fn listen(&mut self, kind: TrackKind, listeners: Vec<Listener>) {
        match kind {
            TrackKind::Voice => self.of_microphone = listeners,
            TrackKind::Picture => self.of_camera = listeners,
        }
    }

    /// The picture that is sent.
    pub(super) fn picture(&self) -> Option<&MediaStreamTrack> {
        self.screen.as_ref().or(self.camera.as_ref())
    }

    fn voice_state(&self) -> Sending {
        match &self.microphone {
            _ if self.muted => Sending::Off,
            Some(track) => state_of(track),
            None => Sending::On,
        }
    }

    /// Takes up what the system keeps or has given back: of what is not sent, nothing.
    fn look(&self, own: &mut Own) {
        if own.microphone.is_wanted() && self.microphone.is_some() {
            own.microphone = self.voice_state();
        }
        if let Some(track) = self.camera.as_ref().filter(|_| own.camera.is_wanted()) {
            own.camera = state_of(track);
        }
    }

    /// Shows what is sent, and where it comes from.
    fn show(&self, view: &mut MediaView) {
        let from = |track: &Option<MediaStreamTrack>| track.as_ref().and_then(choice::device_of);
        view.in_use = InUse { camera: from(&self.camera), microphone: from(&self.microphone) };
        let sent: Vec<_> = [self.microphone.as_ref(), self.picture()].into_iter().flatten().cloned().collect();
        view.local = devices::stream_of(view.local.take(), &sent);
    }

    /// Stops everything: the lights go out.
    pub(super) fn release(&self) {
        [&self.microphone, &self.camera, &self.screen].into_iter().flatten().for_each(MediaStreamTrack::stop);
    }
}

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
        let around = self.watch_devices().into_iter().chain(self.watch_page());
        let watched: Vec<_> = tracks.iter().map(|track| self.watch_own(track)).collect();
        self.change(|parts| {
            parts.listeners.extend(around);
            for (track, listeners) in tracks.iter().zip(watched) {
                let kind = TrackKind::of(track);
                *parts.sources.slot(kind) = Some(Clone::clone(track));
                parts.sources.listen(kind, listeners);
            }
            parts.view.own.microphone = Sending::On;
            if media == MediaKind::Video {
                parts.view.own.camera = Sending::On;
            }
            parts.sources.look(&mut parts.view.own);
            parts.sources.show(&mut parts.view);
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
        let screen = own.screen.is_on();
        let status = Status { microphone: own.microphone.is_on(), camera: own.camera.is_on() || screen, screen };
        if let Some(connection) = &parts.connection {
            connection.send_text(&status.to_text());
        }
    }

    /// Mutes, or makes heard again: of a microphone that is lost or kept by the system, by asking for one anew.
    pub(super) fn switch_microphone(self: &Rc<Self>, on: bool) {
        let own = self.parts.borrow().view.own.microphone;
        match own {
            Sending::Absent => return,
            Sending::Lost if !on => return,
            Sending::Lost => self.parts.borrow_mut().sources.muted = false,
            Sending::On | Sending::Off | Sending::Held => self.change(|parts| {
                parts.sources.muted = !on;
                parts.view.own.microphone = parts.sources.voice_state();
                if let Some(track) = &parts.sources.microphone {
                    track.set_enabled(on);
                }
            }),
        }
        self.tell_status();
        let now = self.parts.borrow().view.own.microphone;
        if matches!(now, Sending::Lost | Sending::Held) {
            self.change_device(Sort::Microphone);
        }
    }

    /// Does what is wished of the camera.
    pub(super) async fn camera(&self, wish: CameraWish) -> Result<(), Stop> {
        let (own, acquired) = {
            let parts = self.parts.borrow();
            (parts.view.own.camera, parts.view.local.is_some())
        };
        match (wish, own) {
            _ if self.closed.get() || !acquired => Ok(()),
            (CameraWish::On, Sending::On) | (CameraWish::Off, Sending::Absent | Sending::Off) => Ok(()),
            (CameraWish::Anew, Sending::Absent | Sending::Off) => Ok(()),
            (CameraWish::Off, Sending::On | Sending::Held | Sending::Lost) => {
                self.replace(TrackKind::Picture, None, Sending::Off).await;
                Ok(())
            }
            (CameraWish::On | CameraWish::Anew, _) => self.take(TrackKind::Picture).await,
        }
    }

    /// Takes the microphone that is chosen now, or any other in place of one that is lost.
    pub(super) async fn microphone(&self) -> Result<(), Stop> {
        let own = self.parts.borrow().view.own.microphone;
        if self.closed.get() || own == Sending::Absent {
            return Ok(());
        }
        self.take(TrackKind::Voice).await
    }

    /// Asks for a device and sends from it, in place of the one before.
    async fn take(&self, kind: TrackKind) -> Result<(), Stop> {
        let mut track = self.ask(kind).await?;
        if self.parts.borrow_mut().sources.slot(kind).is_some() {
            match track {
                // Who does not give the other device keeps the one that is there.
                Err(MediaProblem::CameraDenied | MediaProblem::MicrophoneDenied) => return Ok(()),
                Err(_) => {
                    // Some systems open no second camera beside the first.
                    self.replace(kind, None, Sending::Lost).await;
                    track = self.ask(kind).await?;
                }
                Ok(_) => {}
            }
        }
        match track {
            Ok(track) => {
                let state = match kind {
                    TrackKind::Voice if self.parts.borrow().sources.muted => Sending::Off,
                    TrackKind::Voice | TrackKind::Picture => state_of(&track),
                };
                self.replace(kind, Some(track), state).await;
            }
            Err(_) => self.change(|parts| *parts.state(kind) = Sending::Lost),
        }
        Ok(())
    }

    async fn ask(&self, kind: TrackKind) -> Result<Result<MediaStreamTrack, MediaProblem>, Stop> {
        let track = devices::one(kind).await;
        if self.closed.get() {
            if let Ok(track) = track {
                track.stop();
            }
            return Err(Stop::Closed);
        }
        Ok(track)
    }

    /// Holds this device's track instead of the one before, and sends it. One that the connection does not take is let go.
    async fn replace(&self, kind: TrackKind, track: Option<MediaStreamTrack>, state: Sending) {
        let listeners = track.as_ref().map(|track| self.watch_own(track)).unwrap_or_default();
        self.change(|parts| {
            if let (TrackKind::Voice, Some(track)) = (kind, &track) {
                track.set_enabled(!parts.sources.muted);
            }
            if let Some(old) = std::mem::replace(parts.sources.slot(kind), track.clone()) {
                old.stop();
            }
            parts.sources.listen(kind, listeners);
            *parts.state(kind) = state;
            parts.sources.show(&mut parts.view);
        });
        if !self.send(kind).await && track.is_some() && !self.closed.get() {
            self.change(|parts| {
                // Another may have come meanwhile.
                if *parts.sources.slot(kind) == track {
                    if let Some(track) = parts.sources.slot(kind).take() {
                        track.stop();
                    }
                    *parts.state(kind) = Sending::Lost;
                    parts.sources.show(&mut parts.view);
                }
            });
            self.tell_status();
        }
    }

    /// Sends what is held now; tells whether the connection takes it.
    pub(super) async fn send(&self, kind: TrackKind) -> bool {
        self.tell_status();
        let sent = {
            let parts = self.parts.borrow();
            let track = match kind {
                TrackKind::Voice => parts.sources.microphone.as_ref(),
                TrackKind::Picture => parts.sources.picture(),
            };
            parts.connection.as_ref().map(|connection| connection.send(kind, track))
        };
        match sent {
            Some(sent) => sent.await.is_ok(),
            None => true,
        }
    }

    /// A device that goes away by itself: unplugged, or taken by the system. Another takes its place, if there is one. Stopping
    /// a track ourselves is not told here. One that the system only keeps for a while is muted, and later not.
    fn watch_own(&self, track: &MediaStreamTrack) -> Vec<Listener> {
        let kind = TrackKind::of(track);
        // By its trait: a track has a `clone` of its own, which makes another track.
        let watched = Clone::clone(track);
        let ended = self.on(track, "ended", move |peer, _| {
            let mut lost = false;
            peer.change(|parts| {
                lost = parts.sources.slot(kind).as_ref() == Some(&watched);
                if lost {
                    *parts.sources.slot(kind) = None;
                    *parts.state(kind) = Sending::Lost;
                    parts.sources.show(&mut parts.view);
                }
            });
            if lost && let Some(peer) = peer.me.upgrade() {
                peer.tell_status();
                peer.change_device(kind.into());
            }
        });
        let look = |event| self.on(track, event, |peer, _| peer.look());
        vec![ended, look("mute"), look("unmute")]
    }

    /// Takes up what the system keeps or has given back, and tells the other side.
    fn look(&self) {
        let mut changed = false;
        self.change(|parts| {
            let before = parts.view.own;
            parts.sources.look(&mut parts.view.own);
            changed = parts.view.own != before;
        });
        if changed {
            self.tell_status();
        }
    }

    /// A page in the background may have missed what became of its devices, and may not have been given another.
    fn watch_page(&self) -> Option<Listener> {
        let document = dom::window()?.document()?;
        Some(self.on(&document, "visibilitychange", |peer, _| {
            if !dom::is_visible() {
                return;
            }
            peer.look();
            if peer.parts.borrow().view.own.microphone == Sending::Lost
                && let Some(peer) = peer.me.upgrade()
            {
                peer.change_device(Sort::Microphone);
            }
        }))
    }

    /// Nobody has to ask for a microphone that is plugged in again.
    fn watch_devices(&self) -> Option<Listener> {
        let me = self.me.clone();
        choice::on_change(move || {
            if let Some(me) = me.upgrade()
                && me.parts.borrow().view.own.microphone == Sending::Lost
            {
                Rc::clone(&me).change_device(Sort::Microphone);
            }
        })
    }
}

/// What a track that is to be sent sends.
fn state_of(track: &MediaStreamTrack) -> Sending {
    if track.muted() { Sending::Held } else { Sending::On }
}

impl Parts {
    fn state(&mut self, kind: TrackKind) -> &mut Sending {
        match kind {
            TrackKind::Voice => &mut self.view.own.microphone,
            TrackKind::Picture => &mut self.view.own.camera,
        }
    }

    /// Shows what is sent now.
    pub(super) fn show_own(&mut self) {
        self.sources.show(&mut self.view);
    }
}
