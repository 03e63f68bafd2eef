//! Pacer for packets to addresses that have never answered.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Packets a second, in any interval of one second. RFC 8445 (section 14.2) paces checks to 20 a second.
pub(super) const MAX_PACKETS: usize = 18;

/// Packets a second that nobody asked for. The rest is kept for replies, which otherwise would wait behind checks to addresses
/// that lead nowhere.
pub(super) const MAX_UNSOLICITED: usize = 12;

/// Interval of the limits.
const WINDOW: Duration = Duration::from_secs(1);

/// Paths that are paced at a time: the limit of candidate pairs of RFC 8445 (section 6.1.2.5). Packets on further ones are
/// dropped. There is room for as many replies beside them.
pub(super) const MAX_PATHS: usize = 100;

/// Least time between two unsolicited packets on one path. Doubles with each, up to [`MAX_REPEAT_INTERVAL`], so that one
/// repetition comes before the tenth of a second path.
const MIN_REPEAT_INTERVAL: Duration = Duration::from_millis(200);
/// The retransmission timeout of RFC 8445 (section 14.3).
const MAX_REPEAT_INTERVAL: Duration = Duration::from_millis(500);

/// How long a packet waits. The sender has given up by then, or sent another.
const MAX_WAIT: Duration = Duration::from_secs(3);

/// Time after which a path without packets makes room for another.
const IDLE: Duration = Duration::from_secs(1);

/// Who caused a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// The destination: it has sent an authenticated request. Goes first.
    Reply,
    /// Somebody else.
    Unsolicited,
}

/// Pacer for packets of type `T` on paths of type `P`. At most one packet waits on each path: a newer one replaces it.
///
/// New paths go first, then those with the fewest packets so far.
pub(super) struct CheckPacer<P, T> {
    paths: HashMap<P, Path<T>>,
    /// The packets of the last [`WINDOW`].
    sent: VecDeque<(Instant, Urgency)>,
    /// Number of packets submitted.
    submitted: u64,
}

struct Path<T> {
    /// Packets sent so far.
    count: u32,
    last_sent: Option<Instant>,
    last_submitted: Instant,
    waiting: Option<Waiting<T>>,
}

struct Waiting<T> {
    packet: T,
    urgency: Urgency,
    /// When the path's first packet that waits was submitted, as a number.
    number: u64,
}

impl<T> Path<T> {
    /// From when on the packet that waits may be sent, as far as the path decides.
    fn earliest(&self, urgency: Urgency) -> Option<Instant> {
        let last = self.last_sent.filter(|_| urgency == Urgency::Unsolicited)?;
        let doublings = self.count.saturating_sub(1).min(4);
        Some(last + (MIN_REPEAT_INTERVAL * 2_u32.pow(doublings)).min(MAX_REPEAT_INTERVAL))
    }
}

impl<P: Copy + Eq + Hash, T> CheckPacer<P, T> {
    pub fn new() -> Self {
        Self { paths: HashMap::new(), sent: VecDeque::new(), submitted: 0 }
    }

    /// Queues a packet. It is dropped when too many paths are in use.
    pub fn submit(&mut self, now: Instant, path: P, urgency: Urgency, packet: T) {
        let limit = if urgency == Urgency::Reply { 2 * MAX_PATHS } else { MAX_PATHS };
        if !self.paths.contains_key(&path) && self.paths.len() >= limit {
            self.paths.retain(|_, path| now.saturating_duration_since(path.last_submitted) < IDLE);
            if self.paths.len() >= limit {
                return;
            }
        }
        self.submitted += 1;
        let fresh = Path { count: 0, last_sent: None, last_submitted: now, waiting: None };
        let path = self.paths.entry(path).or_insert(fresh);
        path.last_submitted = now;
        let number = path.waiting.as_ref().map_or(self.submitted, |waiting| waiting.number);
        path.waiting = Some(Waiting { packet, urgency, number });
    }

    /// Takes a packet that may be sent now.
    pub fn take_due(&mut self, now: Instant) -> Option<(P, T)> {
        self.expire(now);
        let allowed = |urgency| self.allowed_at(urgency).is_none_or(|at| at <= now);
        let allowed = (allowed(Urgency::Reply), allowed(Urgency::Unsolicited));
        let due = self.paths.iter().filter_map(|(key, path)| {
            let waiting = path.waiting.as_ref()?;
            let is_allowed = if waiting.urgency == Urgency::Reply { allowed.0 } else { allowed.1 };
            let is_due = is_allowed && path.earliest(waiting.urgency).is_none_or(|at| at <= now);
            is_due.then_some(((waiting.urgency, path.count, waiting.number), *key))
        });
        let (_, key) = due.min_by_key(|(order, _)| *order)?;
        let path = self.paths.get_mut(&key)?;
        let waiting = path.waiting.take()?;
        path.count = path.count.saturating_add(1);
        path.last_sent = Some(now);
        self.sent.push_back((now, waiting.urgency));
        Some((key, waiting.packet))
    }

    /// When the next packet may be sent; `None` if none waits.
    pub fn next_due(&self) -> Option<Instant> {
        let waiting = self.paths.values().filter_map(|path| {
            let urgency = path.waiting.as_ref()?.urgency;
            let at = [path.earliest(urgency), self.allowed_at(urgency)].into_iter().flatten().max();
            Some(at.unwrap_or(path.last_submitted))
        });
        waiting.min()
    }

    /// Stops pacing paths, and returns their packets that wait.
    pub fn release(&mut self, is_released: impl Fn(&P) -> bool) -> Vec<(P, T)> {
        let released: Vec<P> = self.paths.keys().filter(|path| is_released(path)).copied().collect();
        let packets = released.into_iter().filter_map(|key| {
            let waiting = self.paths.remove(&key)?.waiting?;
            Some((key, waiting.packet))
        });
        packets.collect()
    }

    /// From when on the limits allow another packet; `None` if they do now.
    fn allowed_at(&self, urgency: Urgency) -> Option<Instant> {
        // Reached while the packet that many places back is in the window.
        let all = self.sent.iter().rev().nth(MAX_PACKETS - 1);
        let mut unsolicited = self.sent.iter().rev().filter(|(_, urgency)| *urgency == Urgency::Unsolicited);
        let unsolicited = unsolicited.nth(MAX_UNSOLICITED - 1);
        let unsolicited = unsolicited.filter(|_| urgency == Urgency::Unsolicited);
        [all, unsolicited].into_iter().flatten().map(|(at, _)| *at + WINDOW).max()
    }

    fn expire(&mut self, now: Instant) {
        while self.sent.front().is_some_and(|(at, _)| *at + WINDOW <= now) {
            self.sent.pop_front();
        }
        for path in self.paths.values_mut() {
            if now.saturating_duration_since(path.last_submitted) > MAX_WAIT {
                path.waiting = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(10);

    /// Submits what `packets` returns in each tick of 10 ms, and returns when which paths were sent on.
    fn run(ticks: u32, mut packets: impl FnMut(u32) -> Vec<(u32, Urgency)>) -> Vec<(Duration, u32)> {
        let start = Instant::now();
        let mut pacer = CheckPacer::new();
        let mut sent = Vec::new();
        for tick in 0..ticks {
            let now = start + TICK * tick;
            for (path, urgency) in packets(tick) {
                pacer.submit(now, path, urgency, ());
            }
            while let Some((path, ())) = pacer.take_due(now) {
                sent.push((now - start, path));
            }
            assert!(pacer.paths.len() <= 2 * MAX_PATHS && pacer.sent.len() <= MAX_PACKETS);
            assert!(pacer.next_due().is_none_or(|at| at > now), "nothing that is due waits");
        }
        sent
    }

    /// The most packets in any second.
    fn most(sent: &[(Duration, u32)]) -> usize {
        let within = |from: Duration| sent.iter().filter(|(at, _)| *at >= from && *at < from + WINDOW).count();
        sent.iter().map(|(from, _)| within(*from)).max().unwrap_or(0)
    }

    fn checks(paths: impl Iterator<Item = u32>) -> Vec<(u32, Urgency)> {
        paths.map(|path| (path, Urgency::Unsolicited)).collect()
    }

    #[test]
    fn packets_are_limited_in_every_second_whatever_is_submitted() {
        let same = run(400, |_| checks(0..300));
        assert_eq!(most(&same), MAX_UNSOLICITED);
        let new_paths = run(400, |tick| checks(tick * 100..tick * 100 + 100));
        assert_eq!(most(&new_paths), MAX_UNSOLICITED);
        let urgent = run(400, |tick| (tick..tick + 50).map(|path| (path, Urgency::Reply)).collect());
        assert_eq!(most(&urgent), MAX_PACKETS);
        let mixed = run(400, |tick| {
            let urgency = |path| if path % 2 == 0 { Urgency::Reply } else { Urgency::Unsolicited };
            (tick..tick + 50).map(|path| (path, urgency(path))).collect()
        });
        assert_eq!(most(&mixed), MAX_PACKETS);
    }

    #[test]
    fn the_first_paths_are_checked_at_once() {
        let sent = run(1, |_| checks(0..300));
        assert_eq!(sent, (0..12).map(|path| (Duration::ZERO, path)).collect::<Vec<_>>());
    }

    #[test]
    fn each_of_a_hundred_paths_has_its_turn() {
        let sent = run(1_700, |tick| if tick % 10 == 0 { checks(0..300) } else { Vec::new() });
        let mut counts = [0; MAX_PATHS];
        for (_, path) in &sent {
            counts[*path as usize] += 1;
        }
        assert!(counts.iter().all(|count| (1..=3).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_new_path_does_not_wait_for_repetitions_on_others() {
        let sent = run(210, |tick| {
            let new = (tick == 150).then_some(99);
            if tick % 10 == 0 { checks((0..20).chain(new)) } else { Vec::new() }
        });
        let (at, _) = sent.iter().find(|(_, path)| *path == 99).unwrap();
        assert!(*at <= Duration::from_millis(2_000), "{at:?}");
    }

    #[test]
    fn replies_overtake_checks() {
        let sent = run(1, |_| {
            let mut packets = checks(0..300);
            packets.insert(50, (999, Urgency::Reply));
            packets
        });
        assert_eq!(sent[0].1, 999);
        let later = run(60, |tick| match tick {
            0 => checks(0..100),
            50 => vec![(0, Urgency::Reply)],
            _ => Vec::new(),
        });
        assert_eq!(later.last(), Some(&(Duration::from_millis(500), 0)), "although the limit of checks is reached");
    }

    #[test]
    fn repetitions_on_one_path_become_rarer() {
        let sent = run(300, |tick| if tick % 10 == 0 { checks(0..1) } else { Vec::new() });
        let at: Vec<_> = sent.iter().map(|(at, _)| at.as_millis()).collect();
        assert_eq!(at, [0, 200, 600, 1_100, 1_600, 2_100, 2_600]);
    }

    #[test]
    fn packets_that_waited_too_long_are_dropped() {
        let sent = run(1_000, |tick| if tick == 0 { checks(0..100) } else { Vec::new() });
        assert_eq!(sent.len(), 4 * MAX_UNSOLICITED);
    }

    #[test]
    fn released_paths_are_paced_no_more() {
        let now = Instant::now();
        let mut pacer = CheckPacer::new();
        for path in 0..50 {
            pacer.submit(now, path, Urgency::Unsolicited, path);
        }
        while pacer.take_due(now).is_some() {}
        let mut released = pacer.release(|path| *path % 10 == 9);
        released.sort_unstable();
        assert_eq!(released, [(19, 19), (29, 29), (39, 39), (49, 49)]);
        assert_eq!(pacer.paths.len(), 45);
    }
}
