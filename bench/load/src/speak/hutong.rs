//! Our own protocol.

use hutong_protocol::{CallId, CancelReason, ClientMessage, MediaKind, ServerMessage, Token, decode_server};

use super::speaker::{Entry, Say, Speaker};
use crate::{
    scan::number_after,
    world::{Known, Order, World, is_caller, pair, partner},
};

pub(super) struct Hutong {
    number: u32,
    entry: Entry,
    known: Known,
}

impl Hutong {
    pub(super) fn new(number: u32, entry: Entry, everybody: u32) -> Self {
        Self { number, entry, known: Known::nobody(number, everybody) }
    }

    fn log_in(&self, say: &mut Say) {
        // As text, since what else a hello may carry is none of this client's business.
        say.push(format!(r#"{{"type":"hello","name":"u{}"}}"#, self.number).into());
    }

    fn say(message: &ClientMessage, say: &mut Say) {
        // What the protocol's own types cannot be written as does not exist.
        if let Ok(text) = serde_json::to_string(message) {
            say.push(text.into());
        }
    }

    fn let_go(call: CallId, say: &mut Say) {
        Self::say(&ClientMessage::Released { call }, say);
    }

    fn about_a_call(&mut self, message: ServerMessage, world: &mut World, say: &mut Say) {
        let sdp = || world.calls.sdp.clone();
        match message {
            ServerMessage::Offering { call, .. } => {
                Self::say(&ClientMessage::Accept { call, media: MediaKind::Video }, say);
                Self::say(&ClientMessage::Confirm { call, sdp: sdp() }, say);
            }
            ServerMessage::Confirm { call, .. } => Self::say(&ClientMessage::Calling { call, sdp: sdp() }, say),
            ServerMessage::Calling { call, .. } => {
                world.is_set_up(pair(self.number));
                Self::say(&ClientMessage::Cancel { call, reason: CancelReason::Hangup }, say);
                Self::let_go(call, say);
            }
            ServerMessage::Ended { call, .. } => {
                Self::let_go(call, say);
                if is_caller(self.number) {
                    world.is_over(pair(self.number));
                }
            }
            ServerMessage::Error { .. } if is_caller(self.number) => world.is_refused(pair(self.number)),
            _ => {}
        }
    }
}

impl Speaker for Hutong {
    fn opened(&mut self, world: &mut World, say: &mut Say) {
        match self.entry {
            Entry::Connect => world.counts.ready += 1,
            Entry::LogIn | Entry::Pairs => self.log_in(say),
        }
    }

    fn received(&mut self, text: &str, world: &mut World, say: &mut Say) {
        let kind = text.strip_prefix(r#"{"type":""#).and_then(|rest| rest.split_once('"')).map(|(kind, _)| kind);
        match kind {
            Some("welcome") => {
                world.counts.ready += 1;
                if let Some(token) = number_after(text, r#""me":{"token":"#) {
                    world.set_address(self.number, token.to_string());
                }
                self.known.read(text, &mut world.counts);
            }
            Some("presence") => self.known.news(text, &mut world.counts),
            Some("roster") => self.known.list(text, &mut world.counts),
            _ => {
                if let Ok(message) = decode_server(text) {
                    self.about_a_call(message, world, say);
                }
            }
        }
    }

    fn ordered(&mut self, order: Order, world: &mut World, say: &mut Say) {
        match order {
            Order::LogIn => self.log_in(say),
            Order::LogOut => {
                self.known.forget(&mut world.counts);
                Self::say(&ClientMessage::LogOut, say);
            }
            Order::Call => {
                let to = world.address(partner(self.number)).and_then(|token| token.parse().ok()).map(Token);
                match to {
                    Some(to) => Self::say(&ClientMessage::Offering { to, media: MediaKind::Video }, say),
                    None => world.is_refused(pair(self.number)),
                }
            }
        }
    }

    fn closed(&mut self, world: &mut World) {
        self.known.forget(&mut world.counts);
    }
}
