//! One peer, from asking for its devices to letting them go. Which way it connects makes no difference here.

mod line;
mod own;
mod remote;
mod screen;

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
};

use hutong_core::{MediaCommand, MediaEvent, MediaProblem, PeerId};
use hutong_protocol::{IceCandidate, IceServer, SdpKind, limits};
use wasm_bindgen_futures::spawn_local;
use web_sys::{Event, EventTarget};
use yew::Callback;

use self::{
    line::Line,
    own::{CameraWish, Sources},
    remote::Remote,
};
use super::{
    MediaView, Reports, Sort, Source,
    connection::{Connection, ConnectionEvent, Failed, Pending, Way},
    devices,
};
use crate::dom::Listener;

/// Commands that may wait: all held candidates and the few others of a call.
const COMMANDS_WAITING: usize = limits::CANDIDATES_HELD + 64;

/// How often a device may be switched while a dialog is open.
const SWITCHES_WAITING: usize = 8;

/// One peer. Its commands are done strictly one after the other; closing it waits for nothing.
pub struct Peer {
    me: Weak<Self>,
    id: PeerId,
    way: Way,
    reports: Reports,
    closed: Cell<bool>,
    commands: Line<MediaCommand>,
    /// Lines of their own: the dialog that asks for a device may stay open, and the call goes on meanwhile.
    camera_wishes: Line<CameraWish>,
    microphone_wishes: Line<()>,
    asking_screen: Cell<bool>,
    parts: RefCell<Parts>,
}

/// What a peer holds. Borrowed only within one turn, never over an await.
struct Parts {
    view: MediaView,
    connection: Option<Rc<dyn Connection>>,
    listeners: Vec<Listener>,
    /// Local candidates found before their description was reported.
    early: Option<Vec<IceCandidate>>,
    sources: Sources,
    remote: Remote,
}

/// Why a piece of work came to no end.
enum Stop {
    /// The peer was closed meanwhile.
    Closed,
    /// For good.
    Problem(MediaProblem),
}

impl From<Failed> for Stop {
    fn from(_: Failed) -> Self {
        Self::Problem(MediaProblem::Engine)
    }
}

impl Peer {
    /// Nothing is asked for yet.
    pub fn new(id: PeerId, way: Way, reports: Reports) -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            id,
            way,
            reports,
            closed: Cell::new(false),
            commands: Line::new(COMMANDS_WAITING),
            camera_wishes: Line::new(SWITCHES_WAITING),
            microphone_wishes: Line::new(SWITCHES_WAITING),
            asking_screen: Cell::new(false),
            parts: RefCell::new(Parts {
                view: MediaView::new(id),
                connection: None,
                listeners: Vec::new(),
                early: Some(Vec::new()),
                sources: Sources::default(),
                remote: Remote::default(),
            }),
        })
    }

    /// Does this after every command before it.
    pub fn put(self: &Rc<Self>, command: MediaCommand) {
        self.work(|peer| &peer.commands, command, async |peer, command| peer.perform(command).await);
    }

    /// Switches a source on or off: the microphone at once, since nobody may be heard who believes not to be, and the screen
    /// at once, since it is to be had only within a click.
    pub fn switch(self: &Rc<Self>, source: Source, on: bool) {
        match source {
            _ if self.closed.get() => {}
            Source::Microphone => self.switch_microphone(on),
            Source::Screen => self.switch_screen(on),
            Source::Camera => self.wish(if on { CameraWish::On } else { CameraWish::Off }),
        }
    }

    /// Goes over to the device that is chosen now.
    pub fn change_device(self: &Rc<Self>, sort: Sort) {
        match sort {
            Sort::Microphone => {
                self.work(|peer| &peer.microphone_wishes, (), async |peer, ()| peer.microphone().await);
            }
            Sort::Camera => self.wish(CameraWish::Anew),
            // What plays is the interface's.
            Sort::Speaker => {}
        }
    }

    /// What is measured, while there is a connection.
    pub fn stats(&self) -> Option<Pending<Vec<serde_json::Value>>> {
        self.parts.borrow().connection.as_ref().map(|connection| connection.stats())
    }

    /// Lets go of everything at once, whatever is under way: a dialog that asks for the devices may stay open for ever.
    pub fn close(&self) {
        self.closed.set(true);
        self.commands.clear();
        self.camera_wishes.clear();
        self.microphone_wishes.clear();
        let (view, connection, listeners, sources) = {
            let mut parts = self.parts.borrow_mut();
            let view = std::mem::replace(&mut parts.view, MediaView::new(self.id));
            parts.remote = Remote::default();
            let sources = std::mem::take(&mut parts.sources);
            (view, parts.connection.take(), std::mem::take(&mut parts.listeners), sources)
        };
        drop(listeners);
        if let Some(connection) = connection {
            connection.close();
        }
        sources.release();
        if let Some(remote) = view.remote {
            devices::release(&remote);
        }
        self.reports.views.emit(MediaView::new(self.id));
        self.reports.events.emit(MediaEvent::Closed { peer: self.id });
    }

    fn wish(self: &Rc<Self>, wish: CameraWish) {
        self.work(|peer| &peer.camera_wishes, wish, async |peer, wish| peer.camera(wish).await);
    }

    /// Does this after everything else in the same line.
    fn work<T: 'static>(
        self: &Rc<Self>,
        line: fn(&Self) -> &Line<T>,
        work: T,
        act: impl AsyncFn(&Self, T) -> Result<(), Stop> + 'static,
    ) {
        if self.closed.get() || !line(self).put(work) {
            return;
        }
        let peer = Rc::clone(self);
        spawn_local(async move {
            while let Some(work) = line(&peer).next() {
                peer.report(act(&peer, work).await);
            }
        });
    }

    fn report(&self, done: Result<(), Stop>) {
        if let Err(Stop::Problem(problem)) = done
            && !self.closed.get()
        {
            self.reports.events.emit(MediaEvent::Problem { peer: self.id, problem });
        }
    }

    async fn perform(&self, command: MediaCommand) -> Result<(), Stop> {
        match command {
            MediaCommand::Acquire { media, ice_servers, .. } => self.acquire(media, &ice_servers).await,
            MediaCommand::Offer { .. } => self.offer(false).await,
            MediaCommand::Answer { sdp, .. } => self.answer(&sdp).await,
            MediaCommand::Remote { kind, sdp, polite, .. } => self.remote(kind, &sdp, polite).await,
            MediaCommand::AddCandidate { candidate, .. } => {
                // One that does not fit is passed over: others do.
                self.connection()?.add_candidate(&candidate).await.ok();
                Ok(())
            }
            MediaCommand::RestartIce { .. } => self.offer(true).await,
            MediaCommand::Close { .. } => Ok(()),
        }
    }

    fn connect(&self, ice_servers: &[IceServer]) -> Result<(), Stop> {
        if self.closed.get() {
            return Err(Stop::Closed);
        }
        let me = self.me.clone();
        let events = Callback::from(move |event| {
            if let Some(me) = me.upgrade()
                && !me.closed.get()
            {
                me.hear(event);
            }
        });
        let connection = self.way.connect(ice_servers, events)?;
        self.parts.borrow_mut().connection = Some(connection);
        Ok(())
    }

    fn connection(&self) -> Result<Rc<dyn Connection>, Stop> {
        if self.closed.get() {
            return Err(Stop::Closed);
        }
        Ok(self.parts.borrow().connection.clone().ok_or(Failed)?)
    }

    async fn offer(&self, restart_ice: bool) -> Result<(), Stop> {
        let sdp = self.connection()?.offer(restart_ice).await;
        self.described(SdpKind::Offer, sdp)
    }

    async fn answer(&self, offer: &str) -> Result<(), Stop> {
        let sdp = self.connection()?.answer(offer).await;
        self.described(SdpKind::Answer, sdp)
    }

    /// A later description, by perfect negotiation. All commands of a peer come one after the other, so an own offer in the
    /// making needs no flag: it is either set, and seen as standing, or not begun.
    async fn remote(&self, kind: SdpKind, sdp: &str, polite: bool) -> Result<(), Stop> {
        let connection = self.connection()?;
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
        if self.closed.get() {
            return Err(Stop::Closed);
        }
        let peer = self.id;
        self.reports.events.emit(MediaEvent::LocalDescription { peer, kind, sdp: sdp? });
        let early = self.parts.borrow_mut().early.take();
        for candidate in early.into_iter().flatten() {
            self.reports.events.emit(MediaEvent::LocalCandidate { peer, candidate });
        }
        Ok(())
    }

    fn hear(&self, event: ConnectionEvent) {
        let peer = self.id;
        match event {
            ConnectionEvent::Candidate(candidate) => {
                if let Some(early) = &mut self.parts.borrow_mut().early {
                    early.push(candidate);
                    return;
                }
                self.reports.events.emit(MediaEvent::LocalCandidate { peer, candidate });
            }
            ConnectionEvent::State(state) => self.reports.events.emit(MediaEvent::Connectivity { peer, state }),
            ConnectionEvent::Problem(problem) => self.reports.events.emit(MediaEvent::Problem { peer, problem }),
            ConnectionEvent::Track(track) => self.track(track),
            ConnectionEvent::ChannelOpen => self.tell_status(),
            ConnectionEvent::ChannelText(text) => self.hear_status(&text),
        }
    }

    /// Changes what is held, and shows it where it differs.
    fn change(&self, act: impl FnOnce(&mut Parts)) {
        let view = {
            let mut parts = self.parts.borrow_mut();
            let before = parts.view.clone();
            act(&mut parts);
            if parts.view == before {
                return;
            }
            parts.view.clone()
        };
        self.reports.views.emit(view);
    }

    fn on(&self, target: &EventTarget, event: &'static str, mut act: impl FnMut(&Self, Event) + 'static) -> Listener {
        let me = self.me.clone();
        Listener::new(target, event, move |event| {
            if let Some(me) = me.upgrade()
                && !me.closed.get()
            {
                act(&me, event);
            }
        })
    }
}
