//! The media engine where no backend works: it answers every command with a failure.

use hutong_core::{MediaCommand, MediaEvent, MediaProblem, PeerId};

use super::{
    capabilities::MediaCapabilities,
    device_choice::DeviceKind,
    engine::{LocalSource, MediaCallbacks, MediaEngine, StatsFuture},
};

/// Answers every command with [`MediaProblem::NotSupported`], so that the client never waits.
pub struct UnsupportedEngine {
    callbacks: MediaCallbacks,
}

impl UnsupportedEngine {
    /// Creates the engine.
    pub fn new(callbacks: MediaCallbacks) -> Self {
        Self { callbacks }
    }
}

impl MediaEngine for UnsupportedEngine {
    fn capabilities(&self) -> MediaCapabilities {
        MediaCapabilities::default()
    }

    fn perform(&self, command: MediaCommand) {
        let peer = command.peer();
        self.callbacks.events.emit(match command {
            MediaCommand::Close { .. } => MediaEvent::Closed { peer },
            _ => MediaEvent::Problem { peer, problem: MediaProblem::NotSupported },
        });
    }

    fn switch(&self, _: PeerId, _: LocalSource, _: bool) {}

    fn change_device(&self, _: PeerId, _: DeviceKind) {}

    fn stats(&self, _: PeerId) -> StatsFuture {
        Box::pin(async { Vec::new() })
    }
}
