//! Stand-in for the engine where nothing connects.

use hutong_core::{MediaCommand, MediaEvent, MediaProblem, PeerId};

use super::{
    abilities::Abilities,
    choice::Sort,
    engine::{Engine, Reports, Source, Stats},
};

/// Stands in where there is no engine: says so, and never leaves the client waiting.
pub struct Unable {
    reports: Reports,
}

impl Unable {
    /// Reports there that there is no engine.
    pub fn new(reports: Reports) -> Self {
        Self { reports }
    }
}

impl Engine for Unable {
    fn abilities(&self) -> Abilities {
        Abilities::default()
    }

    fn perform(&self, command: MediaCommand) {
        let peer = command.peer();
        self.reports.events.emit(match command {
            MediaCommand::Close { .. } => MediaEvent::Closed { peer },
            _ => MediaEvent::Problem { peer, problem: MediaProblem::NotSupported },
        });
    }

    fn switch(&self, _: PeerId, _: Source, _: bool) {}

    fn change(&self, _: PeerId, _: Sort) {}

    fn stats(&self, _: PeerId) -> Stats {
        Box::pin(async { Vec::new() })
    }
}
