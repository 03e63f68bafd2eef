//! The old design: socket.io 4 (Engine.IO 4) over a WebSocket, as bench/servers/node/old.mjs speaks it.

use super::speaker::{Entry, Say, Speaker};
use crate::{
    scan::number_after,
    world::{Known, Order, World, is_caller, pair, partner},
};

pub(super) struct Old {
    number: u32,
    entry: Entry,
    known: Known,
}

impl Old {
    pub(super) fn new(number: u32, entry: Entry, everybody: u32) -> Self {
        Self { number, entry, known: Known::nobody(number, everybody) }
    }

    fn log_in(&self, say: &mut Say) {
        say.push(format!(r#"42["LOGIN",{{"name":"u{}"}}]"#, self.number).into());
    }

    fn to(&self, event: &str, sdp: Option<&str>, world: &World, say: &mut Say) {
        let Some(to) = world.address(partner(self.number)) else { return };
        let text = match sdp {
            Some(sdp) => format!(r#"42["{event}",{{"to":{to},"sdp":"{sdp}"}}]"#),
            None => format!(r#"42["{event}",{{"to":{to}}}]"#),
        };
        say.push(text.into());
    }

    fn event(&mut self, event: &str, text: &str, world: &mut World, say: &mut Say) {
        match event {
            "WELCOME" => {
                world.counts.ready += 1;
                if let Some(token) = number_after(text, r#""token":"#) {
                    world.set_address(self.number, token.to_string());
                }
                self.known.read(text, &mut world.counts);
            }
            "USER" => self.known.news(text, &mut world.counts),
            "OFFERING" => self.to("CONFIRM", Some(&world.calls.sdp), world, say),
            "CONFIRM" => self.to("CALLING", Some(&world.calls.sdp), world, say),
            "CALLING" => {
                world.is_set_up(pair(self.number));
                self.to("CANCEL", None, world, say);
            }
            "CANCEL" if is_caller(self.number) => world.is_over(pair(self.number)),
            _ => {}
        }
    }
}

impl Speaker for Old {
    fn opened(&mut self, _world: &mut World, _say: &mut Say) {}

    fn received(&mut self, text: &str, world: &mut World, say: &mut Say) {
        if let Some(rest) = text.strip_prefix("42[\"") {
            if let Some((event, _)) = rest.split_once('"') {
                self.event(event, text, world, say);
            }
        } else if text.starts_with("40") {
            match self.entry {
                Entry::Connect => world.counts.ready += 1,
                Entry::LogIn | Entry::Pairs => self.log_in(say),
            }
        } else if text.starts_with('0') {
            say.push("40".into());
        } else if text == "2" {
            say.push("3".into());
        }
    }

    fn ordered(&mut self, order: Order, world: &mut World, say: &mut Say) {
        match order {
            Order::LogIn => self.log_in(say),
            Order::LogOut => {
                self.known.forget(&mut world.counts);
                say.push(r#"42["LOGOUT"]"#.into());
            }
            Order::Call => self.to("OFFERING", None, world, say),
        }
    }

    fn closed(&mut self, world: &mut World) {
        self.known.forget(&mut world.counts);
    }
}
