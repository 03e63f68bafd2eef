//! State of one peer that its parts share: view, connection, tracks, and whether it is closed.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
};

use hutong_core::{MediaEvent, MediaProblem, PeerId};
use wasm_bindgen_futures::spawn_local;
use web_sys::{Event, EventTarget};

use super::{
    super::{
        capture,
        connection::{ConnectionError, MediaConnection, TrackKind},
        engine::MediaCallbacks,
        status::MediaStatus,
        view::{MediaView, SourceState},
    },
    local_tracks::LocalTracks,
    operations_chain::OperationsChain,
    remote::RemoteTracks,
};
use crate::dom::EventListener;

/// State of one peer.
pub struct PeerState {
    /// The peer's ID.
    pub id: PeerId,
    callbacks: MediaCallbacks,
    closed: Cell<bool>,
    /// Never borrowed over an await.
    pub parts: RefCell<PeerParts>,
}

/// What a peer owns.
pub struct PeerParts {
    /// The view, as last reported.
    pub view: MediaView,
    /// The connection, once created.
    pub connection: Option<Rc<dyn MediaConnection>>,
    /// Listeners that live as long as the peer.
    pub listeners: Vec<EventListener>,
    /// The local tracks.
    pub tracks: LocalTracks,
    /// The remote tracks.
    pub remote: RemoteTracks,
}

/// Why an operation failed.
pub enum OperationError {
    /// The peer was closed meanwhile.
    Closed,
    /// The call cannot take place.
    Problem(MediaProblem),
}

impl From<ConnectionError> for OperationError {
    fn from(_: ConnectionError) -> Self {
        Self::Problem(MediaProblem::Engine)
    }
}

impl PeerState {
    /// Creates the state of a peer without connection and tracks.
    pub fn new(id: PeerId, callbacks: MediaCallbacks) -> Rc<Self> {
        let parts = PeerParts {
            view: MediaView::new(id),
            connection: None,
            listeners: Vec::new(),
            tracks: LocalTracks::default(),
            remote: RemoteTracks::default(),
        };
        Rc::new(Self { id, callbacks, closed: Cell::new(false), parts: RefCell::new(parts) })
    }

    /// Whether the peer is closed.
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Reports an event to the client.
    pub fn emit(&self, event: MediaEvent) {
        self.callbacks.events.emit(event);
    }

    /// The connection.
    ///
    /// # Errors
    ///
    /// When there is no connection yet, or the peer is closed.
    pub fn connection(&self) -> Result<Rc<dyn MediaConnection>, OperationError> {
        if self.is_closed() {
            return Err(OperationError::Closed);
        }
        Ok(self.parts.borrow().connection.clone().ok_or(ConnectionError)?)
    }

    /// Changes the parts, and reports the view if it has changed.
    pub fn change(&self, act: impl FnOnce(&mut PeerParts)) {
        let view = {
            let mut parts = self.parts.borrow_mut();
            let before = parts.view.clone();
            act(&mut parts);
            if parts.view == before {
                return;
            }
            parts.view.clone()
        };
        self.callbacks.views.emit(view);
    }

    /// Listens to an event on behalf of `owner`, until the peer is closed.
    pub fn on<P: 'static>(
        self: &Rc<Self>,
        owner: &Weak<P>,
        target: &EventTarget,
        event: &'static str,
        mut act: impl FnMut(&Rc<P>, Event) + 'static,
    ) -> EventListener {
        let (state, owner) = (Rc::downgrade(self), Weak::clone(owner));
        EventListener::new(target, event, move |event| {
            if let (Some(state), Some(owner)) = (state.upgrade(), owner.upgrade())
                && !state.is_closed()
            {
                act(&owner, event);
            }
        })
    }

    /// Queues an operation in a chain of `owner`, and runs the chain. Reports operations that fail.
    pub fn enqueue<P: 'static, T: 'static>(
        self: &Rc<Self>,
        owner: Rc<P>,
        chain: fn(&P) -> &OperationsChain<T>,
        operation: T,
        act: impl AsyncFn(&P, T) -> Result<(), OperationError> + 'static,
    ) {
        if self.is_closed() || !chain(&owner).push(operation) {
            return;
        }
        let state = Rc::clone(self);
        spawn_local(async move {
            while let Some(operation) = chain(&owner).next() {
                if let Err(OperationError::Problem(problem)) = act(&owner, operation).await
                    && !state.is_closed()
                {
                    state.emit(MediaEvent::Problem { peer: state.id, problem });
                }
            }
        });
    }

    /// Sends the status of the local sources to the remote side.
    pub fn send_status(&self) {
        let parts = self.parts.borrow();
        let local = parts.view.local;
        let screen = local.screen.is_on();
        let status = MediaStatus {
            microphone: local.microphone.is_on(),
            camera: local.camera.is_on() || screen,
            screen,
            no_microphone: local.microphone == SourceState::Absent,
        };
        if let Some(connection) = &parts.connection {
            connection.send_text(&status.to_text());
        }
    }

    /// Sends the current local track of this kind. Returns whether the connection accepted it.
    pub async fn send(&self, kind: TrackKind) -> bool {
        self.send_status();
        let sent = {
            let parts = self.parts.borrow();
            parts.connection.as_ref().map(|connection| connection.send(kind, parts.tracks.sent(kind)))
        };
        match sent {
            Some(sent) => sent.await.is_ok(),
            None => true,
        }
    }

    /// Releases connection, tracks and listeners, and reports `Closed`.
    pub fn close(&self) {
        self.closed.set(true);
        let (view, connection, listeners, tracks) = {
            let mut parts = self.parts.borrow_mut();
            let view = std::mem::replace(&mut parts.view, MediaView::new(self.id));
            parts.remote = RemoteTracks::default();
            let tracks = std::mem::take(&mut parts.tracks);
            (view, parts.connection.take(), std::mem::take(&mut parts.listeners), tracks)
        };
        drop(listeners);
        if let Some(connection) = connection {
            connection.close();
        }
        tracks.release();
        if let Some(remote) = view.remote_stream {
            capture::release(&remote);
        }
        self.callbacks.views.emit(MediaView::new(self.id));
        self.emit(MediaEvent::Closed { peer: self.id });
    }
}

impl PeerParts {
    /// The state of a device in the view.
    pub fn device_state(&mut self, kind: TrackKind) -> &mut SourceState {
        match kind {
            TrackKind::Audio => &mut self.view.local.microphone,
            TrackKind::Video => &mut self.view.local.camera,
        }
    }

    /// Updates the remote media in the view.
    pub fn update_remote(&mut self) {
        self.remote.update_view(&mut self.view);
    }

    /// Updates the local media in the view.
    pub fn update_local(&mut self) {
        self.tracks.update_view(&mut self.view);
    }
}
