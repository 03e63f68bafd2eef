//! Simulation: many participants on slow networks for some minutes, with random events drawn from a seed.
//!
//! It complements the model check for worlds that are too large to explore. The state is the checker's [`ModelWorld`],
//! but each event has its time: messages take a while, devices and people are slow, connections and the server fail and
//! recover, and each end of a broken connection detects that at once or much later. The same invariants are checked
//! after every step. At the end, after all failures have settled, the clients have to agree with the server, and
//! nothing of any call may be left.

mod deliveries;
mod failures;
mod people;

use std::time::Duration;

use fastrand::Rng;
use hutong_core::{CallPhase, Command};
use hutong_protocol::UserState;

use crate::{
    model::{has_at_most_one_call_each, has_no_call, is_consistent},
    scope::{CheckScope, EventBudget, InjectedFault},
    world::{ConnectMode, ModelWorld},
};

use deliveries::{DeliverySchedule, PendingDelivery};
use failures::FailureInjector;
use people::SimulatedPeople;

/// Time without new calls and failures after which everything has settled: longer than any deadline and any reconnect
/// delay.
const SETTLE_TIME: Duration = Duration::from_secs(240);

/// Parameters of a simulation.
#[derive(Clone, Copy, Debug)]
pub struct SimulationPlan {
    /// Number of participants.
    pub participants: usize,
    /// Number of users online up to which the server sends the whole roster.
    pub whole_roster: usize,
    /// How long people give commands and failures happen.
    pub active_for: Duration,
    /// Fault that is injected on purpose.
    pub fault: InjectedFault,
}

/// Counts of simulated events, to show that the simulation covered them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SimulationCounts {
    /// Steps of any kind.
    pub steps: u64,
    /// How often a participant's media started to flow, including after an interruption.
    pub connected: u64,
    /// Connections that were cut, including those of killed servers.
    pub cuts: u64,
    /// Server restarts.
    pub restarts: u64,
    /// How often a participant's call survived a cut of its connection.
    pub survived: u64,
}

impl SimulationCounts {
    /// The sum of two counts.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            steps: self.steps + other.steps,
            connected: self.connected + other.connected,
            cuts: self.cuts + other.cuts,
            restarts: self.restarts + other.restarts,
            survived: self.survived + other.survived,
        }
    }
}

/// Runs the simulation of a seed.
///
/// # Errors
///
/// The violated invariant, with time and world state.
pub fn simulate(seed: u64, plan: &SimulationPlan) -> Result<SimulationCounts, String> {
    let mut simulation = Simulation::new(seed, plan);
    simulation.run().map_err(|violation| {
        let Simulation { world, started, .. } = &simulation;
        format!("seed {seed} of {plan:?}: {violation}, {:?} after the start, in {world:?}", world.now - *started)
    })?;
    Ok(SimulationCounts { cuts: simulation.failures.cuts, restarts: simulation.failures.restarts, ..simulation.counts })
}

struct Simulation {
    world: ModelWorld,
    started: Duration,
    random: Rng,
    deliveries: DeliverySchedule,
    people: SimulatedPeople,
    failures: FailureInjector,
    phases: Vec<Option<CallPhase>>,
    active_for: Duration,
    counts: SimulationCounts,
}

/// The next event of the simulation.
#[derive(Clone, Copy, Debug)]
enum NextEvent {
    Delivery(PendingDelivery),
    ClientDeadline(usize),
    ServerDeadline,
    PersonActs(usize),
    Failure,
    ServerRestarts,
}

impl Simulation {
    fn new(seed: u64, plan: &SimulationPlan) -> Self {
        let scope = CheckScope {
            whole_roster: plan.whole_roster,
            ..CheckScope::new(plan.participants, EventBudget::default())
        };
        let mut world = ModelWorld::new(&scope.with_fault(plan.fault));
        world.connect_mode = ConnectMode::Delayed;
        let mut random = Rng::with_seed(seed);
        let started = world.now;
        let soon = |random: &mut Rng| started + Duration::from_millis(random.u64(0..5_000));
        Self {
            people: SimulatedPeople::new((0..plan.participants).map(|_| soon(&mut random)).collect()),
            failures: FailureInjector::new(plan.participants, soon(&mut random)),
            deliveries: DeliverySchedule::new(plan.participants, &mut random),
            world,
            started,
            random,
            phases: vec![None; plan.participants],
            active_for: plan.active_for,
            counts: SimulationCounts::default(),
        }
    }

    fn run(&mut self) -> Result<(), String> {
        self.run_until(self.started + self.active_for)?;
        self.people.restrict_to_login();
        self.failures.next_at = None;
        self.run_until(self.world.now + SETTLE_TIME)?;
        if !is_consistent(&self.world) {
            return Err("a client is stuck or disagrees with the server".into());
        }
        for index in self.all_indices() {
            self.world.command(index, Command::HangUp);
        }
        self.run_until(self.world.now + SETTLE_TIME)?;
        if !is_consistent(&self.world) || !has_no_call(&self.world) {
            return Err("state of a call is left".into());
        }
        let all_logged_in = self.all_indices().all(|index| self.world.is_logged_in(index));
        if all_logged_in { Ok(()) } else { Err("a client could not log in".into()) }
    }

    fn all_indices(&self) -> std::ops::Range<usize> {
        0..self.world.participants.len()
    }

    fn run_until(&mut self, until: Duration) -> Result<(), String> {
        loop {
            self.world.remove_closed_connections();
            self.deliveries.draw(&self.world, &mut self.random);
            let next = self.next().filter(|(at, _)| *at <= until);
            let Some((at, next)) = next else {
                self.world.now = until;
                return Ok(());
            };
            self.world.now = self.world.now.max(at);
            self.step(next);
            self.counts.steps += 1;
            self.count();
            self.check_invariants()?;
        }
    }

    fn next(&self) -> Option<(Duration, NextEvent)> {
        let delivery = self.deliveries.next().map(|(at, delivery)| (at, NextEvent::Delivery(delivery)));
        let wakes = self
            .all_indices()
            .filter_map(|index| Some((self.world.participants[index].wake?, NextEvent::ClientDeadline(index))));
        let acts = self.people.next_actions().map(|(at, index)| (at, NextEvent::PersonActs(index)));
        let ignores_deadlines = self.world.fault == InjectedFault::NoServerDeadlines;
        let server =
            self.world.registry.next_tick().filter(|_| !ignores_deadlines && self.failures.down_until.is_none());
        let others = [
            server.map(|at| (at, NextEvent::ServerDeadline)),
            self.failures.next_at.map(|at| (at, NextEvent::Failure)),
            self.failures.down_until.map(|at| (at, NextEvent::ServerRestarts)),
        ];
        let all = delivery.into_iter().chain(wakes).chain(acts).chain(others.into_iter().flatten());
        all.min_by_key(|(at, _)| *at)
    }

    fn step(&mut self, next: NextEvent) {
        match next {
            NextEvent::Delivery(delivery) => self.deliver(delivery),
            NextEvent::ClientDeadline(index) => self.world.tick_client(index),
            NextEvent::ServerDeadline => self.world.run_server_deadlines(),
            NextEvent::PersonActs(index) => self.people.act(&mut self.world, &mut self.random, index),
            NextEvent::Failure => self.failures.inject(&mut self.world, &mut self.deliveries, &mut self.random),
            NextEvent::ServerRestarts => {
                self.failures.down_until = None;
                // The window for claims counts from here.
                self.world.restart_server();
            }
        }
    }

    fn deliver(&mut self, delivery: PendingDelivery) {
        self.deliveries.take(delivery);
        match delivery {
            PendingDelivery::ToServer(index, conn) => {
                let position =
                    self.world.participants[index].connections.iter().position(|connection| connection.conn == conn);
                if let Some(position) = position {
                    self.world.deliver_over_connection(index, position);
                }
            }
            PendingDelivery::ToClient(index, _) => {
                self.world.deliver_to_client(index);
            }
            PendingDelivery::ConnectionOpens(index, _) if self.failures.down_until.is_some() => {
                self.world.connection_failed(index)
            }
            PendingDelivery::ConnectionOpens(index, _) => self.world.connection_opened(index),
            PendingDelivery::MediaReport(index) => {
                if self.random.u8(0..30) == 0 {
                    // No effect unless the next report is that of acquired devices.
                    self.world.participants[index].engine.deny_devices();
                }
                self.world.report_media(index);
            }
            PendingDelivery::DeadMedia(index) => {
                if let Some(peer_index) = self.world.dead_peer_index(index) {
                    self.world.participants[index].engine.remote_peer_closed(peer_index);
                }
            }
        }
    }

    /// Updates the counts after a step.
    fn count(&mut self) {
        for index in self.all_indices() {
            let phase = self.world.phase(index);
            if phase == Some(CallPhase::Connected) && self.phases[index] != phase {
                self.counts.connected += 1;
            }
            self.phases[index] = phase;
            if !self.failures.was_cut_in_call[index] {
                continue;
            }
            let session = &self.world.participants[index].client.view().session;
            if phase.is_none() {
                self.failures.was_cut_in_call[index] = false;
            } else if self.world.is_logged_in(index) && session.me().is_some_and(|me| me.state == UserState::InCall) {
                self.failures.was_cut_in_call[index] = false;
                self.counts.survived += 1;
            }
        }
    }

    fn check_invariants(&self) -> Result<(), String> {
        let snapshot = self.world.registry.snapshot();
        if !has_at_most_one_call_each(&snapshot) {
            return Err("a user is in two calls".into());
        }
        match snapshot.invariant_violations().first() {
            Some(fault) => Err(fault.clone()),
            None if !snapshot.wakes_in_time(&self.world.registry) => Err("the server missed a deadline".into()),
            None => Ok(()),
        }
    }
}
