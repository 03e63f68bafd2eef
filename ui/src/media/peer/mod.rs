//! One peer, from asking for its devices to letting them go. Which backend connects it makes no difference here.

mod line;
mod local_devices;
mod remote;
mod screen;
mod sources;
mod state;

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
};

use hutong_core::{MediaCommand, MediaEvent, PeerId};
use hutong_protocol::{IceCandidate, IceServer, SdpKind, limits};
use web_sys::MediaStreamTrack;
use yew::Callback;

use self::{
    line::Line,
    local_devices::LocalDevices,
    screen::ScreenShare,
    state::{Parts, PeerState, Stop},
};
use super::{
    backend::Backend,
    choice::Sort,
    connection::{ConnectionEvent, Failed, Pending, TrackKind},
    engine::{Reports, Source},
    status::Status,
};

/// Commands that may wait: all held candidates and the few others of a call.
const COMMANDS_WAITING: usize = limits::CANDIDATES_HELD + 64;

/// One peer. Its commands are done strictly one after the other; closing it waits for nothing.
pub struct Peer {
    me: Weak<Self>,
    backend: Backend,
    state: Rc<PeerState>,
    commands: Line<MediaCommand>,
    /// Local candidates found before their description was reported.
    early: RefCell<Option<Vec<IceCandidate>>>,
    local: Rc<LocalDevices>,
    screen: Rc<ScreenShare>,
}

impl Peer {
    /// Nothing is asked for yet.
    pub fn new(id: PeerId, backend: Backend, reports: Reports) -> Rc<Self> {
        let state = PeerState::new(id, reports);
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            backend,
            local: LocalDevices::new(Rc::clone(&state)),
            screen: ScreenShare::new(Rc::clone(&state)),
            state,
            commands: Line::new(COMMANDS_WAITING),
            early: RefCell::new(Some(Vec::new())),
        })
    }

    /// Does this after every command before it.
    pub fn put(self: &Rc<Self>, command: MediaCommand) {
        let act = async |peer: &Self, command| peer.perform(command).await;
        self.state.work(Rc::clone(self), |peer| &peer.commands, command, act);
    }

    /// Switches a source on or off: the microphone at once, since nobody may be heard who believes not to be, and the screen
    /// at once, since it is to be had only within a click.
    pub fn switch(&self, source: Source, on: bool) {
        match source {
            _ if self.state.is_closed() => {}
            Source::Microphone => self.local.switch_microphone(on),
            Source::Screen => self.screen.switch(on),
            Source::Camera => self.local.switch_camera(on),
        }
    }

    /// Goes over to the device that is chosen now.
    pub fn change_device(&self, sort: Sort) {
        match sort {
            Sort::Microphone => self.local.change_device(TrackKind::Voice),
            Sort::Camera => self.local.change_device(TrackKind::Picture),
            // What plays is the interface's.
            Sort::Speaker => {}
        }
    }

    /// What is measured, while there is a connection.
    pub fn stats(&self) -> Option<Pending<Vec<serde_json::Value>>> {
        self.state.parts.borrow().connection.as_ref().map(|connection| connection.stats())
    }

    /// Lets go of everything at once, whatever is under way: a dialog that asks for the devices may stay open for ever.
    pub fn close(&self) {
        self.commands.clear();
        self.local.clear();
        self.state.close();
    }

    async fn perform(&self, command: MediaCommand) -> Result<(), Stop> {
        match command {
            MediaCommand::Acquire { media, ice_servers, .. } => {
                self.local.acquire(media, async { self.connect(&ice_servers) }).await
            }
            MediaCommand::Offer { .. } => self.offer(false).await,
            MediaCommand::Answer { sdp, .. } => self.answer(&sdp).await,
            MediaCommand::Remote { kind, sdp, polite, .. } => self.remote(kind, &sdp, polite).await,
            MediaCommand::AddCandidate { candidate, .. } => {
                // One that does not fit is passed over: others do.
                self.state.connection()?.add_candidate(&candidate).await.ok();
                Ok(())
            }
            MediaCommand::RestartIce { .. } => self.offer(true).await,
            MediaCommand::Close { .. } => Ok(()),
        }
    }

    fn connect(&self, ice_servers: &[IceServer]) -> Result<(), Stop> {
        if self.state.is_closed() {
            return Err(Stop::Closed);
        }
        let me = self.me.clone();
        let events = Callback::from(move |event| {
            if let Some(me) = me.upgrade()
                && !me.state.is_closed()
            {
                me.hear(event);
            }
        });
        let connection = self.backend.connect(ice_servers, events)?;
        self.state.parts.borrow_mut().connection = Some(connection);
        Ok(())
    }

    async fn offer(&self, restart_ice: bool) -> Result<(), Stop> {
        let sdp = self.state.connection()?.offer(restart_ice).await;
        self.described(SdpKind::Offer, sdp)
    }

    async fn answer(&self, offer: &str) -> Result<(), Stop> {
        let sdp = self.state.connection()?.answer(offer).await;
        self.described(SdpKind::Answer, sdp)
    }

    /// A later description, by perfect negotiation. All commands of a peer come one after the other, so an own offer in the
    /// making needs no flag: it is either set, and seen as standing, or not begun.
    async fn remote(&self, kind: SdpKind, sdp: &str, polite: bool) -> Result<(), Stop> {
        let connection = self.state.connection()?;
        match kind {
            // The answer to an offer that was taken back.
            SdpKind::Answer if !connection.offered() => Ok(()),
            SdpKind::Answer => Ok(connection.accept(sdp).await?),
            SdpKind::Offer if connection.offered() && !polite => Ok(()),
            SdpKind::Offer => self.answer(sdp).await,
        }
    }

    /// Reports a description, and then the candidates that were found before it.
    fn described(&self, kind: SdpKind, sdp: Result<String, Failed>) -> Result<(), Stop> {
        if self.state.is_closed() {
            return Err(Stop::Closed);
        }
        let peer = self.state.id;
        self.state.emit(MediaEvent::LocalDescription { peer, kind, sdp: sdp? });
        let early = self.early.borrow_mut().take();
        for candidate in early.into_iter().flatten() {
            self.state.emit(MediaEvent::LocalCandidate { peer, candidate });
        }
        Ok(())
    }

    fn hear(&self, event: ConnectionEvent) {
        let peer = self.state.id;
        match event {
            ConnectionEvent::Candidate(candidate) => {
                if let Some(early) = &mut *self.early.borrow_mut() {
                    early.push(candidate);
                    return;
                }
                self.state.emit(MediaEvent::LocalCandidate { peer, candidate });
            }
            ConnectionEvent::State(state) => self.state.emit(MediaEvent::Connectivity { peer, state }),
            ConnectionEvent::Problem(problem) => self.state.emit(MediaEvent::Problem { peer, problem }),
            ConnectionEvent::Track(track) => self.take_up(track),
            ConnectionEvent::ChannelOpen => self.state.tell_status(),
            ConnectionEvent::ChannelText(text) => {
                if let Some(status) = Status::from_text(&text) {
                    self.state.change(|parts| {
                        parts.remote.set_status(status);
                        parts.show_remote();
                    });
                }
            }
        }
    }

    /// Takes up a track of the other side.
    fn take_up(&self, track: MediaStreamTrack) {
        let state = Rc::downgrade(&self.state);
        let mut listeners: Vec<_> = ["mute", "unmute", "ended"]
            .map(|name| self.state.on(&state, &track, name, |state, _| state.change(Parts::show_remote)))
            .into();
        self.state.change(|parts| {
            parts.listeners.append(&mut listeners);
            parts.remote.add(track);
            parts.show_remote();
        });
    }
}
