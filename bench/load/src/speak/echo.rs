//! The echo baseline: three trips of messages as large as those of a set-up, from a client to itself.

use super::speaker::{Say, Speaker};
use crate::world::{Order, World, is_caller, pair};

pub(super) struct Echo {
    number: u32,
}

impl Echo {
    pub(super) fn new(number: u32) -> Self {
        Self { number }
    }
}

impl Speaker for Echo {
    fn opened(&mut self, world: &mut World, _say: &mut Say) {
        world.counts.ready += 1;
    }

    fn received(&mut self, text: &str, world: &mut World, say: &mut Say) {
        match text.as_bytes().first() {
            Some(b'o') => say.push(format!("f{}", world.calls.sdp).into()),
            Some(b'f') => say.push(format!("a{}", world.calls.sdp).into()),
            _ if is_caller(self.number) => {
                world.is_set_up(pair(self.number));
                world.is_over(pair(self.number));
            }
            _ => {}
        }
    }

    fn ordered(&mut self, order: Order, _world: &mut World, say: &mut Say) {
        if order == Order::Call {
            say.push("o".into());
        }
    }
}
