//! How much is measured: which parts, with how many users, at which rates.

use clap::ValueEnum;

/// Bytes of a session description: between what a browser offers for voice and what it offers for video.
pub const SDP: usize = 3_000;

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Memory of idle users.
    Idle,
    /// Logins all at once.
    Storms,
    /// Number of people who connect and disconnect.
    Presence,
    /// Calls.
    Calls,
    /// System calls.
    Costs,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Idle, Self::Storms, Self::Presence, Self::Calls, Self::Costs];

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Idle => "idle users",
            Self::Storms => "storms",
            Self::Presence => "changes",
            Self::Calls => "calls",
            Self::Costs => "system calls",
        }
    }
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
    /// Number of users who log in at once, on each server that sends presence.
    pub storms: Vec<u32>,
    /// The same, for ours alone.
    pub large_storms: Vec<u32>,
    /// How often each storm is, the greatest of the old server's apart.
    pub repeats: usize,
    /// Number of users who receive presence changes.
    pub watchers: u32,
    /// Seconds for which there are changes.
    pub churn: f64,
    /// Users among whom calls are made.
    pub online: u32,
    /// Calls a second, rising.
    pub rates: Vec<f64>,
    /// The rate that is measured several times.
    pub judged: f64,
    /// The same on the old server, which broadcasts every call to all users.
    pub online_old: u32,
    /// Calls a second there.
    pub rates_old: Vec<f64>,
    /// Seconds of each rate before it is measured, and while it is.
    pub rung: (f64, f64),
}

impl Plan {
    /// Measures everything that docs/BENCHMARKS.md reports, in about twelve minutes.
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
