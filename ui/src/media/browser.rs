//! The engine on the browser's `RTCPeerConnection`.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use hutong_core::{MediaCommand, MediaEvent, MediaProblem, PeerId};
use wasm_bindgen::JsValue;

use super::{Engine, Reports, Source, peer::Peer};
use crate::dom;

/// Peers by their number. There is at most one at a time, and one more while it is being let go.
pub struct Browser {
    reports: Reports,
    peers: RefCell<BTreeMap<PeerId, Rc<Peer>>>,
}

impl Browser {
    /// Whether this browser or webview has peer connections.
    pub fn is_here() -> bool {
        dom::window().is_some_and(|window| dom::property(&JsValue::from(window), "RTCPeerConnection").is_some())
    }

    /// No peers yet.
    pub fn new(reports: Reports) -> Self {
        Self { reports, peers: RefCell::default() }
    }
}

impl Engine for Browser {
    fn can_call(&self) -> bool {
        true
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
            self.peers.borrow_mut().entry(id).or_insert_with(|| Peer::new(id, self.reports.clone()));
        }
        let peer = self.peers.borrow().get(&id).cloned();
        match peer {
            Some(peer) => peer.put(command),
            None => self.reports.events.emit(MediaEvent::Problem { peer: id, problem: MediaProblem::Engine }),
        }
    }

    fn switch(&self, peer: PeerId, source: Source, on: bool) {
        let peer = self.peers.borrow().get(&peer).cloned();
        if let Some(peer) = peer {
            peer.switch(source, on);
        }
    }
}
