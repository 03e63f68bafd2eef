//! When what is under way arrives.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use fastrand::Rng;
use hutong_core::MediaEvent;
use hutong_server::registry::ConnId;

use crate::world::World;

/// Something that is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A person's message, or the news that the connection is gone, to the server.
    ToServer(usize, ConnId),
    /// The same to the person.
    ToClient(usize, ConnId),
    /// A connection that is being opened.
    Opens(usize, ConnId),
    /// The media engine has done what it was told.
    Report(usize),
    /// The media engine sees that the other end is gone.
    DeadMedia(usize),
}

/// The moments of all that is on its way, each first in, first out.
pub struct Arrivals {
    queues: BTreeMap<What, VecDeque<Duration>>,
    paths: Vec<Path>,
}

/// A person's network.
struct Path {
    /// The least time from one end to the other.
    delay: Duration,
    /// How much more it may be.
    jitter: Duration,
    /// Nothing arrives before then: packets are being sent anew.
    stalled: Duration,
}

impl Arrivals {
    /// Networks from very good to very bad ones.
    pub fn new(people: usize, random: &mut Rng) -> Self {
        let paths = (0..people).map(|_| Path {
            delay: Duration::from_millis(random.u64(0..200)),
            jitter: Duration::from_millis(random.u64(1..100)),
            stalled: Duration::ZERO,
        });
        Self { paths: paths.collect(), queues: BTreeMap::new() }
    }

    /// Gives a moment to all that is under way and has none, and forgets what is no longer.
    pub fn draw(&mut self, world: &World, random: &mut Rng) {
        let mut under_way = BTreeMap::new();
        for (who, person) in world.people.iter().enumerate() {
            for wire in &person.wires {
                under_way.insert(What::ToServer(who, wire.conn), (wire.under_way_to_server(), wire.broken));
                under_way.insert(What::ToClient(who, wire.conn), (wire.under_way_to_client(), wire.broken));
                let opens = usize::from(wire.opening && !wire.client_knows);
                under_way.insert(What::Opens(who, wire.conn), (opens, false));
            }
            under_way.insert(What::Report(who), (person.engine.reports.len(), false));
            under_way.insert(What::DeadMedia(who), (usize::from(world.dead_media(who).is_some()), false));
        }
        self.queues.retain(|what, _| under_way.get(what).is_some_and(|(count, _)| *count > 0));
        for (what, (count, broken)) in under_way.into_iter().filter(|(_, (count, _))| *count > 0) {
            let queue = self.queues.entry(what).or_default();
            queue.truncate(count);
            while queue.len() < count {
                let takes = match what {
                    What::ToServer(..) | What::ToClient(..) if broken => noticing(random),
                    What::ToServer(who, _) | What::ToClient(who, _) => self.paths[who].takes(world.now, random),
                    What::Opens(who, _) => self.paths[who].takes(world.now, random) * 2,
                    What::Report(who) => devices(world.people[who].engine.reports.get(queue.len()), random),
                    What::DeadMedia(_) => Duration::from_millis(random.u64(5_000..8_000)),
                };
                let last = queue.back().copied().unwrap_or_default();
                queue.push_back(last.max(world.now + takes));
            }
        }
    }

    /// What arrives first, and when.
    pub fn next(&self) -> Option<(Duration, What)> {
        self.queues.iter().filter_map(|(what, queue)| Some((*queue.front()?, *what))).min()
    }

    /// It has arrived.
    pub fn take(&mut self, what: What) {
        if let Some(queue) = self.queues.get_mut(&what) {
            queue.pop_front();
        }
    }

    /// What was on its way over a connection that breaks does not arrive.
    pub fn lose(&mut self, who: usize, conn: ConnId) {
        self.queues.remove(&What::ToServer(who, conn));
        self.queues.remove(&What::ToClient(who, conn));
    }

    /// Nothing more arrives at this person, or from there, before then.
    pub fn stall(&mut self, who: usize, until: Duration) {
        self.paths[who].stalled = self.paths[who].stalled.max(until);
    }
}

impl Path {
    fn takes(&self, now: Duration, random: &mut Rng) -> Duration {
        let jitter = self.jitter.mul_f64(random.f64());
        self.stalled.saturating_sub(now) + self.delay + jitter
    }
}

/// How long an end takes to notice that its connection is gone: a reset tells it at once, silence after the last ping's time.
fn noticing(random: &mut Rng) -> Duration {
    Duration::from_millis(if random.bool() { random.u64(0..300) } else { random.u64(300..45_000) })
}

/// How long a media engine takes for what it reports. Devices may wait for a person's permission.
fn devices(report: Option<&MediaEvent>, random: &mut Rng) -> Duration {
    Duration::from_millis(match report {
        Some(MediaEvent::Acquired { .. }) => random.u64(10..4_000),
        Some(MediaEvent::Connectivity { .. }) => random.u64(20..2_000),
        _ => random.u64(1..100),
    })
}
