//! A media engine as the model has it: devices, and peer connections that learn from descriptions whom they are connected to.

use std::collections::VecDeque;

use hutong_core::{Connectivity, MediaCommand, MediaEvent, MediaProblem, PeerId};
use hutong_protocol::SdpKind;

/// One person's engine. It does what it is told at once, and reports one thing a step, in order.
#[derive(Clone, Debug, Default, Hash)]
pub struct Engine {
    /// What it has to report.
    pub reports: VecDeque<MediaEvent>,
    /// Peer connections that hold devices: ours, and whose theirs is.
    pub live: Vec<(PeerId, Option<(usize, PeerId)>)>,
}

impl Engine {
    /// Does what the client says. Candidates are left out: they change no state of a call.
    pub fn obey(&mut self, who: usize, command: MediaCommand) {
        match command {
            MediaCommand::Acquire { peer, .. } => {
                self.live.push((peer, None));
                self.reports.push_back(MediaEvent::Acquired { peer });
            }
            MediaCommand::Offer { peer } | MediaCommand::RestartIce { peer } => {
                self.describe(who, peer, SdpKind::Offer);
            }
            MediaCommand::Answer { peer, sdp } => {
                self.connect(peer, &sdp);
                self.describe(who, peer, SdpKind::Answer);
                self.connected(peer);
            }
            MediaCommand::Remote { peer, kind, sdp, .. } => {
                self.connect(peer, &sdp);
                if kind == SdpKind::Offer {
                    self.describe(who, peer, SdpKind::Answer);
                }
                self.connected(peer);
            }
            MediaCommand::AddCandidate { .. } => {}
            MediaCommand::Close { peer } => {
                self.live.retain(|(live, _)| *live != peer);
                self.reports.push_back(MediaEvent::Closed { peer });
            }
        }
    }

    /// The person refuses the devices that are being asked for, where that is what is to be reported next.
    pub fn refuse(&mut self) -> bool {
        let Some(MediaEvent::Acquired { peer }) = self.reports.front() else { return false };
        let peer = *peer;
        self.live.retain(|(live, _)| *live != peer);
        self.reports[0] = MediaEvent::Problem { peer, problem: MediaProblem::CameraDenied };
        true
    }

    /// Media has stopped, since the other end is gone.
    pub fn other_end_gone(&mut self, place: usize) {
        let Some((peer, other)) = self.live.get_mut(place) else { return };
        *other = None;
        let (peer, state) = (*peer, Connectivity::Disconnected);
        self.reports.push_back(MediaEvent::Connectivity { peer, state });
    }

    /// Media has stopped, though the other end is there: the network between them is broken.
    pub fn network_broken(&mut self, peer: PeerId) {
        if self.live.iter().any(|(live, other)| *live == peer && other.is_some()) {
            self.reports.push_back(MediaEvent::Connectivity { peer, state: Connectivity::Disconnected });
        }
    }

    fn describe(&mut self, who: usize, peer: PeerId, kind: SdpKind) {
        self.reports.push_back(MediaEvent::LocalDescription { peer, kind, sdp: format!("{who} {}", peer.0) });
    }

    fn connect(&mut self, peer: PeerId, sdp: &str) {
        let other = sdp.split_once(' ').and_then(|(who, peer)| Some((who.parse().ok()?, PeerId(peer.parse().ok()?))));
        for live in self.live.iter_mut().filter(|(live, _)| *live == peer) {
            live.1 = other;
        }
    }

    fn connected(&mut self, peer: PeerId) {
        self.reports.push_back(MediaEvent::Connectivity { peer, state: Connectivity::Connected });
    }
}
