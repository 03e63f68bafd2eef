//! Client of `matchbox_signaling`: peers in a room are notified of new peers, and signals are addressed to these.

use super::client::{LoginMode, OutgoingTexts, ProtocolClient};
use crate::{
    roster_scan::text_after,
    worker_state::{ClientAction, WorkerState, pair_of},
};

pub(super) struct MatchboxClient {
    number: u32,
    mode: LoginMode,
}

impl MatchboxClient {
    pub(super) fn new(number: u32, mode: LoginMode) -> Self {
        Self { number, mode }
    }

    fn send_signal(&self, receiver: &str, step: &str, sdp: &str, out: &mut OutgoingTexts) {
        out.push(
            format!(r#"{{"Signal":{{"receiver":"{receiver}","data":{{"step":"{step}","sdp":"{sdp}"}}}}}}"#).into(),
        );
    }
}

impl ProtocolClient for MatchboxClient {
    fn on_open(&mut self, _state: &mut WorkerState, _out: &mut OutgoingTexts) {}

    fn on_text(&mut self, text: &str, state: &mut WorkerState, out: &mut OutgoingTexts) {
        if text.starts_with(r#"{"IdAssigned""#) {
            state.counts.ready += 1;
        } else if let Some(other) = text.strip_prefix(r#"{"NewPeer":""#).and_then(|rest| rest.split_once('"')) {
            state.counts.presence += 1;
            state.counts.entries += 1;
            state.counts.known += 1;
            if self.mode == LoginMode::PairRooms {
                state.set_address(self.number, other.0.to_owned());
            }
        } else if let Some(sender) = text_after(text, r#""sender":""#) {
            match text_after(text, r#""step":""#) {
                Some("offering") => self.send_signal(sender, "confirm", &state.schedule.sdp, out),
                Some("confirm") => self.send_signal(sender, "calling", &state.schedule.sdp, out),
                _ => {
                    state.call_set_up(pair_of(self.number));
                    state.call_over(pair_of(self.number));
                }
            }
        }
    }

    fn on_action(&mut self, action: ClientAction, state: &mut WorkerState, out: &mut OutgoingTexts) {
        if action == ClientAction::Call {
            // The caller joined first and was notified of its partner: its own entry holds the partner's address.
            match state.address(self.number) {
                Some(receiver) => self.send_signal(receiver, "offering", "", out),
                None => state.call_refused(pair_of(self.number)),
            }
        }
    }
}
