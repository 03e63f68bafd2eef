//! Many people on slow networks, for some minutes: what is too large to be gone through whole is drawn, as a seed has it.
//!
//! The world is the one that is model-checked. What the checker puts in any order has its moment here: each message arrives some
//! time after it was sent, devices take their time, people think, connections and the server break and come back, and each end of a
//! broken connection notices at once or much later. The same rules are looked at in every state, and in the end, when all is calm
//! again: everybody agrees, and nothing is left of any call.

mod arrivals;
mod mishaps;
mod people;

use std::time::Duration;

use fastrand::Rng;
use hutong_core::{CallPhase, Command};
use hutong_protocol::UserState;

use crate::{
    model::{has_no_call, is_in_one_call_at_most, is_settled},
    scope::{Fault, Left, Scope},
    world::{Opening, World},
};

use arrivals::{Arrivals, What};
use mishaps::Mishaps;
use people::People;

/// After this long without people's doing and mishaps everything has come to its end: longer than any deadline, and than any wait
/// before the next attempt.
const CALM: Duration = Duration::from_secs(240);

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many people.
    pub people: usize,
    /// How many may be online for everybody to be shown everybody.
    pub whole_roster: usize,
    /// For how long people act and things go wrong.
    pub lively: Duration,
    /// What is broken on purpose.
    pub fault: Fault,
}

/// What came about, to show that something did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Steps of any kind.
    pub steps: u64,
    /// Sides of calls whose media came to flow, again after a break included.
    pub connected: u64,
    /// Connections that were cut, those included that a server's end took with it.
    pub cuts: u64,
    /// Servers that were killed and started anew.
    pub restarts: u64,
    /// Sides of calls that were cut and came back into their call.
    pub outlived: u64,
}

impl Seen {
    /// The sum of two.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            steps: self.steps + other.steps,
            connected: self.connected + other.connected,
            cuts: self.cuts + other.cuts,
            restarts: self.restarts + other.restarts,
            outlived: self.outlived + other.outlived,
        }
    }
}

/// Simulates what this seed has.
///
/// # Errors
///
/// With the rule that was broken, when, and in which world.
pub fn simulate(seed: u64, plan: &Plan) -> Result<Seen, String> {
    let mut simulation = Simulation::begin(seed, plan);
    simulation.run().map_err(|broken| {
        let Simulation { world, begun, .. } = &simulation;
        format!("seed {seed} of {plan:?}: {broken}, {:?} after the beginning, in {world:?}", world.now - *begun)
    })?;
    Ok(Seen { cuts: simulation.mishaps.cuts, restarts: simulation.mishaps.restarts, ..simulation.seen })
}

struct Simulation {
    world: World,
    begun: Duration,
    random: Rng,
    arrivals: Arrivals,
    people: People,
    mishaps: Mishaps,
    phases: Vec<Option<CallPhase>>,
    lively: Duration,
    seen: Seen,
}

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Next {
    Arrival(What),
    Tick(usize),
    TickServer,
    Act(usize),
    Mishap,
    ServerIsBack,
}

impl Simulation {
    fn begin(seed: u64, plan: &Plan) -> Self {
        let scope = Scope { whole_roster: plan.whole_roster, ..Scope::new(plan.people, Left::default()) };
        let mut world = World::begin(&scope.with(plan.fault));
        world.opening = Opening::Later;
        let mut random = Rng::with_seed(seed);
        let begun = world.now;
        let soon = |random: &mut Rng| begun + Duration::from_millis(random.u64(0..5_000));
        Self {
            people: People::new((0..plan.people).map(|_| soon(&mut random)).collect()),
            mishaps: Mishaps::new(plan.people, soon(&mut random)),
            arrivals: Arrivals::new(plan.people, &mut random),
            world,
            begun,
            random,
            phases: vec![None; plan.people],
            lively: plan.lively,
            seen: Seen::default(),
        }
    }

    fn run(&mut self) -> Result<(), String> {
        self.go_on(self.begun + self.lively)?;
        self.people.calm_down();
        self.mishaps.next = None;
        self.go_on(self.world.now + CALM)?;
        if !is_settled(&self.world) {
            return Err("somebody is stuck, or does not agree".into());
        }
        for who in self.everybody() {
            self.world.command(who, Command::HangUp);
        }
        self.go_on(self.world.now + CALM)?;
        if !is_settled(&self.world) || !has_no_call(&self.world) {
            return Err("something is left of a call".into());
        }
        let everybody_is_there = self.everybody().all(|who| self.world.is_logged_in(who));
        if everybody_is_there { Ok(()) } else { Err("somebody does not get in".into()) }
    }

    fn everybody(&self) -> std::ops::Range<usize> {
        0..self.world.people.len()
    }

    fn go_on(&mut self, until: Duration) -> Result<(), String> {
        loop {
            self.world.forget_wires();
            self.arrivals.draw(&self.world, &mut self.random);
            let next = self.next().filter(|(at, _)| *at <= until);
            let Some((at, next)) = next else {
                self.world.now = until;
                return Ok(());
            };
            self.world.now = self.world.now.max(at);
            self.step(next);
            self.seen.steps += 1;
            self.notice();
            self.check()?;
        }
    }

    fn next(&self) -> Option<(Duration, Next)> {
        let arrival = self.arrivals.next().map(|(at, what)| (at, Next::Arrival(what)));
        let wakes = self.everybody().filter_map(|who| Some((self.world.people[who].wake?, Next::Tick(who))));
        let acts = self.people.acts().map(|(at, who)| (at, Next::Act(who)));
        let is_timeless = self.world.fault == Fault::Timeless;
        let server = self.world.registry.next_tick().filter(|_| !is_timeless && self.mishaps.down_until.is_none());
        let others = [
            server.map(|at| (at, Next::TickServer)),
            self.mishaps.next.map(|at| (at, Next::Mishap)),
            self.mishaps.down_until.map(|at| (at, Next::ServerIsBack)),
        ];
        let all = arrival.into_iter().chain(wakes).chain(acts).chain(others.into_iter().flatten());
        all.min_by_key(|(at, _)| *at)
    }

    fn step(&mut self, next: Next) {
        match next {
            Next::Arrival(what) => self.arrives(what),
            Next::Tick(who) => self.world.tick(who),
            Next::TickServer => self.world.server_due(),
            Next::Act(who) => self.people.act(&mut self.world, &mut self.random, who),
            Next::Mishap => self.mishaps.strike(&mut self.world, &mut self.arrivals, &mut self.random),
            Next::ServerIsBack => {
                self.mishaps.down_until = None;
                // As of now: what it may claim is counted from here.
                self.world.restart_server();
            }
        }
    }

    fn arrives(&mut self, what: What) {
        self.arrivals.take(what);
        match what {
            What::ToServer(who, conn) => {
                let place = self.world.people[who].wires.iter().position(|wire| wire.conn == conn);
                if let Some(place) = place {
                    self.world.arrives_at_server(who, place);
                }
            }
            What::ToClient(who, _) => {
                self.world.deliver_to_client(who);
            }
            What::Opens(who, _) if self.mishaps.down_until.is_some() => self.world.not_opened(who),
            What::Opens(who, _) => self.world.opened(who),
            What::Report(who) => {
                if self.random.u8(0..30) == 0 {
                    // Only where devices are what is to be reported.
                    self.world.people[who].engine.refuse();
                }
                self.world.report(who);
            }
            What::DeadMedia(who) => {
                if let Some(place) = self.world.dead_media(who) {
                    self.world.people[who].engine.other_end_gone(place);
                }
            }
        }
    }

    /// Counts what came about.
    fn notice(&mut self) {
        for who in self.everybody() {
            let phase = self.world.phase(who);
            if phase == Some(CallPhase::Connected) && self.phases[who] != phase {
                self.seen.connected += 1;
            }
            self.phases[who] = phase;
            if !self.mishaps.cut_in_call[who] {
                continue;
            }
            let session = &self.world.people[who].client.view().session;
            if phase.is_none() {
                self.mishaps.cut_in_call[who] = false;
            } else if self.world.is_logged_in(who) && session.me().is_some_and(|me| me.state == UserState::InCall) {
                self.mishaps.cut_in_call[who] = false;
                self.seen.outlived += 1;
            }
        }
    }

    fn check(&self) -> Result<(), String> {
        let snapshot = self.world.registry.snapshot();
        if !is_in_one_call_at_most(&snapshot) {
            return Err("somebody is in two calls".into());
        }
        match snapshot.faults().first() {
            Some(fault) => Err(fault.clone()),
            None if !snapshot.wakes_in_time(&self.world.registry) => Err("the server sleeps through a deadline".into()),
            None => Ok(()),
        }
    }
}
