//! Client of the echo baseline: three round trips of messages as large as those of a call's set-up.

use super::client::{OutgoingTexts, ProtocolClient};
use crate::worker_state::{ClientAction, WorkerState, is_caller, pair_of};

pub(super) struct EchoClient {
    number: u32,
}

impl EchoClient {
    pub(super) fn new(number: u32) -> Self {
        Self { number }
    }
}

impl ProtocolClient for EchoClient {
    fn on_open(&mut self, state: &mut WorkerState, _out: &mut OutgoingTexts) {
        state.counts.ready += 1;
    }

    fn on_text(&mut self, text: &str, state: &mut WorkerState, out: &mut OutgoingTexts) {
        match text.as_bytes().first() {
            Some(b'o') => out.push(format!("f{}", state.schedule.sdp).into()),
            Some(b'f') => out.push(format!("a{}", state.schedule.sdp).into()),
            _ if is_caller(self.number) => {
                state.call_set_up(pair_of(self.number));
                state.call_over(pair_of(self.number));
            }
            _ => {}
        }
    }

    fn on_action(&mut self, action: ClientAction, _state: &mut WorkerState, out: &mut OutgoingTexts) {
        if action == ClientAction::Call {
            out.push("o".into());
        }
    }
}
