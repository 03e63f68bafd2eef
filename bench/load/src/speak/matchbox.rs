//! matchbox_signaling: everybody in a room is told of who comes later, and signals go to whom one was told of.

use super::speaker::{Entry, Say, Speaker};
use crate::{
    scan::text_after,
    world::{Order, World, pair},
};

pub(super) struct Matchbox {
    number: u32,
    entry: Entry,
}

impl Matchbox {
    pub(super) fn new(number: u32, entry: Entry) -> Self {
        Self { number, entry }
    }

    fn to(&self, receiver: &str, step: &str, sdp: &str, say: &mut Say) {
        say.push(
            format!(r#"{{"Signal":{{"receiver":"{receiver}","data":{{"step":"{step}","sdp":"{sdp}"}}}}}}"#).into(),
        );
    }
}

impl Speaker for Matchbox {
    fn opened(&mut self, _world: &mut World, _say: &mut Say) {}

    fn received(&mut self, text: &str, world: &mut World, say: &mut Say) {
        if text.starts_with(r#"{"IdAssigned""#) {
            world.counts.ready += 1;
        } else if let Some(other) = text.strip_prefix(r#"{"NewPeer":""#).and_then(|rest| rest.split_once('"')) {
            world.counts.presence += 1;
            world.counts.entries += 1;
            world.counts.known += 1;
            if self.entry == Entry::Pairs {
                world.set_address(self.number, other.0.to_owned());
            }
        } else if let Some(sender) = text_after(text, r#""sender":""#) {
            match text_after(text, r#""step":""#) {
                Some("offering") => self.to(sender, "confirm", &world.calls.sdp, say),
                Some("confirm") => self.to(sender, "calling", &world.calls.sdp, say),
                _ => {
                    world.is_set_up(pair(self.number));
                    world.is_over(pair(self.number));
                }
            }
        }
    }

    fn ordered(&mut self, order: Order, world: &mut World, say: &mut Say) {
        if order == Order::Call {
            // The caller came first, and was told of its partner: it knows the partner's address as its own.
            match world.address(self.number) {
                Some(receiver) => self.to(receiver, "offering", "", say),
                None => world.is_refused(pair(self.number)),
            }
        }
    }
}
