//! A media engine without media: it does what it is told at once.

use std::collections::VecDeque;

use hutong_core::{Connectivity, MediaCommand, MediaEvent, PeerId};
use hutong_protocol::{IceCandidate, SdpKind};

/// One person's engine.
#[derive(Debug, Default)]
pub struct Engine {
    /// What it has to report.
    pub reports: VecDeque<MediaEvent>,
    /// Peers that hold devices.
    pub live: Vec<PeerId>,
}

impl Engine {
    pub fn obey(&mut self, command: MediaCommand) {
        let peer = command.peer();
        match command {
            MediaCommand::Acquire { .. } => {
                self.live.push(peer);
                self.reports.push_back(MediaEvent::Acquired { peer });
            }
            MediaCommand::Offer { .. } | MediaCommand::RestartIce { .. } => self.describe(peer, SdpKind::Offer),
            MediaCommand::Answer { .. } | MediaCommand::Remote { kind: SdpKind::Offer, .. } => {
                self.describe(peer, SdpKind::Answer);
                self.connected(peer);
            }
            MediaCommand::Remote { kind: SdpKind::Answer, .. } => self.connected(peer),
            MediaCommand::AddCandidate { .. } => {}
            MediaCommand::Close { .. } => {
                self.live.retain(|live| *live != peer);
                self.reports.push_back(MediaEvent::Closed { peer });
            }
        }
    }

    /// As large as a browser's.
    fn describe(&mut self, peer: PeerId, kind: SdpKind) {
        self.reports.push_back(MediaEvent::LocalDescription { peer, kind, sdp: "v=0 ".repeat(1_200) });
        for number in 0..4 {
            let candidate = IceCandidate {
                candidate: format!("candidate:{number} 1 udp 2113937151 192.0.2.1 50000 typ host"),
                sdp_mid: Some("0".into()),
                sdp_m_line_index: Some(0),
                username_fragment: None,
            };
            self.reports.push_back(MediaEvent::LocalCandidate { peer, candidate });
        }
    }

    fn connected(&mut self, peer: PeerId) {
        self.reports.push_back(MediaEvent::Connectivity { peer, state: Connectivity::Connected });
    }
}
