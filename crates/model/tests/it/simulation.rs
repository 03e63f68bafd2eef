//! Twelve people on slow networks, for two minutes each time.

use std::{
    num::NonZeroUsize,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
    thread::{available_parallelism, scope},
    time::Duration,
};

use hutong_model::{Fault, Plan, Seen, simulate};

/// Everybody is shown everybody.
const WHOLE: Plan = Plan { people: 12, whole_roster: 100, lively: Duration::from_secs(120), fault: Fault::None };

/// A part is shown, or everybody: it changes as people come and go.
const PART: Plan = Plan { whole_roster: 8, ..WHOLE };

/// Simulates what these seeds have, and fails with the first that breaks a rule.
fn hold(plan: &Plan, seeds: Range<u64>) -> Seen {
    let next = AtomicU64::new(seeds.start);
    let threads = available_parallelism().map_or(1, NonZeroUsize::get);
    let work = || {
        let mut sum = Seen::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return sum;
            }
            match simulate(seed, plan) {
                Ok(seen) => sum = sum.plus(seen),
                Err(broken) => panic!("{broken}"),
            }
        }
    };
    let seen = scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        all.into_iter().fold(Seen::default(), |sum, thread| match thread.join() {
            Ok(seen) => sum.plus(seen),
            Err(broken) => std::panic::resume_unwind(broken),
        })
    });
    println!("{plan:?}, seeds {seeds:?}: {seen:?}");
    let count = seeds.end - seeds.start;
    let enough = [(seen.connected, 20), (seen.cuts, 10), (seen.outlived, 1), (seen.restarts * 2, 1)];
    assert!(enough.iter().all(|(seen, each)| *seen >= each * count), "hardly anything came about: {seen:?}");
    seen
}

#[test]
fn whatever_comes_about_all_agree_in_the_end() {
    hold(&WHOLE, 0..200);
}

#[test]
fn whatever_comes_about_all_agree_in_the_end_where_a_part_is_shown() {
    hold(&PART, 0..200);
}

#[test]
#[ignore = "takes minutes"]
fn thousands_of_seeds() {
    hold(&WHOLE, 1_000..4_000);
    hold(&PART, 1_000..4_000);
}

#[test]
fn the_same_seed_has_the_same() {
    assert_eq!(simulate(7, &WHOLE), simulate(7, &WHOLE));
}

/// That the rules can fail: each seed of some is to see what is broken on purpose.
#[test]
fn what_is_broken_on_purpose_is_seen() {
    for fault in [Fault::OnlineTooEarly, Fault::Overtaking, Fault::Timeless] {
        let plan = Plan { fault, ..WHOLE };
        let found = (0..20).filter_map(|seed| simulate(seed, &plan).err()).count();
        println!("{fault:?}: {found} of 20 seeds");
        assert!(found >= 15, "{fault:?} was seen with {found} of 20 seeds");
    }
}
