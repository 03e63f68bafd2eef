//! The microphone and camera of a call: acquires, switches, replaces and monitors them.

use std::rc::{Rc, Weak};

use futures_util::future::join;
use hutong_core::{MediaEvent, MediaProblem, WithoutMicrophone};
use hutong_protocol::MediaKind;
use wasm_bindgen_futures::spawn_local;
use web_sys::MediaStreamTrack;

use super::{
    super::{
        capture,
        connection::TrackKind,
        device_choice::{self, MediaDevice},
        view::SourceState,
    },
    local_tracks::track_state,
    operations_chain::OperationsChain,
    state::{OperationError, PeerState},
};
use crate::dom::{self, EventListener};

/// Requests for one device that are queued while the permission dialog is open.
const MAX_QUEUED_REQUESTS: usize = 8;

/// A queued request for the camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CameraRequest {
    /// Open it.
    On,
    /// Release it, so that its light goes out.
    Off,
    /// Reopen it: the person chose another one, or the current one was lost.
    Reopen,
}

/// Microphone and camera of one peer.
pub struct LocalDevices {
    me: Weak<Self>,
    peer: Rc<PeerState>,
    /// Separate from the commands of the peer: a permission dialog may stay open, and the call continues meanwhile.
    camera_requests: OperationsChain<CameraRequest>,
    microphone_requests: OperationsChain<()>,
}

impl LocalDevices {
    /// Creates it without devices.
    pub fn new(peer: Rc<PeerState>) -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            peer,
            camera_requests: OperationsChain::new(MAX_QUEUED_REQUESTS),
            microphone_requests: OperationsChain::new(MAX_QUEUED_REQUESTS),
        })
    }

    /// Switches the camera on or off, after all queued requests.
    pub fn switch_camera(self: &Rc<Self>, on: bool) {
        self.request_camera(if on { CameraRequest::On } else { CameraRequest::Off });
    }

    /// Changes to the device that the person has chosen.
    pub fn change_device(self: &Rc<Self>, kind: TrackKind) {
        match kind {
            TrackKind::Audio => {
                let act = async |local: &Self, ()| local.reopen_microphone().await;
                self.peer.enqueue(Rc::clone(self), |local| &local.microphone_requests, (), act);
            }
            TrackKind::Video => self.request_camera(CameraRequest::Reopen),
        }
    }

    fn request_camera(self: &Rc<Self>, request: CameraRequest) {
        let act = async |local: &Self, request| local.handle_camera_request(request).await;
        self.peer.enqueue(Rc::clone(self), |local| &local.camera_requests, request, act);
    }

    /// Drops all queued requests.
    pub fn clear(&self) {
        self.camera_requests.clear();
        self.microphone_requests.clear();
    }

    /// Acquires the devices while `connect` creates the connection, then sends their tracks.
    pub async fn acquire(
        &self,
        media: MediaKind,
        without_microphone: WithoutMicrophone,
        connect: impl Future<Output = Result<(), OperationError>>,
    ) -> Result<(), OperationError> {
        let (stream, connected) = join(capture::acquire(media, without_microphone), connect).await;
        let stream = stream.map_err(OperationError::Problem)?;
        if self.peer.is_closed() {
            capture::release(&stream);
            return Err(OperationError::Closed);
        }
        let tracks = capture::tracks(&stream);
        let page_listeners = self.on_device_change().into_iter().chain(self.on_page_visible());
        let track_listeners: Vec<_> = tracks.iter().map(|track| self.listen_to(track)).collect();
        self.peer.change(|parts| {
            parts.listeners.extend(page_listeners);
            for (track, listeners) in tracks.iter().zip(track_listeners) {
                let kind = TrackKind::of(track);
                *parts.tracks.device_mut(kind) = Some(Clone::clone(track));
                parts.tracks.set_listeners(kind, listeners);
            }
            let has = |kind| tracks.iter().any(|track| TrackKind::of(track) == kind);
            if has(TrackKind::Audio) {
                parts.view.local.microphone = SourceState::On;
            }
            if has(TrackKind::Video) {
                parts.view.local.camera = SourceState::On;
            }
            parts.tracks.update_states(&mut parts.view.local);
            parts.update_local();
        });
        connected?;
        let connection = self.peer.connection()?;
        // All `send`s are called before the first await, so that what the person switches meanwhile comes after them.
        let sent: Vec<_> = tracks.iter().map(|track| connection.send(TrackKind::of(track), Some(track))).collect();
        for sent in sent {
            sent.await?;
        }
        self.peer.emit(MediaEvent::Acquired { peer: self.peer.id });
        Ok(())
    }

    /// Mutes or unmutes. Reopens a microphone that is lost or held by the system.
    pub fn switch_microphone(self: &Rc<Self>, on: bool) {
        let state = self.peer.parts.borrow().view.local.microphone;
        match state {
            SourceState::Absent => return,
            SourceState::Lost if !on => return,
            SourceState::Lost => self.peer.parts.borrow_mut().tracks.muted = false,
            SourceState::On | SourceState::Off | SourceState::Held => self.peer.change(|parts| {
                parts.tracks.muted = !on;
                parts.view.local.microphone = parts.tracks.microphone_state();
                // Not the mix with the sound of a shared tab, which goes on.
                if let Some(track) = parts.tracks.device_mut(TrackKind::Audio) {
                    track.set_enabled(on);
                }
            }),
        }
        self.peer.send_status();
        let now = self.peer.parts.borrow().view.local.microphone;
        if matches!(now, SourceState::Lost | SourceState::Held) {
            self.change_device(TrackKind::Audio);
        }
    }

    async fn handle_camera_request(&self, request: CameraRequest) -> Result<(), OperationError> {
        let (state, acquired) = {
            let parts = self.peer.parts.borrow();
            (parts.view.local.camera, parts.view.local_stream.is_some())
        };
        match (request, state) {
            _ if self.peer.is_closed() || !acquired => Ok(()),
            (CameraRequest::On, SourceState::On) | (CameraRequest::Off, SourceState::Absent | SourceState::Off) => {
                Ok(())
            }
            (CameraRequest::Reopen, SourceState::Absent | SourceState::Off) => Ok(()),
            (CameraRequest::Off, SourceState::On | SourceState::Held | SourceState::Lost) => {
                self.replace(TrackKind::Video, None, SourceState::Off).await;
                Ok(())
            }
            (CameraRequest::On | CameraRequest::Reopen, _) => self.open(TrackKind::Video).await,
        }
    }

    async fn reopen_microphone(&self) -> Result<(), OperationError> {
        let state = self.peer.parts.borrow().view.local.microphone;
        let is_acquired = self.peer.parts.borrow().view.local_stream.is_some();
        if self.peer.is_closed() || !is_acquired {
            return Ok(());
        }
        // Without any microphone, the call goes on without one.
        if state == SourceState::Absent && !device_choice::devices().await.iter().any(MediaDevice::is_microphone) {
            return Ok(());
        }
        self.open(TrackKind::Audio).await
    }

    /// Opens a device and sends its track instead of the previous one.
    async fn open(&self, kind: TrackKind) -> Result<(), OperationError> {
        let mut track = self.acquire_track(kind).await?;
        if self.peer.parts.borrow_mut().tracks.device_mut(kind).is_some() {
            match track {
                // Without permission for the new device, the current one stays.
                Err(MediaProblem::CameraDenied | MediaProblem::MicrophoneDenied) => return Ok(()),
                Err(_) => {
                    // Some systems cannot open a second camera: release the current one first.
                    self.replace(kind, None, SourceState::Lost).await;
                    track = self.acquire_track(kind).await?;
                }
                Ok(_) => {}
            }
        }
        match track {
            Ok(track) => {
                let state = match kind {
                    TrackKind::Audio if self.peer.parts.borrow().tracks.muted => SourceState::Off,
                    TrackKind::Audio | TrackKind::Video => track_state(&track),
                };
                self.replace(kind, Some(track), state).await;
            }
            Err(_) => self.peer.change(|parts| *parts.device_state(kind) = SourceState::Lost),
        }
        Ok(())
    }

    async fn acquire_track(&self, kind: TrackKind) -> Result<Result<MediaStreamTrack, MediaProblem>, OperationError> {
        let track = capture::acquire_track(kind).await;
        if self.peer.is_closed() {
            if let Ok(track) = track {
                track.stop();
            }
            return Err(OperationError::Closed);
        }
        Ok(track)
    }

    /// Replaces a device's track and sends it. Stops it if the connection rejects it.
    async fn replace(&self, kind: TrackKind, track: Option<MediaStreamTrack>, state: SourceState) {
        let listeners = track.as_ref().map(|track| self.listen_to(track)).unwrap_or_default();
        self.peer.change(|parts| {
            if let (TrackKind::Audio, Some(track)) = (kind, &track) {
                track.set_enabled(!parts.tracks.muted);
            }
            if let Some(old) = std::mem::replace(parts.tracks.device_mut(kind), track.clone()) {
                old.stop();
            }
            parts.tracks.set_listeners(kind, listeners);
            *parts.device_state(kind) = state;
            parts.update_local();
        });
        if !self.peer.send(kind).await && track.is_some() && !self.peer.is_closed() {
            self.peer.change(|parts| {
                // It may have been replaced meanwhile.
                if *parts.tracks.device_mut(kind) == track {
                    if let Some(track) = parts.tracks.device_mut(kind).take() {
                        track.stop();
                    }
                    *parts.device_state(kind) = SourceState::Lost;
                    parts.update_local();
                }
            });
            self.peer.send_status();
        }
    }

    /// Listens to a local track. `ended`: the device was unplugged or taken by the system, and another replaces it; not fired by
    /// `stop()`. `mute` and `unmute`: the system holds the device for a while.
    fn listen_to(&self, track: &MediaStreamTrack) -> Vec<EventListener> {
        let kind = TrackKind::of(track);
        // `Clone::clone` copies the reference; `MediaStreamTrack.clone()` would create another track.
        let listened = Clone::clone(track);
        let ended = self.peer.on(&self.me, track, "ended", move |local, _| {
            let mut lost = false;
            local.peer.change(|parts| {
                lost = parts.tracks.device_mut(kind).as_ref() == Some(&listened);
                if lost {
                    *parts.tracks.device_mut(kind) = None;
                    *parts.device_state(kind) = SourceState::Lost;
                    parts.update_local();
                }
            });
            if lost {
                local.peer.send_status();
                local.change_device(kind);
            }
        });
        let on = |event| self.peer.on(&self.me, track, event, |local, _| local.update_states());
        vec![ended, on("mute"), on("unmute")]
    }

    /// Updates the states of the sources, and sends them to the remote side if they have changed.
    fn update_states(&self) {
        let mut changed = false;
        self.peer.change(|parts| {
            let before = parts.view.local;
            parts.tracks.update_states(&mut parts.view.local);
            changed = parts.view.local != before;
        });
        if changed {
            self.peer.send_status();
        }
    }

    /// A page in the background misses events of its devices, and cannot open another one.
    fn on_page_visible(&self) -> Option<EventListener> {
        let document = dom::window()?.document()?;
        Some(self.peer.on(&self.me, &document, "visibilitychange", |local, _| {
            if dom::is_visible() {
                local.update_states();
                local.replace_lost_microphone();
            }
        }))
    }

    /// Reopens a lost microphone as soon as one is plugged in.
    fn on_device_change(&self) -> Option<EventListener> {
        let me = self.me.clone();
        device_choice::on_device_change(move || {
            if let Some(me) = me.upgrade() {
                me.replace_lost_microphone();
                spawn_local(async move { me.return_to_chosen_devices().await });
            }
        })
    }

    fn replace_lost_microphone(self: &Rc<Self>) {
        if matches!(self.peer.parts.borrow().view.local.microphone, SourceState::Lost | SourceState::Absent) {
            self.change_device(TrackKind::Audio);
        }
    }

    /// Changes back to chosen devices that were unplugged, and are there again.
    async fn return_to_chosen_devices(self: &Rc<Self>) {
        let devices = device_choice::devices().await;
        if self.peer.is_closed() {
            return;
        }
        let (in_use, local) = {
            let parts = self.peer.parts.borrow();
            (parts.view.in_use.clone(), parts.view.local)
        };
        for (kind, in_use, state) in
            [(TrackKind::Audio, in_use.microphone, local.microphone), (TrackKind::Video, in_use.camera, local.camera)]
        {
            let chosen = device_choice::available_id(kind.into(), &devices);
            if in_use.is_some() && chosen.is_some() && chosen != in_use && state != SourceState::Absent {
                self.change_device(kind);
            }
        }
    }
}
