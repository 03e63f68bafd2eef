//! The media engine over a [backend](super::backend): routes each command to its peer.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use hutong_core::{MediaCommand, MediaEvent, MediaProblem, PeerId};

use super::{
    backend::Backend,
    capabilities::MediaCapabilities,
    device_choice::DeviceKind,
    engine::{LocalSource, MediaCallbacks, MediaEngine, StatsFuture},
    peer::MediaPeer,
};

/// The peers by their ID. The client has at most one open at a time.
pub struct PeerEngine {
    backend: Backend,
    capabilities: MediaCapabilities,
    callbacks: MediaCallbacks,
    peers: RefCell<BTreeMap<PeerId, Rc<MediaPeer>>>,
}

impl PeerEngine {
    /// Creates an engine without peers.
    pub fn new(backend: Backend, callbacks: MediaCallbacks) -> Self {
        Self { backend, capabilities: MediaCapabilities::detect(), callbacks, peers: RefCell::default() }
    }

    fn peer(&self, id: PeerId) -> Option<Rc<MediaPeer>> {
        self.peers.borrow().get(&id).cloned()
    }
}

impl MediaEngine for PeerEngine {
    fn capabilities(&self) -> MediaCapabilities {
        self.capabilities
    }

    fn perform(&self, command: MediaCommand) {
        let id = command.peer();
        if let MediaCommand::Close { peer } = command {
            let known = self.peers.borrow_mut().remove(&id);
            match known {
                Some(known) => known.close(),
                None => self.callbacks.events.emit(MediaEvent::Closed { peer }),
            }
            return;
        }
        if matches!(command, MediaCommand::Acquire { .. }) {
            self.peers
                .borrow_mut()
                .entry(id)
                .or_insert_with(|| MediaPeer::new(id, self.backend, self.callbacks.clone()));
        }
        match self.peer(id) {
            Some(peer) => peer.enqueue(command),
            None => self.callbacks.events.emit(MediaEvent::Problem { peer: id, problem: MediaProblem::Engine }),
        }
    }

    fn switch(&self, peer: PeerId, source: LocalSource, on: bool) {
        if let Some(peer) = self.peer(peer) {
            peer.switch(source, on);
        }
    }

    fn change_device(&self, peer: PeerId, kind: DeviceKind) {
        if let Some(peer) = self.peer(peer) {
            peer.change_device(kind);
        }
    }

    fn stats(&self, peer: PeerId) -> StatsFuture {
        let stats = self.peer(peer).and_then(|peer| peer.stats());
        Box::pin(async move {
            match stats {
                Some(stats) => stats.await.unwrap_or_default(),
                None => Vec::new(),
            }
        })
    }
}
