//! One peer, from asking for its devices to letting them go.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::{Rc, Weak},
};

use futures_util::future::join;
use hutong_core::{Connectivity, MediaCommand, MediaEvent, MediaProblem, PeerId};
use hutong_protocol::{IceCandidate, IceServer, MediaKind, SdpKind, limits};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Event, MediaStream, MediaStreamTrack, MessageEvent, RtcDataChannelState, RtcTrackEvent};

use super::{
    MediaView, Reports, Sending, Source,
    connection::{self, Connection, Failed, Negotiation},
    devices,
    status::Status,
};
use crate::dom::{self, Listener};

/// Commands that may wait: all held candidates and the few others of a call.
const COMMANDS_WAITING: usize = limits::CANDIDATES_HELD + 64;

/// How often the camera's button may be pressed while a dialog is open.
const SWITCHES_WAITING: usize = 8;

/// One peer. Its commands are done strictly one after the other; closing it waits for nothing.
pub struct Peer {
    me: Weak<Self>,
    id: PeerId,
    reports: Reports,
    closed: Cell<bool>,
    commands: Line<MediaCommand>,
    /// A line of its own: the dialog that asks for the camera may stay open, and the call goes on meanwhile.
    camera: Line<bool>,
    parts: RefCell<Parts>,
}

/// Work that waits to be done one after the other.
struct Line<T> {
    waiting: RefCell<VecDeque<T>>,
    working: Cell<bool>,
    most: usize,
}

/// What a peer holds. Borrowed only within one turn, never over an await.
struct Parts {
    view: MediaView,
    connection: Option<Connection>,
    listeners: Vec<Listener>,
    /// Local candidates found before their description was reported.
    early: Option<Vec<IceCandidate>>,
    connectivity: Option<Connectivity>,
    remote_tracks: Vec<MediaStreamTrack>,
    /// Whether the other side's picture has come at some time.
    pictured: bool,
    status: Option<Status>,
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
    pub fn new(id: PeerId, reports: Reports) -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            id,
            reports,
            closed: Cell::new(false),
            commands: Line::new(COMMANDS_WAITING),
            camera: Line::new(SWITCHES_WAITING),
            parts: RefCell::new(Parts {
                view: MediaView::new(id),
                connection: None,
                listeners: Vec::new(),
                early: Some(Vec::new()),
                connectivity: None,
                remote_tracks: Vec::new(),
                pictured: false,
                status: None,
            }),
        })
    }

    /// Does this after every command before it.
    pub fn put(self: &Rc<Self>, command: MediaCommand) {
        if self.closed.get() || !self.commands.put(command) {
            return;
        }
        let peer = Rc::clone(self);
        spawn_local(async move {
            while let Some(command) = peer.commands.next() {
                peer.report(peer.perform(command).await);
            }
        });
    }

    /// Switches a source on or off: the microphone at once, since nobody may be heard who believes not to be.
    pub fn switch(self: &Rc<Self>, source: Source, on: bool) {
        if self.closed.get() {
            return;
        }
        if source == Source::Microphone {
            self.switch_microphone(on);
            return;
        }
        if !self.camera.put(on) {
            return;
        }
        let peer = Rc::clone(self);
        spawn_local(async move {
            while let Some(on) = peer.camera.next() {
                peer.report(peer.switch_camera(on).await);
            }
        });
    }

    /// Lets go of everything at once, whatever is under way: a dialog that asks for the devices may stay open for ever.
    pub fn close(&self) {
        self.closed.set(true);
        self.commands.clear();
        self.camera.clear();
        let (view, connection, listeners) = {
            let mut parts = self.parts.borrow_mut();
            let view = std::mem::replace(&mut parts.view, MediaView::new(self.id));
            parts.remote_tracks.clear();
            (view, parts.connection.take(), std::mem::take(&mut parts.listeners))
        };
        drop(listeners);
        drop(connection);
        for stream in [view.local, view.remote].into_iter().flatten() {
            devices::release(&stream);
        }
        self.reports.views.emit(MediaView::new(self.id));
        self.reports.events.emit(MediaEvent::Closed { peer: self.id });
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
            MediaCommand::Offer { .. } => {
                let negotiation = self.negotiation()?;
                if self.parts.borrow().view.own.camera == Sending::Absent {
                    negotiation.receive_video();
                }
                let sdp = negotiation.offer(false).await;
                self.described(SdpKind::Offer, sdp)
            }
            MediaCommand::Answer { sdp, .. } => {
                let negotiation = self.negotiation()?;
                negotiation.set_remote(SdpKind::Offer, &sdp).await?;
                let sdp = negotiation.answer().await;
                self.described(SdpKind::Answer, sdp)
            }
            MediaCommand::Remote { kind, sdp, polite, .. } => self.remote(kind, &sdp, polite).await,
            MediaCommand::AddCandidate { candidate, .. } => {
                self.negotiation()?.add(&candidate).await;
                Ok(())
            }
            MediaCommand::RestartIce { .. } => {
                let sdp = self.negotiation()?.offer(true).await;
                self.described(SdpKind::Offer, sdp)
            }
            MediaCommand::Close { .. } => Ok(()),
        }
    }

    async fn acquire(&self, media: MediaKind, ice_servers: &[IceServer]) -> Result<(), Stop> {
        // Devices take their time, and a connection takes some too: both at once.
        let (stream, connected) = join(devices::acquire(media), async { self.connect(ice_servers) }).await;
        let stream = stream.map_err(Stop::Problem)?;
        if self.closed.get() {
            devices::release(&stream);
            return Err(Stop::Closed);
        }
        let mut listeners: Vec<_> = devices::tracks(&stream).iter().map(|track| self.watch_own(track)).collect();
        self.change(|parts| {
            parts.listeners.append(&mut listeners);
            parts.view.own.microphone = Sending::On;
            if media == MediaKind::Video {
                parts.view.own.camera = Sending::On;
            }
            if let Some(connection) = &parts.connection {
                connection.send(&stream);
            }
            parts.view.local = Some(stream);
        });
        connected?;
        self.reports.events.emit(MediaEvent::Acquired { peer: self.id });
        Ok(())
    }

    /// A later description, by perfect negotiation. All commands of a peer come one after the other, so an own offer in the
    /// making needs no flag: it is either set, and seen in the signaling state, or not begun.
    async fn remote(&self, kind: SdpKind, sdp: &str, polite: bool) -> Result<(), Stop> {
        let negotiation = self.negotiation()?;
        match kind {
            // The answer to an offer that was taken back.
            SdpKind::Answer if !negotiation.offered() => Ok(()),
            SdpKind::Answer => Ok(negotiation.set_remote(SdpKind::Answer, sdp).await?),
            SdpKind::Offer if negotiation.offered() && !polite => Ok(()),
            SdpKind::Offer => {
                // Where an own offer stands, the browser takes it back by itself.
                negotiation.set_remote(SdpKind::Offer, sdp).await?;
                let sdp = negotiation.answer().await;
                self.described(SdpKind::Answer, sdp)
            }
        }
    }

    fn negotiation(&self) -> Result<Negotiation, Stop> {
        if self.closed.get() {
            return Err(Stop::Closed);
        }
        let parts = self.parts.borrow();
        Ok(parts.connection.as_ref().ok_or(Failed)?.negotiation())
    }

    fn connect(&self, ice_servers: &[IceServer]) -> Result<(), Stop> {
        if self.closed.get() {
            return Err(Stop::Closed);
        }
        let connection = Connection::new(ice_servers)?;
        let raw = connection.raw();
        let mut listeners = vec![
            self.on(raw, "icecandidate", |peer, event| peer.found(&event)),
            self.on(raw, "track", |peer, event| peer.track(event)),
            self.on(raw, "connectionstatechange", |peer, _| peer.connectivity()),
            self.on(raw, "iceconnectionstatechange", |peer, _| peer.connectivity()),
            self.on(connection.status(), "open", |peer, _| peer.tell_status()),
            self.on(connection.status(), "message", |peer, event| peer.hear_status(&event)),
        ];
        let mut parts = self.parts.borrow_mut();
        parts.listeners.append(&mut listeners);
        parts.connection = Some(connection);
        Ok(())
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

    fn found(&self, event: &JsValue) {
        let Some(candidate) = connection::candidate(event) else { return };
        if let Some(early) = &mut self.parts.borrow_mut().early {
            early.push(candidate);
            return;
        }
        self.reports.events.emit(MediaEvent::LocalCandidate { peer: self.id, candidate });
    }

    fn connectivity(&self) {
        let state = {
            let mut parts = self.parts.borrow_mut();
            let state = parts.connection.as_ref().and_then(Connection::connectivity);
            if state == parts.connectivity {
                return;
            }
            parts.connectivity = state;
            state
        };
        if let Some(state) = state {
            self.reports.events.emit(MediaEvent::Connectivity { peer: self.id, state });
        }
    }

    fn track(&self, event: Event) {
        let Ok(event) = event.dyn_into::<RtcTrackEvent>() else { return };
        let track = event.track();
        let mut listeners: Vec<_> =
            ["mute", "unmute", "ended"].map(|name| self.on(&track, name, |peer, _| peer.change(Parts::see))).into();
        self.change(|parts| {
            parts.listeners.append(&mut listeners);
            if parts.view.remote.is_none() {
                parts.view.remote = MediaStream::new().ok();
            }
            parts.remote_tracks.push(track);
            parts.see();
        });
    }

    fn hear_status(&self, event: &Event) {
        let text = event.dyn_ref::<MessageEvent>().and_then(|event| event.data().as_string());
        if let Some(status) = text.as_deref().and_then(Status::from_text) {
            self.change(|parts| {
                parts.status = Some(status);
                parts.see();
            });
        }
    }

    fn tell_status(&self) {
        let parts = self.parts.borrow();
        let own = parts.view.own;
        let status = Status { microphone: own.microphone.is_on(), camera: own.camera.is_on() };
        if let Some(connection) = &parts.connection
            && connection.status().ready_state() == RtcDataChannelState::Open
        {
            connection.status().send_with_str(&status.to_text()).ok();
        }
    }

    fn switch_microphone(&self, on: bool) {
        self.change(|parts| {
            if matches!(parts.view.own.microphone, Sending::Absent | Sending::Lost) {
                return;
            }
            parts.view.own.microphone = if on { Sending::On } else { Sending::Off };
            for track in parts.own_tracks("audio") {
                track.set_enabled(on);
            }
        });
        self.tell_status();
    }

    /// Off lets go of the camera, so that its light goes out; on asks for it anew.
    async fn switch_camera(&self, on: bool) -> Result<(), Stop> {
        let camera = self.parts.borrow().view.own.camera;
        if self.closed.get() || camera == Sending::Absent || camera.is_on() == on {
            return Ok(());
        }
        let track = if on {
            let track = devices::camera().await;
            if self.closed.get() {
                if let Ok(track) = track {
                    track.stop();
                }
                return Err(Stop::Closed);
            }
            match track {
                Ok(track) => Some(track),
                Err(_) => {
                    self.change(|parts| parts.view.own.camera = Sending::Lost);
                    return Ok(());
                }
            }
        } else {
            None
        };
        let sender = self.parts.borrow().connection.as_ref().and_then(|connection| connection.sender("video"));
        let mut listener = track.as_ref().map(|track| self.watch_own(track));
        self.change(|parts| {
            for old in parts.own_tracks("video") {
                old.stop();
                if let Some(local) = &parts.view.local {
                    local.remove_track(&old);
                }
            }
            if let (Some(local), Some(track)) = (&parts.view.local, &track) {
                local.add_track(track);
            }
            parts.listeners.extend(listener.take());
            parts.view.own.camera = if on { Sending::On } else { Sending::Off };
        });
        self.tell_status();
        if let Some(sender) = sender {
            drop(JsFuture::from(sender.replace_track(track.as_ref())).await);
        }
        Ok(())
    }

    /// A device that goes away by itself: unplugged, or taken by the system. Stopping a track ourselves is not told here.
    fn watch_own(&self, track: &MediaStreamTrack) -> Listener {
        let camera = track.kind() == "video";
        self.on(track, "ended", move |peer, _| {
            peer.change(|parts| {
                let own = &mut parts.view.own;
                *(if camera { &mut own.camera } else { &mut own.microphone }) = Sending::Lost;
            });
            peer.tell_status();
        })
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

    fn on(
        &self,
        target: &web_sys::EventTarget,
        event: &'static str,
        mut act: impl FnMut(&Self, Event) + 'static,
    ) -> Listener {
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

impl<T> Line<T> {
    fn new(most: usize) -> Self {
        Self { waiting: RefCell::default(), working: Cell::new(false), most }
    }

    /// Adds to the end, unless too much waits; tells whether somebody has to begin with the work.
    fn put(&self, work: T) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= self.most {
            return false;
        }
        waiting.push_back(work);
        !self.working.replace(true)
    }

    /// What to do next. Whoever gets nothing has ended the work.
    fn next(&self) -> Option<T> {
        let next = self.waiting.borrow_mut().pop_front();
        self.working.set(next.is_some());
        next
    }

    fn clear(&self) {
        self.waiting.borrow_mut().clear();
    }
}

impl Parts {
    /// Works out anew what of the other side is seen and heard.
    fn see(&mut self) {
        let picture = self.remote_tracks.iter().any(|track| {
            track.kind() == "video"
                && !track.muted()
                && dom::text_property(track, "readyState").as_deref() == Some("live")
        });
        self.view.other.camera = self.status.is_none_or(|status| status.camera);
        self.view.other.picture = picture && self.view.other.camera;
        self.view.other.microphone = self.status.is_none_or(|status| status.microphone);
        self.pictured |= self.view.other.picture;
        self.gather();
    }

    /// Puts together what is played. A picture that is not sent yet is left out: browsers hold the sound back until the
    /// first frame of a picture that they are given.
    fn gather(&mut self) {
        let plays = |track: &MediaStreamTrack| track.kind() != "video" || self.view.other.camera || self.pictured;
        let Some(remote) = &self.view.remote else { return };
        if !devices::tracks(remote).iter().all(plays) {
            // Players take up a stream anew, but not one that has lost a track.
            let Ok(fresh) = MediaStream::new() else { return };
            self.remote_tracks.iter().filter(|track| plays(track)).for_each(|track| fresh.add_track(track));
            self.view.remote = Some(fresh);
            return;
        }
        self.remote_tracks.iter().filter(|track| plays(track)).for_each(|track| remote.add_track(track));
    }

    fn own_tracks(&self, kind: &str) -> Vec<MediaStreamTrack> {
        let tracks = self.view.local.iter().flat_map(devices::tracks);
        tracks.filter(|track| track.kind() == kind).collect()
    }
}
