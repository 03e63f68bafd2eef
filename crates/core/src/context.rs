//! What a step of the call flow can read of the rest of the client, and where it puts its outputs.

use std::time::Duration;

use hutong_protocol::{ClientMessage, IceCandidate, Token, UserState};

use crate::{
    io::Output,
    media::{MediaCommand, PeerId},
    outputs::Outputs,
    view::Notice,
};

/// Borrowed environment of one step of the call flow: time, login state and outputs.
#[derive(Debug)]
pub struct Context<'a> {
    pub now: Duration,
    pub logged_in: bool,
    pub outputs: &'a mut Outputs,
}

impl Context<'_> {
    /// Sends a message if logged in; otherwise drops it. The caller keeps what must not be lost.
    pub fn send(&mut self, message: ClientMessage) {
        if self.logged_in {
            self.outputs.send(message);
        }
    }

    pub fn media(&mut self, command: MediaCommand) {
        self.outputs.push(Output::Media(command));
    }

    pub fn add_candidates(&mut self, peer: PeerId, candidates: impl IntoIterator<Item = IceCandidate>) {
        for candidate in candidates {
            self.media(MediaCommand::AddCandidate { peer, candidate });
        }
    }

    pub fn notice(&mut self, notice: Option<Notice>) {
        self.outputs.show_notice(notice);
    }

    /// The last known state of a user; `Offline` if not in the roster.
    pub fn state_of(&self, token: Token) -> UserState {
        self.outputs.user(token).map_or(UserState::Offline, |user| user.state)
    }
}
