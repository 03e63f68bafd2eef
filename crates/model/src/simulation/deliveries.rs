//! Delivery schedule: draws a random arrival time for everything in transit.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use fastrand::Rng;
use hutong_core::MediaEvent;
use hutong_server::registry::ConnId;

use crate::world::ModelWorld;

/// Kind of delivery, with participant and connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PendingDelivery {
    /// A message to the server, or the end of the connection.
    ToServer(usize, ConnId),
    /// A message to the client, or the end of the connection.
    ToClient(usize, ConnId),
    /// The connection opens.
    ConnectionOpens(usize, ConnId),
    /// A report of the media engine.
    MediaReport(usize),
    /// The media engine detects that the remote peer was closed.
    DeadMedia(usize),
}

/// Arrival times of everything in transit, in one FIFO queue per kind of delivery.
pub struct DeliverySchedule {
    queues: BTreeMap<PendingDelivery, VecDeque<Duration>>,
    paths: Vec<SimulatedPath>,
}

/// Network path of a participant.
struct SimulatedPath {
    /// Minimum one-way delay.
    delay: Duration,
    /// Maximum additional delay.
    jitter: Duration,
    /// Nothing arrives before this time, because packets are being retransmitted.
    stalled_until: Duration,
}

impl DeliverySchedule {
    /// Draws network paths from very good to very bad.
    pub fn new(participants: usize, random: &mut Rng) -> Self {
        let paths = (0..participants).map(|_| SimulatedPath {
            delay: Duration::from_millis(random.u64(0..200)),
            jitter: Duration::from_millis(random.u64(1..100)),
            stalled_until: Duration::ZERO,
        });
        Self { paths: paths.collect(), queues: BTreeMap::new() }
    }

    /// Draws arrival times for new deliveries, and drops those that are no longer in transit.
    pub fn draw(&mut self, world: &ModelWorld, random: &mut Rng) {
        let mut in_transit = BTreeMap::new();
        for (index, participant) in world.participants.iter().enumerate() {
            for connection in &participant.connections {
                let (conn, broken) = (connection.conn, connection.broken);
                in_transit.insert(PendingDelivery::ToServer(index, conn), (connection.pending_to_server(), broken));
                in_transit.insert(PendingDelivery::ToClient(index, conn), (connection.pending_to_client(), broken));
                let opens = usize::from(connection.opening && !connection.closed_at_client);
                in_transit.insert(PendingDelivery::ConnectionOpens(index, conn), (opens, false));
            }
            in_transit.insert(PendingDelivery::MediaReport(index), (participant.engine.reports.len(), false));
            in_transit.insert(
                PendingDelivery::DeadMedia(index),
                (usize::from(world.dead_peer_index(index).is_some()), false),
            );
        }
        self.queues.retain(|delivery, _| in_transit.get(delivery).is_some_and(|(count, _)| *count > 0));
        for (delivery, (count, broken)) in in_transit.into_iter().filter(|(_, (count, _))| *count > 0) {
            let queue = self.queues.entry(delivery).or_default();
            queue.truncate(count);
            while queue.len() < count {
                let delay = match delivery {
                    PendingDelivery::ToServer(..) | PendingDelivery::ToClient(..) if broken => detection_delay(random),
                    PendingDelivery::ToServer(index, _) | PendingDelivery::ToClient(index, _) => {
                        self.paths[index].transit_time(world.now, random)
                    }
                    PendingDelivery::ConnectionOpens(index, _) => self.paths[index].transit_time(world.now, random) * 2,
                    PendingDelivery::MediaReport(index) => {
                        report_delay(world.participants[index].engine.reports.get(queue.len()), random)
                    }
                    PendingDelivery::DeadMedia(_) => Duration::from_millis(random.u64(5_000..8_000)),
                };
                let last = queue.back().copied().unwrap_or_default();
                queue.push_back(last.max(world.now + delay));
            }
        }
    }

    /// The next delivery and its time.
    pub fn next(&self) -> Option<(Duration, PendingDelivery)> {
        self.queues.iter().filter_map(|(delivery, queue)| Some((*queue.front()?, *delivery))).min()
    }

    /// Removes a delivery that has arrived.
    pub fn take(&mut self, delivery: PendingDelivery) {
        if let Some(queue) = self.queues.get_mut(&delivery) {
            queue.pop_front();
        }
    }

    /// Drops the deliveries of a connection that breaks.
    pub fn remove_connection(&mut self, index: usize, conn: ConnId) {
        self.queues.remove(&PendingDelivery::ToServer(index, conn));
        self.queues.remove(&PendingDelivery::ToClient(index, conn));
    }

    /// Delays all deliveries of new messages from and to the participant until a time.
    pub fn stall(&mut self, index: usize, until: Duration) {
        self.paths[index].stalled_until = self.paths[index].stalled_until.max(until);
    }
}

impl SimulatedPath {
    fn transit_time(&self, now: Duration, random: &mut Rng) -> Duration {
        let jitter = self.jitter.mul_f64(random.f64());
        self.stalled_until.saturating_sub(now) + self.delay + jitter
    }
}

/// Time until an end detects a broken connection: short after a TCP reset, up to the idle timeout without one.
fn detection_delay(random: &mut Rng) -> Duration {
    Duration::from_millis(if random.bool() { random.u64(0..300) } else { random.u64(300..45_000) })
}

/// Time that the media engine takes before a report. Devices may wait for a permission dialog.
fn report_delay(report: Option<&MediaEvent>, random: &mut Rng) -> Duration {
    Duration::from_millis(match report {
        Some(MediaEvent::Acquired { .. }) => random.u64(10..4_000),
        Some(MediaEvent::Connectivity { .. }) => random.u64(20..2_000),
        _ => random.u64(1..100),
    })
}
