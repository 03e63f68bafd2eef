//! One peer of the media engine: devices, negotiation and remote tracks of one call, over either backend.

mod audio_mix;
mod local_devices;
mod local_tracks;
mod operations_chain;
mod remote;
mod screen_share;
mod state;

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
};

use hutong_core::{MediaCommand, MediaEvent, MediaProblem, PeerId};
use hutong_protocol::{IceCandidate, IceServer, SdpKind, limits};
use web_sys::MediaStreamTrack;
use yew::Callback;

use self::{
    local_devices::LocalDevices,
    operations_chain::OperationsChain,
    screen_share::ScreenShare,
    state::{OperationError, PeerParts, PeerState},
};
use super::{
    backend::Backend,
    connection::{ConnectionError, ConnectionEvent, ConnectionFuture, TrackKind},
    device_choice::DeviceKind,
    engine::{LocalSource, MediaCallbacks},
    sdp,
    status::MediaStatus,
    view::VideoNegotiation,
};

/// Queued commands: all candidates that the client may hold back, and the few others of a call.
const MAX_QUEUED_COMMANDS: usize = limits::MAX_HELD_CANDIDATES + 64;

/// A peer. Executes its commands strictly one after the other; `close` acts at once.
pub struct MediaPeer {
    me: Weak<Self>,
    backend: Backend,
    state: Rc<PeerState>,
    commands: OperationsChain<MediaCommand>,
    /// Local candidates gathered before their description was reported; `None` while no description is being created.
    early_candidates: RefCell<Option<Vec<IceCandidate>>>,
    local: Rc<LocalDevices>,
    screen: Rc<ScreenShare>,
}

impl MediaPeer {
    /// Creates a peer without devices and connection.
    pub fn new(id: PeerId, backend: Backend, callbacks: MediaCallbacks) -> Rc<Self> {
        let state = PeerState::new(id, callbacks);
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            backend,
            local: LocalDevices::new(Rc::clone(&state)),
            screen: ScreenShare::new(Rc::clone(&state)),
            state,
            commands: OperationsChain::new(MAX_QUEUED_COMMANDS),
            early_candidates: RefCell::new(Some(Vec::new())),
        })
    }

    /// Queues a command.
    pub fn enqueue(self: &Rc<Self>, command: MediaCommand) {
        let act = async |peer: &Self, command| peer.execute(command).await;
        self.state.enqueue(Rc::clone(self), |peer| &peer.commands, command, act);
    }

    /// Switches a source on or off. The microphone is switched at once, so that a muted person is not heard; the screen at once,
    /// because browsers require the person's click.
    pub fn switch(&self, source: LocalSource, on: bool) {
        match source {
            _ if self.state.is_closed() => {}
            LocalSource::Microphone => self.local.switch_microphone(on),
            LocalSource::Screen => self.screen.switch(on),
            LocalSource::Camera => self.local.switch_camera(on),
        }
    }

    /// Changes to the device that the person has chosen.
    pub fn change_device(&self, kind: DeviceKind) {
        match kind {
            DeviceKind::Microphone => self.local.change_device(TrackKind::Audio),
            DeviceKind::Camera => self.local.change_device(TrackKind::Video),
            // The views play the remote stream.
            DeviceKind::Speaker => {}
        }
    }

    /// Statistics, while there is a connection.
    pub fn stats(&self) -> Option<ConnectionFuture<Vec<serde_json::Value>>> {
        self.state.parts.borrow().connection.as_ref().map(|connection| connection.stats())
    }

    /// Releases everything at once, without waiting for operations: a permission dialog may stay open forever.
    pub fn close(&self) {
        self.commands.clear();
        self.local.clear();
        self.state.close();
    }

    async fn execute(&self, command: MediaCommand) -> Result<(), OperationError> {
        match command {
            MediaCommand::Acquire { media, without_microphone, ice_servers, .. } => {
                self.local.acquire(media, without_microphone, async { self.connect(&ice_servers) }).await
            }
            MediaCommand::CreateOffer { .. } => self.offer(false).await,
            MediaCommand::CreateAnswer { sdp, .. } => self.answer(&sdp).await,
            MediaCommand::SetRemoteDescription { kind, sdp, polite, .. } => {
                self.set_remote_description(kind, &sdp, polite).await
            }
            MediaCommand::AddCandidate { candidate, .. } => {
                // A refused candidate is ignored: others may connect.
                self.state.connection()?.add_candidate(&candidate).await.ok();
                Ok(())
            }
            // An old browser without `setConfiguration` keeps its servers: the call goes on, perhaps without a relay.
            MediaCommand::SetIceServers { ice_servers, .. } => ignore_failure(self.set_ice_servers(&ice_servers).await),
            // The client tries again until its deadline.
            MediaCommand::RestartIce { .. } => ignore_failure(self.offer(true).await),
            MediaCommand::Close { .. } => Ok(()),
        }
    }

    fn connect(&self, ice_servers: &[IceServer]) -> Result<(), OperationError> {
        if self.state.is_closed() {
            return Err(OperationError::Closed);
        }
        let me = self.me.clone();
        let events = Callback::from(move |event| {
            if let Some(me) = me.upgrade()
                && !me.state.is_closed()
            {
                me.handle_event(event);
            }
        });
        let connection = self.backend.connect(ice_servers, events)?;
        self.state.parts.borrow_mut().connection = Some(connection);
        Ok(())
    }

    async fn set_ice_servers(&self, ice_servers: &[IceServer]) -> Result<(), OperationError> {
        Ok(self.state.connection()?.set_ice_servers(ice_servers).await?)
    }

    async fn offer(&self, restart_ice: bool) -> Result<(), OperationError> {
        self.hold_candidates();
        let sdp = self.state.connection()?.offer(restart_ice).await;
        self.report_description(SdpKind::Offer, sdp)
    }

    async fn answer(&self, offer: &str) -> Result<(), OperationError> {
        self.hold_candidates();
        let sdp = self.state.connection()?.answer(offer).await;
        if let Ok(answer) = &sdp {
            self.check_video(answer);
        }
        self.report_description(SdpKind::Answer, sdp)
    }

    /// Handles a remote description by perfect negotiation (WebRTC 1.0, section 10.7). Because commands run one after the
    /// other, it needs no `makingOffer` flag: a local offer is either set or not started.
    async fn set_remote_description(&self, kind: SdpKind, sdp: &str, polite: bool) -> Result<(), OperationError> {
        let connection = self.state.connection()?;
        match kind {
            // The answer to an offer that was rolled back.
            SdpKind::Answer if !connection.has_local_offer() => Ok(()),
            SdpKind::Answer => {
                connection.accept(sdp).await?;
                self.check_video(sdp);
                Ok(())
            }
            SdpKind::Offer if connection.has_local_offer() && !polite => Ok(()),
            // Later offers only restart ICE: see there.
            SdpKind::Offer => ignore_failure(self.answer(sdp).await),
        }
    }

    /// Releases the camera if an answer rejects video: nobody would see it.
    fn check_video(&self, answer: &str) {
        if sdp::rejects_video(answer) {
            self.state.change(|parts| parts.view.video = VideoNegotiation::NoCommonCodec);
            self.local.switch_camera(false);
            self.screen.switch(false);
        }
    }

    /// Holds candidates until the next description is reported: they belong to it.
    fn hold_candidates(&self) {
        self.early_candidates.borrow_mut().get_or_insert_default();
    }

    /// Reports a local description, then the candidates that were gathered before it. If there is none, they belong to the last.
    fn report_description(&self, kind: SdpKind, sdp: Result<String, ConnectionError>) -> Result<(), OperationError> {
        if self.state.is_closed() {
            return Err(OperationError::Closed);
        }
        let peer = self.state.id;
        let early_candidates = self.early_candidates.borrow_mut().take();
        let reported = sdp.map(|sdp| self.state.emit(MediaEvent::LocalDescription { peer, kind, sdp }));
        for candidate in early_candidates.into_iter().flatten() {
            self.state.emit(MediaEvent::LocalCandidate { peer, candidate });
        }
        Ok(reported?)
    }

    fn handle_event(&self, event: ConnectionEvent) {
        let peer = self.state.id;
        match event {
            ConnectionEvent::Candidate(candidate) => {
                if let Some(early_candidates) = &mut *self.early_candidates.borrow_mut() {
                    early_candidates.push(candidate);
                    return;
                }
                self.state.emit(MediaEvent::LocalCandidate { peer, candidate });
            }
            ConnectionEvent::State(state) => self.state.emit(MediaEvent::Connectivity { peer, state }),
            ConnectionEvent::Problem(problem) => self.state.emit(MediaEvent::Problem { peer, problem }),
            ConnectionEvent::LocalNetworkBlocked => self.state.emit(MediaEvent::LocalNetworkBlocked { peer }),
            ConnectionEvent::Track(track) => self.add_remote_track(track),
            ConnectionEvent::ChannelOpen => self.state.send_status(),
            ConnectionEvent::ChannelText(text) => {
                if let Some(status) = MediaStatus::from_text(&text) {
                    self.state.change(|parts| {
                        parts.remote.set_status(status);
                        parts.update_remote();
                    });
                }
            }
        }
    }

    fn add_remote_track(&self, track: MediaStreamTrack) {
        let state = Rc::downgrade(&self.state);
        let mut listeners: Vec<_> = ["mute", "unmute", "ended"]
            .map(|name| self.state.on(&state, &track, name, |state, _| state.change(PeerParts::update_remote)))
            .into();
        self.state.change(|parts| {
            parts.listeners.append(&mut listeners);
            parts.remote.add(track);
            parts.update_remote();
        });
    }
}

/// Ignores that the connection failed an operation.
const fn ignore_failure(result: Result<(), OperationError>) -> Result<(), OperationError> {
    match result {
        Err(OperationError::Problem(MediaProblem::Engine)) => Ok(()),
        result => result,
    }
}
