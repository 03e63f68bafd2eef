//! The own microphone and camera in a call: asks for them, switches, replaces and watches them.

use std::rc::{Rc, Weak};

use futures_util::future::join;
use hutong_core::{MediaEvent, MediaProblem};
use hutong_protocol::MediaKind;
use web_sys::MediaStreamTrack;

use super::{
    super::{choice, connection::TrackKind, devices, view::Sending},
    line::Line,
    sources::state_of,
    state::{PeerState, Stop},
};
use crate::dom::{self, Listener};

/// How often a device may be switched while a dialog is open.
const SWITCHES_WAITING: usize = 8;

/// What may be wished of the camera, one after the other: each may have to wait for a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CameraWish {
    /// Asks for it.
    On,
    /// Lets go of it, so that its light goes out.
    Off,
    /// Takes the one that is chosen now, or any other in place of one that is lost.
    Anew,
}

/// Microphone and camera of one peer.
pub struct LocalDevices {
    me: Weak<Self>,
    peer: Rc<PeerState>,
    /// Lines of their own: the dialog that asks for a device may stay open, and the call goes on meanwhile.
    camera_wishes: Line<CameraWish>,
    microphone_wishes: Line<()>,
}

impl LocalDevices {
    /// Asks for nothing yet.
    pub fn new(peer: Rc<PeerState>) -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            peer,
            camera_wishes: Line::new(SWITCHES_WAITING),
            microphone_wishes: Line::new(SWITCHES_WAITING),
        })
    }

    /// Switches the camera on or off, after what was wished of it before.
    pub fn switch_camera(self: &Rc<Self>, on: bool) {
        self.wish(if on { CameraWish::On } else { CameraWish::Off });
    }

    /// Goes over to the device that is chosen now.
    pub fn change_device(self: &Rc<Self>, kind: TrackKind) {
        match kind {
            TrackKind::Voice => {
                let act = async |local: &Self, ()| local.microphone().await;
                self.peer.work(Rc::clone(self), |local| &local.microphone_wishes, (), act);
            }
            TrackKind::Picture => self.wish(CameraWish::Anew),
        }
    }

    fn wish(self: &Rc<Self>, wish: CameraWish) {
        let act = async |local: &Self, wish| local.camera(wish).await;
        self.peer.work(Rc::clone(self), |local| &local.camera_wishes, wish, act);
    }

    /// Forgets what is wished and not begun.
    pub fn clear(&self) {
        self.camera_wishes.clear();
        self.microphone_wishes.clear();
    }

    /// Asks for the devices, while `connect` makes the connection that they are sent by.
    pub async fn acquire(&self, media: MediaKind, connect: impl Future<Output = Result<(), Stop>>) -> Result<(), Stop> {
        // Devices take their time, and a connection takes some too: both at once.
        let (stream, connected) = join(devices::acquire(media), connect).await;
        let stream = stream.map_err(Stop::Problem)?;
        if self.peer.is_closed() {
            devices::release(&stream);
            return Err(Stop::Closed);
        }
        let tracks = devices::tracks(&stream);
        let around = self.watch_devices().into_iter().chain(self.watch_page());
        let watched: Vec<_> = tracks.iter().map(|track| self.watch_own(track)).collect();
        self.peer.change(|parts| {
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
            parts.show_own();
        });
        connected?;
        let connection = self.peer.connection()?;
        // All before the first wait: what the person switches meanwhile comes after it.
        let sent: Vec<_> = tracks.iter().map(|track| connection.send(TrackKind::of(track), Some(track))).collect();
        for sent in sent {
            sent.await?;
        }
        self.peer.emit(MediaEvent::Acquired { peer: self.peer.id });
        Ok(())
    }

    /// Mutes, or makes heard again: of a microphone that is lost or kept by the system, by asking for one anew.
    pub fn switch_microphone(self: &Rc<Self>, on: bool) {
        let own = self.peer.parts.borrow().view.own.microphone;
        match own {
            Sending::Absent => return,
            Sending::Lost if !on => return,
            Sending::Lost => self.peer.parts.borrow_mut().sources.muted = false,
            Sending::On | Sending::Off | Sending::Held => self.peer.change(|parts| {
                parts.sources.muted = !on;
                parts.view.own.microphone = parts.sources.voice_state();
                if let Some(track) = parts.sources.sent(TrackKind::Voice) {
                    track.set_enabled(on);
                }
            }),
        }
        self.peer.tell_status();
        let now = self.peer.parts.borrow().view.own.microphone;
        if matches!(now, Sending::Lost | Sending::Held) {
            self.change_device(TrackKind::Voice);
        }
    }

    /// Does what is wished of the camera.
    async fn camera(&self, wish: CameraWish) -> Result<(), Stop> {
        let (own, acquired) = {
            let parts = self.peer.parts.borrow();
            (parts.view.own.camera, parts.view.local.is_some())
        };
        match (wish, own) {
            _ if self.peer.is_closed() || !acquired => Ok(()),
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
    async fn microphone(&self) -> Result<(), Stop> {
        let own = self.peer.parts.borrow().view.own.microphone;
        if self.peer.is_closed() || own == Sending::Absent {
            return Ok(());
        }
        self.take(TrackKind::Voice).await
    }

    /// Asks for a device and sends from it, in place of the one before.
    async fn take(&self, kind: TrackKind) -> Result<(), Stop> {
        let mut track = self.ask(kind).await?;
        if self.peer.parts.borrow_mut().sources.slot(kind).is_some() {
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
                    TrackKind::Voice if self.peer.parts.borrow().sources.muted => Sending::Off,
                    TrackKind::Voice | TrackKind::Picture => state_of(&track),
                };
                self.replace(kind, Some(track), state).await;
            }
            Err(_) => self.peer.change(|parts| *parts.state(kind) = Sending::Lost),
        }
        Ok(())
    }

    async fn ask(&self, kind: TrackKind) -> Result<Result<MediaStreamTrack, MediaProblem>, Stop> {
        let track = devices::one(kind).await;
        if self.peer.is_closed() {
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
        self.peer.change(|parts| {
            if let (TrackKind::Voice, Some(track)) = (kind, &track) {
                track.set_enabled(!parts.sources.muted);
            }
            if let Some(old) = std::mem::replace(parts.sources.slot(kind), track.clone()) {
                old.stop();
            }
            parts.sources.listen(kind, listeners);
            *parts.state(kind) = state;
            parts.show_own();
        });
        if !self.peer.send(kind).await && track.is_some() && !self.peer.is_closed() {
            self.peer.change(|parts| {
                // Another may have come meanwhile.
                if *parts.sources.slot(kind) == track {
                    if let Some(track) = parts.sources.slot(kind).take() {
                        track.stop();
                    }
                    *parts.state(kind) = Sending::Lost;
                    parts.show_own();
                }
            });
            self.peer.tell_status();
        }
    }

    /// A device that goes away by itself: unplugged, or taken by the system. Another takes its place, if there is one. Stopping
    /// a track ourselves is not told here. One that the system only keeps for a while is muted, and later not.
    fn watch_own(&self, track: &MediaStreamTrack) -> Vec<Listener> {
        let kind = TrackKind::of(track);
        // By its trait: a track has a `clone` of its own, which makes another track.
        let watched = Clone::clone(track);
        let ended = self.peer.on(&self.me, track, "ended", move |local, _| {
            let mut lost = false;
            local.peer.change(|parts| {
                lost = parts.sources.slot(kind).as_ref() == Some(&watched);
                if lost {
                    *parts.sources.slot(kind) = None;
                    *parts.state(kind) = Sending::Lost;
                    parts.show_own();
                }
            });
            if lost {
                local.peer.tell_status();
                local.change_device(kind);
            }
        });
        let look = |event| self.peer.on(&self.me, track, event, |local, _| local.look());
        vec![ended, look("mute"), look("unmute")]
    }

    /// Takes up what the system keeps or has given back, and tells the other side.
    fn look(&self) {
        let mut changed = false;
        self.peer.change(|parts| {
            let before = parts.view.own;
            parts.sources.look(&mut parts.view.own);
            changed = parts.view.own != before;
        });
        if changed {
            self.peer.tell_status();
        }
    }

    /// A page in the background may have missed what became of its devices, and may not have been given another.
    fn watch_page(&self) -> Option<Listener> {
        let document = dom::window()?.document()?;
        Some(self.peer.on(&self.me, &document, "visibilitychange", |local, _| {
            if dom::is_visible() {
                local.look();
                local.seek_microphone();
            }
        }))
    }

    /// Nobody has to ask for a microphone that is plugged in again.
    fn watch_devices(&self) -> Option<Listener> {
        let me = self.me.clone();
        choice::on_change(move || {
            if let Some(me) = me.upgrade() {
                me.seek_microphone();
            }
        })
    }

    /// Takes any microphone, where the one of this call is lost.
    fn seek_microphone(self: &Rc<Self>) {
        if self.peer.parts.borrow().view.own.microphone == Sending::Lost {
            self.change_device(TrackKind::Voice);
        }
    }
}
