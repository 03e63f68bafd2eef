//! Simulations of twelve participants on slow networks, two minutes each.

use std::{
    num::NonZeroUsize,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
    thread::{available_parallelism, scope},
    time::Duration,
};

use hutong_model::{InjectedFault, SimulationCounts, SimulationPlan, simulate};

/// The server sends whole rosters.
const WHOLE_ROSTER: SimulationPlan = SimulationPlan {
    participants: 12,
    whole_roster: 100,
    active_for: Duration::from_secs(120),
    fault: InjectedFault::None,
};

/// The server switches between whole and partial rosters, as users log in and out.
const PARTIAL_ROSTER: SimulationPlan = SimulationPlan { whole_roster: 8, ..WHOLE_ROSTER };

/// Simulates a range of seeds on all processors. Panics at the first violation, and if the runs covered too few events.
fn simulate_seeds(plan: &SimulationPlan, seeds: Range<u64>) -> SimulationCounts {
    let next = AtomicU64::new(seeds.start);
    let threads = available_parallelism().map_or(1, NonZeroUsize::get);
    let work = || {
        let mut sum = SimulationCounts::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return sum;
            }
            match simulate(seed, plan) {
                Ok(counts) => sum = sum.plus(counts),
                Err(violation) => panic!("{violation}"),
            }
        }
    };
    let counts = scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        all.into_iter().fold(SimulationCounts::default(), |sum, thread| match thread.join() {
            Ok(counts) => sum.plus(counts),
            Err(panic) => std::panic::resume_unwind(panic),
        })
    });
    println!("{plan:?}, seeds {seeds:?}: {counts:?}");
    let count = seeds.end - seeds.start;
    let minimum_per_seed = [(counts.connected, 20), (counts.cuts, 10), (counts.survived, 1), (counts.restarts * 2, 1)];
    assert!(
        minimum_per_seed.iter().all(|(total, minimum)| *total >= minimum * count),
        "the simulations covered too few events: {counts:?}"
    );
    counts
}

#[test]
fn after_random_events_clients_and_server_agree() {
    simulate_seeds(&WHOLE_ROSTER, 0..200);
}

#[test]
fn after_random_events_clients_and_server_agree_with_partial_rosters() {
    simulate_seeds(&PARTIAL_ROSTER, 0..200);
}

#[test]
#[ignore = "takes minutes"]
fn thousands_of_seeds_hold_the_invariants() {
    simulate_seeds(&WHOLE_ROSTER, 1_000..4_000);
    simulate_seeds(&PARTIAL_ROSTER, 1_000..4_000);
}

#[test]
fn a_seed_is_deterministic() {
    assert_eq!(simulate(7, &WHOLE_ROSTER), simulate(7, &WHOLE_ROSTER));
}

/// Shows that the invariants can fail: most seeds detect an injected fault.
#[test]
fn injected_faults_are_detected() {
    for fault in [InjectedFault::OnlineTooEarly, InjectedFault::ReorderedMessages, InjectedFault::NoServerDeadlines] {
        let plan = SimulationPlan { fault, ..WHOLE_ROSTER };
        let detected = (0..20).filter_map(|seed| simulate(seed, &plan).err()).count();
        println!("{fault:?}: detected by {detected} of 20 seeds");
        assert!(detected >= 15, "{fault:?}: detected by {detected} of 20 seeds");
    }
}
