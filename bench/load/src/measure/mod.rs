//! What is measured, one after the other, each server alone.

mod calls;
mod costs;
mod idle;
mod presence;
mod storm;

use std::{fs, path::Path, process::Command as Program};

use anyhow::Result;
use serde::{Deserialize, Serialize};

pub use calls::{Ladder, Rung};
pub use costs::{Costs, Doing, Profile};
pub use idle::Idle;
pub use presence::Presence;
pub use storm::Storm;

use crate::{
    control::Workers,
    limits,
    server::{Programs, Subject},
};

/// Bytes of a session description: between what a browser offers for voice and what it offers for video.
pub const SDP: usize = 3_000;

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Memory of idle users.
    Idle,
    /// Logins all at once.
    Storms,
    /// People who come and go.
    Presence,
    /// Calls.
    Calls,
    /// System calls.
    Costs,
    /// Where the time goes.
    Profiles,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Idle, Self::Storms, Self::Presence, Self::Calls, Self::Costs, Self::Profiles];
}

/// How much is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it is called in the results.
    pub name: &'static str,
    /// What of it.
    pub parts: Vec<Part>,
    /// Connected users, rising.
    pub idle: Vec<u32>,
    /// The same in TLS.
    pub idle_tls: Vec<u32>,
    /// Users who log in at once, on every server that tells them of each other.
    pub storms: Vec<u32>,
    /// The same, for ours alone.
    pub large_storms: Vec<u32>,
    /// How often each storm is, the greatest of the old server's apart.
    pub repeats: usize,
    /// Users who are told of changes.
    pub watchers: u32,
    /// Seconds for which there are changes.
    pub churn: f64,
    /// Users among whom calls are made.
    pub online: u32,
    /// Calls a second, rising.
    pub rates: Vec<f64>,
    /// The rate that is measured several times.
    pub judged: f64,
    /// Users among whom calls are made on the old server, which tells each of them of every one.
    pub online_old: u32,
    /// Calls a second there.
    pub rates_old: Vec<f64>,
    /// Seconds of each rate before it is measured, and while it is.
    pub rung: (f64, f64),
}

impl Plan {
    /// What docs/BENCHMARKS.md tells: about twelve minutes.
    #[must_use]
    pub fn full() -> Self {
        Self {
            name: "full",
            parts: Part::ALL.to_vec(),
            idle: vec![1_000, 10_000, 50_000],
            idle_tls: vec![1_000, 10_000],
            storms: vec![500, 1_000, 2_000],
            large_storms: vec![5_000, 10_000],
            repeats: 3,
            watchers: 2_000,
            churn: 5.0,
            online: 10_000,
            rates: vec![100.0, 500.0, 1_000.0, 2_000.0, 3_000.0, 4_000.0, 6_000.0, 8_000.0],
            judged: 1_000.0,
            online_old: 2_000,
            rates_old: vec![0.5, 1.0, 2.0, 4.0],
            rung: (1.0, 4.0),
        }
    }

    /// For trying out: about a minute.
    #[must_use]
    pub fn quick() -> Self {
        Self {
            name: "quick",
            parts: Part::ALL.to_vec(),
            idle: vec![500, 1_000],
            idle_tls: vec![500],
            storms: vec![250, 500],
            large_storms: vec![1_000],
            repeats: 1,
            watchers: 300,
            churn: 2.0,
            online: 1_000,
            rates: vec![100.0, 500.0],
            judged: 100.0,
            online_old: 300,
            rates_old: vec![2.0],
            rung: (0.5, 1.5),
        }
    }
}

/// Everything that was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Found {
    /// The plan's name.
    pub plan: String,
    /// On what.
    pub machine: Machine,
    /// Memory of idle users.
    pub idle: Vec<Idle>,
    /// Logins all at once.
    pub storms: Vec<Storm>,
    /// Changes of who is there.
    pub presence: Vec<Presence>,
    /// Calls at rising rates.
    pub calls: Vec<Ladder>,
    /// System calls.
    pub costs: Vec<Costs>,
    /// Where the time goes.
    pub profiles: Vec<Profile>,
    /// What was not measured, and why.
    pub left_out: Vec<String>,
}

/// The machine in general words.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// Processors.
    pub processors: usize,
    /// Memory in GiB.
    pub memory: u64,
    /// The kernel's version, the two first numbers.
    pub kernel: String,
    /// Node's version.
    pub node: String,
    /// Connections that one process may have.
    pub connections: u32,
}

/// What measuring needs.
#[derive(Debug)]
pub struct Bench {
    programs: Programs,
    plan: Plan,
    connections: u32,
}

impl Bench {
    /// With these programs.
    #[must_use]
    pub fn new(programs: Programs, plan: Plan) -> Self {
        Self { programs, plan, connections: limits::connections_a_process() }
    }

    /// Measures everything that the plan has. What fails is told and left out, so that one server's fault does not take all figures
    /// with it.
    ///
    /// # Errors
    ///
    /// Never at the moment.
    pub async fn run(&self) -> Result<Found> {
        let mut found = Found {
            plan: self.plan.name.to_owned(),
            machine: self.machine(),
            idle: Vec::new(),
            storms: Vec::new(),
            presence: Vec::new(),
            calls: Vec::new(),
            costs: Vec::new(),
            profiles: Vec::new(),
            left_out: Vec::new(),
        };
        for subject in
            [Subject::Ours, Subject::OursTls, Subject::Old, Subject::PeerJs, Subject::MatchboxHost, Subject::Floor]
        {
            let users = if subject == Subject::OursTls { &self.plan.idle_tls } else { &self.plan.idle };
            self.take(&mut found, (Part::Idle, "idle users"), subject, self.idle(subject, users), |found, all| {
                found.idle.extend(all)
            })
            .await;
        }
        for subject in [
            Subject::OursWhole,
            Subject::OursWholeTls,
            Subject::Ours,
            Subject::MatchboxMesh,
            Subject::Old,
            Subject::Floor,
        ] {
            self.take(&mut found, (Part::Storms, "storms"), subject, self.storms(subject), |found, all| {
                found.storms.extend(all)
            })
            .await;
        }
        for subject in [Subject::OursWhole, Subject::Old] {
            self.take(&mut found, (Part::Presence, "changes"), subject, self.presence(subject), |found, all| {
                found.presence.extend(all)
            })
            .await;
        }
        for subject in
            [Subject::Ours, Subject::OursTls, Subject::Old, Subject::PeerJs, Subject::MatchboxMesh, Subject::Floor]
        {
            self.take(&mut found, (Part::Calls, "calls"), subject, self.calls(subject), |found, ladder| {
                found.calls.push(ladder)
            })
            .await;
        }
        for subject in [Subject::OursWhole, Subject::Old, Subject::Floor] {
            self.take(&mut found, (Part::Costs, "system calls"), subject, self.costs(subject), |found, all| {
                found.costs.extend(all)
            })
            .await;
        }
        let profiles = self.profiles();
        self.take(&mut found, (Part::Profiles, "profile"), Subject::Ours, profiles, |found, all| {
            found.profiles.extend(all)
        })
        .await;
        Ok(found)
    }

    async fn take<T: std::fmt::Debug>(
        &self,
        found: &mut Found,
        (part, what): (Part, &str),
        subject: Subject,
        measuring: impl Future<Output = Result<T>>,
        put: impl FnOnce(&mut Found, T),
    ) {
        if !self.plan.parts.contains(&part) || !self.programs.have(subject) {
            return;
        }
        let begun = std::time::Instant::now();
        match measuring.await {
            Ok(measured) => {
                eprintln!("{what}: {} ({:.0} s)", subject.words(), begun.elapsed().as_secs_f32());
                put(found, measured);
            }
            Err(problem) => {
                eprintln!("{what}: {}: not measured: {problem:#}", subject.words());
                found.left_out.push(format!("{what}, {}: {problem:#}", subject.words()));
            }
        }
    }

    /// As many as keep to the limit, and two at least: one thread each, for two processors' worth of clients.
    fn workers(&self, clients: u32) -> Result<Workers> {
        Workers::start(&self.programs.own, clients.div_ceil(self.connections).max(2) as usize)
    }

    fn machine(&self) -> Machine {
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kibibytes = memory.split_whitespace().nth(1).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let node = Program::new("node").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
        Machine {
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            memory: (kibibytes + (1 << 19)) >> 20,
            kernel: kernel.split('.').take(2).collect::<Vec<_>>().join("."),
            node: String::from_utf8_lossy(&node).trim().trim_start_matches('v').to_owned(),
            connections: self.connections,
        }
    }
}

/// Least, median and greatest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The least.
    pub least: f64,
    /// The middle one; of an even number the lower.
    pub median: f64,
    /// The greatest.
    pub greatest: f64,
}

impl Spread {
    /// Of these; none of nothing.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut all: Vec<f64> = values.into_iter().collect();
        all.sort_by(f64::total_cmp);
        let (least, greatest) = (*all.first()?, *all.last()?);
        Some(Self { least, median: all[(all.len() - 1) / 2], greatest })
    }
}

/// Writes what was found, for machines.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write(found: &Found, file: &Path) -> Result<()> {
    Ok(fs::write(file, serde_json::to_string_pretty(found)? + "\n")?)
}
