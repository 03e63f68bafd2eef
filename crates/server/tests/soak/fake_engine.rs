//! Fake media engine: reports success for every command at once.

use std::collections::VecDeque;

use hutong_core::{Connectivity, MediaCommand, MediaEvent, PeerId};
use hutong_protocol::{IceCandidate, SdpKind};

/// Fake media engine of one user.
#[derive(Debug, Default)]
pub struct FakeEngine {
    /// Events to hand to the client.
    pub events: VecDeque<MediaEvent>,
    /// Peers whose devices are open.
    pub open_peers: Vec<PeerId>,
}

impl FakeEngine {
    pub fn run(&mut self, command: MediaCommand) {
        let peer = command.peer();
        match command {
            MediaCommand::Acquire { .. } => {
                self.open_peers.push(peer);
                self.events.push_back(MediaEvent::Acquired { peer });
            }
            MediaCommand::CreateOffer { .. } | MediaCommand::RestartIce { .. } => self.describe(peer, SdpKind::Offer),
            MediaCommand::CreateAnswer { .. } | MediaCommand::SetRemoteDescription { kind: SdpKind::Offer, .. } => {
                self.describe(peer, SdpKind::Answer);
                self.connected(peer);
            }
            MediaCommand::SetRemoteDescription { kind: SdpKind::Answer, .. } => self.connected(peer),
            MediaCommand::AddCandidate { .. } | MediaCommand::SetIceServers { .. } => {}
            MediaCommand::Close { .. } => {
                self.open_peers.retain(|open| *open != peer);
                self.events.push_back(MediaEvent::Closed { peer });
            }
        }
    }

    /// Reports a description and candidates of the size that a browser produces.
    fn describe(&mut self, peer: PeerId, kind: SdpKind) {
        self.events.push_back(MediaEvent::LocalDescription { peer, kind, sdp: "v=0 ".repeat(1_200) });
        for number in 0..4 {
            let candidate = IceCandidate {
                candidate: format!("candidate:{number} 1 udp 2113937151 192.0.2.1 50000 typ host"),
                sdp_mid: Some("0".into()),
                sdp_m_line_index: Some(0),
                username_fragment: None,
            };
            self.events.push_back(MediaEvent::LocalCandidate { peer, candidate });
        }
    }

    fn connected(&mut self, peer: PeerId) {
        self.events.push_back(MediaEvent::Connectivity { peer, state: Connectivity::Connected });
    }
}
