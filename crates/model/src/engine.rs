//! Model of a media engine: devices, and peer connections that learn their remote peer from session descriptions.

use std::collections::VecDeque;

use hutong_core::{Connectivity, MediaCommand, MediaEvent, MediaProblem, PeerId};
use hutong_protocol::SdpKind;

/// Model of a participant's media engine. It executes commands immediately and queues its reports; one is delivered per
/// step.
#[derive(Clone, Debug, Default, Hash)]
pub struct ModelEngine {
    /// Reports not yet delivered to the client.
    pub reports: VecDeque<MediaEvent>,
    /// Peer connections that hold devices: the local ID, and the remote participant's index and ID once known.
    pub open_peers: Vec<(PeerId, Option<(usize, PeerId)>)>,
}

impl ModelEngine {
    /// Executes a command. Ignores candidates and ICE servers, which do not affect the state of a call.
    pub fn execute(&mut self, index: usize, command: MediaCommand) {
        match command {
            MediaCommand::Acquire { peer, .. } => {
                self.open_peers.push((peer, None));
                self.reports.push_back(MediaEvent::Acquired { peer });
            }
            MediaCommand::CreateOffer { peer } | MediaCommand::RestartIce { peer } => {
                self.describe(index, peer, SdpKind::Offer);
            }
            MediaCommand::CreateAnswer { peer, sdp } => {
                self.connect(peer, &sdp);
                self.describe(index, peer, SdpKind::Answer);
                self.connected(peer);
            }
            MediaCommand::SetRemoteDescription { peer, kind, sdp, .. } => {
                self.connect(peer, &sdp);
                if kind == SdpKind::Offer {
                    self.describe(index, peer, SdpKind::Answer);
                }
                self.connected(peer);
            }
            MediaCommand::AddCandidate { .. } | MediaCommand::SetIceServers { .. } => {}
            MediaCommand::Close { peer } => {
                self.open_peers.retain(|(live, _)| *live != peer);
                self.reports.push_back(MediaEvent::Closed { peer });
            }
        }
    }

    /// Denies the devices being acquired, if that is the next report. Returns whether it was.
    pub fn deny_devices(&mut self) -> bool {
        let Some(MediaEvent::Acquired { peer }) = self.reports.front() else { return false };
        let peer = *peer;
        self.open_peers.retain(|(live, _)| *live != peer);
        self.reports[0] = MediaEvent::Problem { peer, problem: MediaProblem::CameraDenied };
        true
    }

    /// Reports interrupted media, because the remote peer was closed.
    pub fn remote_peer_closed(&mut self, peer_index: usize) {
        let Some((peer, other)) = self.open_peers.get_mut(peer_index) else { return };
        *other = None;
        let (peer, state) = (*peer, Connectivity::Disconnected);
        self.reports.push_back(MediaEvent::Connectivity { peer, state });
    }

    /// Reports interrupted media, because the network between the peers failed.
    pub fn network_failed(&mut self, peer: PeerId) {
        if self.open_peers.iter().any(|(live, other)| *live == peer && other.is_some()) {
            self.reports.push_back(MediaEvent::Connectivity { peer, state: Connectivity::Disconnected });
        }
    }

    fn describe(&mut self, index: usize, peer: PeerId, kind: SdpKind) {
        self.reports.push_back(MediaEvent::LocalDescription { peer, kind, sdp: format!("{index} {}", peer.0) });
    }

    fn connect(&mut self, peer: PeerId, sdp: &str) {
        let other =
            sdp.split_once(' ').and_then(|(index, peer)| Some((index.parse().ok()?, PeerId(peer.parse().ok()?))));
        for live in self.open_peers.iter_mut().filter(|(live, _)| *live == peer) {
            live.1 = other;
        }
    }

    fn connected(&mut self, peer: PeerId) {
        self.reports.push_back(MediaEvent::Connectivity { peer, state: Connectivity::Connected });
    }
}
