//! Failure injection: broken and stalled connections, failed media, killed servers, at random times.

use std::time::Duration;

use fastrand::Rng;
use hutong_core::CallPhase;

use super::deliveries::DeliverySchedule;
use crate::world::ModelWorld;

/// Injects random failures and remembers their effects.
pub(super) struct FailureInjector {
    /// Time of the next failure; `None` after failures have been switched off.
    pub next_at: Option<Duration>,
    /// Time of the server's restart, while it is down.
    pub down_until: Option<Duration>,
    /// For each participant: whether its connection was cut in a call that goes on.
    pub was_cut_in_call: Vec<bool>,
    /// Number of cut connections, including those of killed servers.
    pub cuts: u64,
    /// Number of server restarts.
    pub restarts: u64,
}

impl FailureInjector {
    /// Schedules the first failure.
    pub fn new(participants: usize, first: Duration) -> Self {
        Self {
            next_at: Some(first),
            down_until: None,
            was_cut_in_call: vec![false; participants],
            cuts: 0,
            restarts: 0,
        }
    }

    /// Injects a random failure and schedules the next.
    pub fn inject(&mut self, world: &mut ModelWorld, deliveries: &mut DeliverySchedule, random: &mut Rng) {
        let all = 0..world.participants.len();
        let index = random.usize(all.clone());
        match random.u8(0..16) {
            0..=6 => self.cut(world, deliveries, index),
            7..=10 => {
                let time = Duration::from_millis(random.u64(100..8_000));
                deliveries.stall(index, world.now + time);
            }
            11..=13 => break_media(world, index),
            14 => all.for_each(|index| self.cut(world, deliveries, index)),
            _ => self.kill_server(world, deliveries, random),
        }
        self.next_at = Some(world.now + Duration::from_millis(random.u64(500..15_000)));
    }

    fn cut(&mut self, world: &mut ModelWorld, deliveries: &mut DeliverySchedule, index: usize) {
        let connection = world.participants[index].connections.last();
        let connection = connection.filter(|it| !it.broken && !it.opening && !it.closed_at_client);
        let Some(conn) = connection.map(|connection| connection.conn) else { return };
        world.cut_connection(index);
        deliveries.remove_connection(index, conn);
        self.cuts += 1;
        self.was_cut_in_call[index] |= world.phase(index) == Some(CallPhase::Connected);
    }

    fn kill_server(&mut self, world: &mut ModelWorld, deliveries: &mut DeliverySchedule, random: &mut Rng) {
        if self.down_until.is_some() {
            return;
        }
        (0..world.participants.len()).for_each(|index| self.cut(world, deliveries, index));
        // The server's state is lost with its process.
        world.restart_server();
        self.down_until = Some(world.now + Duration::from_millis(random.u64(100..10_000)));
        self.restarts += 1;
    }
}

/// Fails the network between the participant's peer and its remote peer: both detect it, and only an ICE restart helps.
fn break_media(world: &mut ModelWorld, index: usize) {
    let open_peer =
        world.participants[index].engine.open_peers.iter().find_map(|(peer, other)| Some((*peer, (*other)?)));
    let Some((peer, (other, remote_peer))) = open_peer else { return };
    if world.phase(index) == Some(CallPhase::Connected) {
        world.participants[index].engine.network_failed(peer);
        world.participants[other].engine.network_failed(remote_peer);
    }
}
