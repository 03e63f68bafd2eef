//! What goes wrong.

use std::time::Duration;

use hutong_core::CallPhase;

use super::Simulation;

impl Simulation {
    /// Something goes wrong, and decides when the next does.
    pub(super) fn mishap(&mut self) {
        let who = self.random.usize(self.everybody());
        match self.random.u8(0..16) {
            0..=6 => self.cut(who),
            7..=10 => {
                let time = Duration::from_millis(self.random.u64(100..8_000));
                self.arrivals.stall(who, self.world.now + time);
            }
            11..=13 => self.break_media(who),
            14 => self.everybody().for_each(|who| self.cut(who)),
            _ => self.kill_server(),
        }
        self.mishap = Some(self.world.now + Duration::from_millis(self.random.u64(500..15_000)));
    }

    fn cut(&mut self, who: usize) {
        let wire =
            self.world.people[who].wires.last().filter(|wire| !wire.broken && !wire.opening && !wire.client_knows);
        let Some(conn) = wire.map(|wire| wire.conn) else { return };
        self.world.cut(who);
        self.arrivals.lose(who, conn);
        self.seen.cuts += 1;
        self.cut_in_call[who] |= self.world.phase(who) == Some(CallPhase::Connected);
    }

    fn kill_server(&mut self) {
        if self.down_until.is_some() {
            return;
        }
        self.everybody().for_each(|who| self.cut(who));
        // What it knew is gone with it, and nobody else knew.
        self.world.restart_server();
        self.down_until = Some(self.world.now + Duration::from_millis(self.random.u64(100..10_000)));
        self.seen.restarts += 1;
    }

    /// The network between this person and the other in the call is gone: both notice, and only a restart of ICE mends it.
    fn break_media(&mut self, who: usize) {
        let live = self.world.people[who].engine.live.iter().find_map(|(peer, other)| Some((*peer, (*other)?)));
        let Some((peer, (other, others))) = live else { return };
        if self.world.phase(who) == Some(CallPhase::Connected) {
            self.world.people[who].engine.network_broken(peer);
            self.world.people[other].engine.network_broken(others);
        }
    }
}
