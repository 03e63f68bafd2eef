//! The engine: peers by their number, whichever backend connects them.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use hutong_core::{MediaCommand, MediaEvent, MediaProblem, PeerId};

use super::{
    abilities::Abilities,
    backend::Backend,
    choice::Sort,
    engine::{Engine, Reports, Source, Stats},
    peer::Peer,
};

/// There is at most one peer at a time, and one more while it is being let go.
pub struct Peers {
    backend: Backend,
    abilities: Abilities,
    reports: Reports,
    peers: RefCell<BTreeMap<PeerId, Rc<Peer>>>,
}

impl Peers {
    /// No peers yet.
    pub fn new(backend: Backend, reports: Reports) -> Self {
        Self { backend, abilities: Abilities::found(), reports, peers: RefCell::default() }
    }

    fn known(&self, id: PeerId) -> Option<Rc<Peer>> {
        self.peers.borrow().get(&id).cloned()
    }
}

impl Engine for Peers {
    fn abilities(&self) -> Abilities {
        self.abilities
    }

    fn perform(&self, command: MediaCommand) {
        let id = command.peer();
        if let MediaCommand::Close { peer } = command {
            let known = self.peers.borrow_mut().remove(&id);
            match known {
                Some(known) => known.close(),
                None => self.reports.events.emit(MediaEvent::Closed { peer }),
            }
            return;
        }
        if matches!(command, MediaCommand::Acquire { .. }) {
            self.peers.borrow_mut().entry(id).or_insert_with(|| Peer::new(id, self.backend, self.reports.clone()));
        }
        match self.known(id) {
            Some(peer) => peer.put(command),
            None => self.reports.events.emit(MediaEvent::Problem { peer: id, problem: MediaProblem::Engine }),
        }
    }

    fn switch(&self, peer: PeerId, source: Source, on: bool) {
        if let Some(peer) = self.known(peer) {
            peer.switch(source, on);
        }
    }

    fn change(&self, peer: PeerId, sort: Sort) {
        if let Some(peer) = self.known(peer) {
            peer.change_device(sort);
        }
    }

    fn stats(&self, peer: PeerId) -> Stats {
        let stats = self.known(peer).and_then(|peer| peer.stats());
        Box::pin(async move {
            match stats {
                Some(stats) => stats.await.unwrap_or_default(),
                None => Vec::new(),
            }
        })
    }
}
