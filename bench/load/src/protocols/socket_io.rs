//! Client of the socket.io server in `bench/servers/node/socket_io.mjs`: socket.io 4 (Engine.IO 4) over a `WebSocket`.

use super::client::{LoginMode, OutgoingTexts, ProtocolClient};
use crate::{
    known_users::KnownUsers,
    roster_scan::number_after,
    worker_state::{ClientAction, WorkerState, is_caller, pair_of, partner_of},
};

pub(super) struct SocketIoClient {
    number: u32,
    mode: LoginMode,
    known: KnownUsers,
}

impl SocketIoClient {
    pub(super) fn new(number: u32, mode: LoginMode, total_clients: u32) -> Self {
        Self { number, mode, known: KnownUsers::new(number, total_clients) }
    }

    fn log_in(&self, out: &mut OutgoingTexts) {
        out.push(format!(r#"42["LOGIN",{{"name":"u{}"}}]"#, self.number).into());
    }

    fn send_to_partner(&self, event: &str, sdp: Option<&str>, state: &WorkerState, out: &mut OutgoingTexts) {
        let Some(to) = state.address(partner_of(self.number)) else { return };
        let text = match sdp {
            Some(sdp) => format!(r#"42["{event}",{{"to":{to},"sdp":"{sdp}"}}]"#),
            None => format!(r#"42["{event}",{{"to":{to}}}]"#),
        };
        out.push(text.into());
    }

    fn on_event(&mut self, event: &str, text: &str, state: &mut WorkerState, out: &mut OutgoingTexts) {
        match event {
            "WELCOME" => {
                state.counts.ready += 1;
                if let Some(token) = number_after(text, r#""token":"#) {
                    state.set_address(self.number, token.to_string());
                }
                self.known.apply(text, &mut state.counts);
            }
            "USER" => self.known.apply_changes(text, &mut state.counts),
            "OFFERING" => self.send_to_partner("CONFIRM", Some(&state.schedule.sdp), state, out),
            "CONFIRM" => self.send_to_partner("CALLING", Some(&state.schedule.sdp), state, out),
            "CALLING" => {
                state.call_set_up(pair_of(self.number));
                self.send_to_partner("CANCEL", None, state, out);
            }
            "CANCEL" if is_caller(self.number) => state.call_over(pair_of(self.number)),
            _ => {}
        }
    }
}

impl ProtocolClient for SocketIoClient {
    fn on_open(&mut self, _state: &mut WorkerState, _out: &mut OutgoingTexts) {}

    fn on_text(&mut self, text: &str, state: &mut WorkerState, out: &mut OutgoingTexts) {
        if let Some(rest) = text.strip_prefix("42[\"") {
            if let Some((event, _)) = rest.split_once('"') {
                self.on_event(event, text, state, out);
            }
        } else if text.starts_with("40") {
            match self.mode {
                LoginMode::ConnectOnly => state.counts.ready += 1,
                LoginMode::LogIn | LoginMode::PairRooms => self.log_in(out),
            }
        } else if text.starts_with('0') {
            out.push("40".into());
        } else if text == "2" {
            out.push("3".into());
        }
    }

    fn on_action(&mut self, action: ClientAction, state: &mut WorkerState, out: &mut OutgoingTexts) {
        match action {
            ClientAction::LogIn => self.log_in(out),
            ClientAction::LogOut => {
                self.known.clear(&mut state.counts);
                out.push(r#"42["LOGOUT"]"#.into());
            }
            ClientAction::Call => self.send_to_partner("OFFERING", None, state, out),
        }
    }

    fn on_close(&mut self, state: &mut WorkerState) {
        self.known.clear(&mut state.counts);
    }
}
