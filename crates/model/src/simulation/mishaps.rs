//! What goes wrong.

use std::time::Duration;

use fastrand::Rng;
use hutong_core::CallPhase;

use super::arrivals::Arrivals;
use crate::world::World;

/// Cuts connections, stalls them, breaks media and kills the server, at moments that are drawn.
pub(super) struct Mishaps {
    /// When something goes wrong next.
    pub next: Option<Duration>,
    /// While the server is down: until when.
    pub down_until: Option<Duration>,
    /// Whose connection was cut in a call that is not over.
    pub cut_in_call: Vec<bool>,
    /// Connections that were cut, those included that a server's end took with it.
    pub cuts: u64,
    /// Servers that were killed and started anew.
    pub restarts: u64,
}

impl Mishaps {
    /// For so many people, the first at this time.
    pub fn new(people: usize, first: Duration) -> Self {
        Self { next: Some(first), down_until: None, cut_in_call: vec![false; people], cuts: 0, restarts: 0 }
    }

    /// Something goes wrong; decides when the next does.
    pub fn strike(&mut self, world: &mut World, arrivals: &mut Arrivals, random: &mut Rng) {
        let everybody = 0..world.people.len();
        let who = random.usize(everybody.clone());
        match random.u8(0..16) {
            0..=6 => self.cut(world, arrivals, who),
            7..=10 => {
                let time = Duration::from_millis(random.u64(100..8_000));
                arrivals.stall(who, world.now + time);
            }
            11..=13 => break_media(world, who),
            14 => everybody.for_each(|who| self.cut(world, arrivals, who)),
            _ => self.kill_server(world, arrivals, random),
        }
        self.next = Some(world.now + Duration::from_millis(random.u64(500..15_000)));
    }

    fn cut(&mut self, world: &mut World, arrivals: &mut Arrivals, who: usize) {
        let wire = world.people[who].wires.last().filter(|wire| !wire.broken && !wire.opening && !wire.client_knows);
        let Some(conn) = wire.map(|wire| wire.conn) else { return };
        world.cut(who);
        arrivals.lose(who, conn);
        self.cuts += 1;
        self.cut_in_call[who] |= world.phase(who) == Some(CallPhase::Connected);
    }

    fn kill_server(&mut self, world: &mut World, arrivals: &mut Arrivals, random: &mut Rng) {
        if self.down_until.is_some() {
            return;
        }
        (0..world.people.len()).for_each(|who| self.cut(world, arrivals, who));
        // What it knew is gone with it, and nobody else knew.
        world.restart_server();
        self.down_until = Some(world.now + Duration::from_millis(random.u64(100..10_000)));
        self.restarts += 1;
    }
}

/// The network between this person and the other in the call is gone: both notice, and only a restart of ICE mends it.
fn break_media(world: &mut World, who: usize) {
    let live = world.people[who].engine.live.iter().find_map(|(peer, other)| Some((*peer, (*other)?)));
    let Some((peer, (other, others))) = live else { return };
    if world.phase(who) == Some(CallPhase::Connected) {
        world.people[who].engine.network_broken(peer);
        world.people[other].engine.network_broken(others);
    }
}
