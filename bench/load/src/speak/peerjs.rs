//! PeerJS's server: OFFER and ANSWER as its clients say them, and one CANDIDATE as the third trip.

use super::speaker::{Say, Speaker};
use crate::world::{Order, World, pair, partner};

pub(super) struct PeerJs {
    number: u32,
}

impl PeerJs {
    pub(super) fn new(number: u32) -> Self {
        Self { number }
    }

    fn to(&self, kind: &str, sdp: &str, say: &mut Say) {
        let to = partner(self.number);
        say.push(format!(r#"{{"type":"{kind}","dst":"u{to}","payload":{{"sdp":"{sdp}"}}}}"#).into());
    }
}

impl Speaker for PeerJs {
    fn opened(&mut self, _world: &mut World, _say: &mut Say) {}

    fn received(&mut self, text: &str, world: &mut World, say: &mut Say) {
        let kind = text.strip_prefix(r#"{"type":""#).and_then(|rest| rest.split_once('"')).map(|(kind, _)| kind);
        match kind {
            Some("OPEN") => world.counts.ready += 1,
            Some("OFFER") => self.to("ANSWER", &world.calls.sdp, say),
            Some("ANSWER") => self.to("CANDIDATE", "", say),
            Some("CANDIDATE") => {
                world.is_set_up(pair(self.number));
                world.is_over(pair(self.number));
            }
            _ => {}
        }
    }

    fn ordered(&mut self, order: Order, world: &mut World, say: &mut Say) {
        match order {
            Order::Call => self.to("OFFER", &world.calls.sdp, say),
            Order::LogIn | Order::LogOut => {}
        }
    }
}
