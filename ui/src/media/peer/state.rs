//! What the parts of one peer share: its view, its connection, its tracks, and whether it is closed.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
};

use hutong_core::{MediaEvent, MediaProblem, PeerId};
use wasm_bindgen_futures::spawn_local;
use web_sys::{Event, EventTarget};

use super::{
    super::{
        connection::{Connection, Failed, TrackKind},
        devices,
        engine::Reports,
        status::Status,
        view::{MediaView, Sending},
    },
    line::Line,
    remote::RemoteTracks,
    sources::Sources,
};
use crate::dom::Listener;

/// State of one peer, for all its parts.
pub struct PeerState {
    /// Its number.
    pub id: PeerId,
    reports: Reports,
    closed: Cell<bool>,
    /// What it holds. Borrowed only within one turn, never over an await.
    pub parts: RefCell<Parts>,
}

/// What a peer holds.
pub struct Parts {
    /// What there is to see.
    pub view: MediaView,
    /// Once it is made.
    pub connection: Option<Rc<dyn Connection>>,
    /// What listens for as long as the peer is there.
    pub listeners: Vec<Listener>,
    /// The own tracks.
    pub sources: Sources,
    /// The other side's.
    pub remote: RemoteTracks,
}

/// Why a piece of work came to no end.
pub enum Stop {
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

impl PeerState {
    /// Holds nothing yet.
    pub fn new(id: PeerId, reports: Reports) -> Rc<Self> {
        let parts = Parts {
            view: MediaView::new(id),
            connection: None,
            listeners: Vec::new(),
            sources: Sources::default(),
            remote: RemoteTracks::default(),
        };
        Rc::new(Self { id, reports, closed: Cell::new(false), parts: RefCell::new(parts) })
    }

    /// Whether everything was let go of.
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Reports an event to the client.
    pub fn emit(&self, event: MediaEvent) {
        self.reports.events.emit(event);
    }

    /// The connection.
    ///
    /// # Errors
    ///
    /// When there is none, or none any more.
    pub fn connection(&self) -> Result<Rc<dyn Connection>, Stop> {
        if self.is_closed() {
            return Err(Stop::Closed);
        }
        Ok(self.parts.borrow().connection.clone().ok_or(Failed)?)
    }

    /// Changes what is held, and shows it where it differs.
    pub fn change(&self, act: impl FnOnce(&mut Parts)) {
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

    /// Listens on behalf of a part, as long as the peer is not closed.
    pub fn on<P: 'static>(
        self: &Rc<Self>,
        part: &Weak<P>,
        target: &EventTarget,
        event: &'static str,
        mut act: impl FnMut(&Rc<P>, Event) + 'static,
    ) -> Listener {
        let (state, part) = (Rc::downgrade(self), Weak::clone(part));
        Listener::new(target, event, move |event| {
            if let (Some(state), Some(part)) = (state.upgrade(), part.upgrade())
                && !state.is_closed()
            {
                act(&part, event);
            }
        })
    }

    /// Does this after everything else in the same line of a part, and reports what came of it.
    pub fn work<P: 'static, T: 'static>(
        self: &Rc<Self>,
        part: Rc<P>,
        line: fn(&P) -> &Line<T>,
        work: T,
        act: impl AsyncFn(&P, T) -> Result<(), Stop> + 'static,
    ) {
        if self.is_closed() || !line(&part).put(work) {
            return;
        }
        let state = Rc::clone(self);
        spawn_local(async move {
            while let Some(work) = line(&part).next() {
                if let Err(Stop::Problem(problem)) = act(&part, work).await
                    && !state.is_closed()
                {
                    state.emit(MediaEvent::Problem { peer: state.id, problem });
                }
            }
        });
    }

    /// Tells the other side what is sent.
    pub fn tell_status(&self) {
        let parts = self.parts.borrow();
        let own = parts.view.own;
        let screen = own.screen.is_on();
        let status = Status { microphone: own.microphone.is_on(), camera: own.camera.is_on() || screen, screen };
        if let Some(connection) = &parts.connection {
            connection.send_text(&status.to_text());
        }
    }

    /// Sends what is held now; tells whether the connection takes it.
    pub async fn send(&self, kind: TrackKind) -> bool {
        self.tell_status();
        let sent = {
            let parts = self.parts.borrow();
            parts.connection.as_ref().map(|connection| connection.send(kind, parts.sources.sent(kind)))
        };
        match sent {
            Some(sent) => sent.await.is_ok(),
            None => true,
        }
    }

    /// Lets go of everything, and reports that.
    pub fn close(&self) {
        self.closed.set(true);
        let (view, connection, listeners, sources) = {
            let mut parts = self.parts.borrow_mut();
            let view = std::mem::replace(&mut parts.view, MediaView::new(self.id));
            parts.remote = RemoteTracks::default();
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
        self.emit(MediaEvent::Closed { peer: self.id });
    }
}

impl Parts {
    /// What is sent of a device, in the view.
    pub fn state(&mut self, kind: TrackKind) -> &mut Sending {
        match kind {
            TrackKind::Voice => &mut self.view.own.microphone,
            TrackKind::Picture => &mut self.view.own.camera,
        }
    }

    /// Shows what of the other side is seen and heard now.
    pub fn show_remote(&mut self) {
        self.remote.show(&mut self.view);
    }

    /// Shows what is sent now.
    pub fn show_own(&mut self) {
        self.sources.show(&mut self.view);
    }
}
