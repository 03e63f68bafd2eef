//! Client of `PeerJS`'s server: OFFER and ANSWER as its clients send them, and one CANDIDATE as the third trip.

use super::client::{OutgoingTexts, ProtocolClient};
use crate::worker_state::{ClientAction, WorkerState, pair_of, partner_of};

pub(super) struct PeerJsClient {
    number: u32,
}

impl PeerJsClient {
    pub(super) fn new(number: u32) -> Self {
        Self { number }
    }

    fn send_to_partner(&self, kind: &str, sdp: &str, out: &mut OutgoingTexts) {
        let to = partner_of(self.number);
        out.push(format!(r#"{{"type":"{kind}","dst":"u{to}","payload":{{"sdp":"{sdp}"}}}}"#).into());
    }
}

impl ProtocolClient for PeerJsClient {
    fn on_open(&mut self, _state: &mut WorkerState, _out: &mut OutgoingTexts) {}

    fn on_text(&mut self, text: &str, state: &mut WorkerState, out: &mut OutgoingTexts) {
        let kind = text.strip_prefix(r#"{"type":""#).and_then(|rest| rest.split_once('"')).map(|(kind, _)| kind);
        match kind {
            Some("OPEN") => state.counts.ready += 1,
            Some("OFFER") => self.send_to_partner("ANSWER", &state.schedule.sdp, out),
            Some("ANSWER") => self.send_to_partner("CANDIDATE", "", out),
            Some("CANDIDATE") => {
                state.call_set_up(pair_of(self.number));
                state.call_over(pair_of(self.number));
            }
            _ => {}
        }
    }

    fn on_action(&mut self, action: ClientAction, state: &mut WorkerState, out: &mut OutgoingTexts) {
        match action {
            ClientAction::Call => self.send_to_partner("OFFER", &state.schedule.sdp, out),
            ClientAction::LogIn | ClientAction::LogOut => {}
        }
    }
}
