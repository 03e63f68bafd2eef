//! Client of Hutong's server.

use std::time::Duration;

use hutong_protocol::{CallId, CancelReason, ClientMessage, MediaKind, ServerMessage, Token, decode_server, limits};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::client::{LoginMode, OutgoingTexts, ProtocolClient};
use crate::{
    known_users::KnownUsers,
    roster_scan::number_after,
    worker_state::{ClientAction, WorkerState, is_caller, pair_of, partner_of},
};

pub(super) struct HutongClient {
    number: u32,
    mode: LoginMode,
    known: KnownUsers,
}

impl HutongClient {
    pub(super) fn new(number: u32, mode: LoginMode, total_clients: u32) -> Self {
        Self { number, mode, known: KnownUsers::new(number, total_clients) }
    }

    fn log_in(&self, out: &mut OutgoingTexts) {
        // Written as text: this client uses no optional field of `hello`.
        out.push(format!(r#"{{"type":"hello","name":"u{}"}}"#, self.number).into());
    }

    fn send(message: &ClientMessage, out: &mut OutgoingTexts) {
        // The protocol's types always serialize.
        if let Ok(text) = serde_json::to_string(message) {
            out.push(text.into());
        }
    }

    fn release(call: CallId, out: &mut OutgoingTexts) {
        Self::send(&ClientMessage::Released { call }, out);
    }

    fn on_call_message(&mut self, message: ServerMessage, state: &mut WorkerState, out: &mut OutgoingTexts) {
        let sdp = || state.schedule.sdp.clone();
        match message {
            ServerMessage::Offering { call, .. } => {
                Self::send(&ClientMessage::Accept { call, media: MediaKind::Video }, out);
                Self::send(&ClientMessage::Confirm { call, sdp: sdp() }, out);
            }
            ServerMessage::Confirm { call, .. } => Self::send(&ClientMessage::Calling { call, sdp: sdp() }, out),
            ServerMessage::Calling { call, .. } => {
                state.call_set_up(pair_of(self.number));
                Self::send(&ClientMessage::Cancel { call, reason: CancelReason::Hangup }, out);
                Self::release(call, out);
            }
            ServerMessage::Ended { call, .. } => {
                Self::release(call, out);
                if is_caller(self.number) {
                    state.call_over(pair_of(self.number));
                }
            }
            ServerMessage::Error { .. } if is_caller(self.number) => state.call_refused(pair_of(self.number)),
            _ => {}
        }
    }
}

impl ProtocolClient for HutongClient {
    fn on_open(&mut self, state: &mut WorkerState, out: &mut OutgoingTexts) {
        match self.mode {
            LoginMode::ConnectOnly => state.counts.ready += 1,
            LoginMode::LogIn | LoginMode::PairRooms => self.log_in(out),
        }
    }

    fn on_text(&mut self, text: &str, state: &mut WorkerState, out: &mut OutgoingTexts) {
        let kind = text.strip_prefix(r#"{"type":""#).and_then(|rest| rest.split_once('"')).map(|(kind, _)| kind);
        match kind {
            Some("welcome") => {
                state.counts.ready += 1;
                if let Some(token) = number_after(text, r#""me":{"token":"#) {
                    state.set_address(self.number, token.to_string());
                }
                self.known.apply(text, &mut state.counts);
            }
            Some("presence") => self.known.apply_changes(text, &mut state.counts),
            Some("roster") => self.known.replace_all(text, &mut state.counts),
            _ => {
                if let Ok(message) = decode_server(text) {
                    self.on_call_message(message, state, out);
                }
            }
        }
    }

    fn on_action(&mut self, action: ClientAction, state: &mut WorkerState, out: &mut OutgoingTexts) {
        match action {
            ClientAction::LogIn => self.log_in(out),
            ClientAction::LogOut => {
                self.known.clear(&mut state.counts);
                Self::send(&ClientMessage::LogOut, out);
            }
            ClientAction::Call => {
                let to = state.address(partner_of(self.number)).and_then(|token| token.parse().ok()).map(Token);
                match to {
                    Some(to) => Self::send(&ClientMessage::Offering { to, media: MediaKind::Video }, out),
                    None => state.call_refused(pair_of(self.number)),
                }
            }
        }
    }

    fn heartbeat(&self) -> Option<(Duration, Utf8Bytes)> {
        Some((limits::HEARTBEAT_INTERVAL, Utf8Bytes::from_static(r#"{"type":"ping"}"#)))
    }

    fn on_close(&mut self, state: &mut WorkerState) {
        self.known.clear(&mut state.counts);
    }
}
