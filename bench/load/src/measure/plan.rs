//! Benchmark plans: which experiments, with how many users, at which rates.

use clap::ValueEnum;

/// Size of a session description in bytes: between a browser's audio offer and its video offer.
pub const SDP: usize = 3_000;

/// Experiment that can be selected with `--only`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Experiment {
    /// Memory per idle user
    Idle,
    /// Login storms
    Storms,
    /// Presence updates
    Presence,
    /// Call set-ups
    Calls,
    /// System calls
    Costs,
}

impl Experiment {
    /// All experiments.
    pub const ALL: [Self; 5] = [Self::Idle, Self::Storms, Self::Presence, Self::Calls, Self::Costs];

    /// Label in messages.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Idle => "idle users",
            Self::Storms => "login storms",
            Self::Presence => "presence",
            Self::Calls => "call set-ups",
            Self::Costs => "system calls",
        }
    }
}

/// Parameters of a benchmark run.
#[derive(Clone, Debug)]
pub struct BenchPlan {
    /// Name in the results.
    pub name: &'static str,
    /// The experiments.
    pub experiments: Vec<Experiment>,
    /// Numbers of idle users, rising.
    pub idle: Vec<u32>,
    /// The same with TLS.
    pub idle_tls: Vec<u32>,
    /// Numbers of users in a login storm, on each server that sends presence.
    pub storms: Vec<u32>,
    /// The same, for Hutong alone.
    pub large_storms: Vec<u32>,
    /// Runs of each storm, except the largest on the socket.io server.
    pub storm_runs: usize,
    /// Users that receive presence updates.
    pub presence_watchers: u32,
    /// Seconds of presence changes.
    pub churn_seconds: f64,
    /// Online users in call experiments.
    pub online: u32,
    /// Calls a second, rising.
    pub rates: Vec<f64>,
    /// The rate that has a target: measured several times.
    pub target_rate: f64,
    /// Online users on the socket.io server, which broadcasts every call to all users.
    pub online_socket_io: u32,
    /// Calls a second on the socket.io server.
    pub rates_socket_io: Vec<f64>,
    /// Seconds of warm-up and of measuring at each rate.
    pub rate_seconds: (f64, f64),
}

impl BenchPlan {
    /// The plan of docs/BENCHMARKS.md: about twelve minutes.
    #[must_use]
    pub fn full() -> Self {
        Self {
            name: "full",
            experiments: Experiment::ALL.to_vec(),
            idle: vec![1_000, 10_000, 50_000],
            idle_tls: vec![1_000, 10_000],
            storms: vec![500, 1_000, 2_000],
            large_storms: vec![5_000, 10_000],
            storm_runs: 3,
            presence_watchers: 2_000,
            churn_seconds: 5.0,
            online: 10_000,
            rates: vec![100.0, 500.0, 1_000.0, 2_000.0, 3_000.0, 4_000.0, 6_000.0, 8_000.0],
            target_rate: 1_000.0,
            online_socket_io: 2_000,
            rates_socket_io: vec![0.5, 1.0, 2.0, 4.0],
            rate_seconds: (1.0, 4.0),
        }
    }

    /// A smaller plan for trials: about a minute.
    #[must_use]
    pub fn quick() -> Self {
        Self {
            name: "quick",
            experiments: Experiment::ALL.to_vec(),
            idle: vec![500, 1_000],
            idle_tls: vec![500],
            storms: vec![250, 500],
            large_storms: vec![1_000],
            storm_runs: 1,
            presence_watchers: 300,
            churn_seconds: 2.0,
            online: 1_000,
            rates: vec![100.0, 500.0],
            target_rate: 100.0,
            online_socket_io: 300,
            rates_socket_io: vec![2.0],
            rate_seconds: (0.5, 1.5),
        }
    }
}
