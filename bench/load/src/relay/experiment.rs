//! Experiments on TURN servers: processor time of streams and memory of idle allocations, the servers in turn.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{
    results::{AllocationMemory, RelayResults, StreamCost},
    traffic::{Endpoint, Traffic},
    turn_client::TurnClient,
    turn_server::{RelayPath, TurnPrograms, TurnServer, TurnServerKind},
};
use crate::{
    descriptor_limit,
    measure::{MachineInfo, MinMedianMax},
    usage,
};

/// Largest part of lost packets with which a round is valid: a server that drops packets saves their processor time.
const MAX_LOSS: f64 = 0.001;

/// Attempts at a valid round: a machine that others use may delay a server until its buffers overflow.
const ATTEMPTS: u32 = 3;

/// Time of streams before the measurement, in which buffers grow.
const WARM_UP: Duration = Duration::from_secs(1);

/// Time until the memory of a server is constant.
const SETTLE_TIME: Duration = Duration::from_secs(1);

/// Extent of a run.
#[derive(Clone, Debug)]
pub struct RelayPlan {
    /// Name in the results.
    pub name: &'static str,
    /// Rounds; in each, every server has its turn.
    pub rounds: usize,
    /// Numbers of streams, each even.
    pub streams: Vec<u32>,
    /// Measured time of each round.
    pub duration: Duration,
    /// Idle allocations.
    pub allocations: u32,
}

impl RelayPlan {
    /// The plan of the published results: about five minutes.
    #[must_use]
    pub fn full() -> Self {
        Self { name: "full", rounds: 5, streams: vec![20, 100], duration: Duration::from_secs(6), allocations: 2_000 }
    }

    /// A smaller plan for trials: about half a minute.
    #[must_use]
    pub fn quick() -> Self {
        Self { name: "quick", rounds: 1, streams: vec![20, 100], duration: Duration::from_secs(4), allocations: 400 }
    }
}

/// Figures of one round of streams.
#[derive(Clone, Copy, Debug)]
struct StreamRound {
    micros_per_megabit: f64,
    megabits_per_second: f64,
    loss: f64,
    client_cpus: f64,
}

/// Runs the plan. A failed measurement is recorded and skipped.
pub async fn run(programs: &TurnPrograms, plan: &RelayPlan) -> RelayResults {
    let connections = descriptor_limit::max_connections_per_process();
    let mut results = RelayResults {
        plan: plan.name.to_owned(),
        machine: MachineInfo::this(connections),
        streams: Vec::new(),
        allocations: Vec::new(),
        failed: Vec::new(),
    };
    for &streams in &plan.streams {
        let mut rounds = RelayPath::ALL.map(|path| (path, Vec::new()));
        for number in 1..=plan.rounds {
            for (path, rounds) in &mut rounds {
                let what = format!("{streams} streams, {}, round {number}", path.label());
                let mut measured = measure_streams(programs, *path, streams, plan.duration).await;
                for _ in 1..ATTEMPTS {
                    let Err(problem) = &measured else { break };
                    eprintln!("{what}: repeated: {problem:#}");
                    measured = measure_streams(programs, *path, streams, plan.duration).await;
                }
                rounds.extend(record(&mut results.failed, &what, measured));
            }
        }
        results.streams.extend(rounds.into_iter().filter_map(|(path, rounds)| summarize(path, streams, &rounds)));
    }
    let mut memory = [TurnServerKind::Hutong, TurnServerKind::Coturn].map(|server| (server, Vec::new()));
    for number in 1..=plan.rounds.min(3) {
        for (server, rounds) in &mut memory {
            let what = format!("{} allocations, {}, round {number}", plan.allocations, server.label());
            let measured = measure_memory(programs, *server, plan.allocations).await;
            rounds.extend(record(&mut results.failed, &what, measured));
        }
    }
    for (server, rounds) in memory {
        let baseline = MinMedianMax::of(rounds.iter().map(|(baseline, _)| *baseline));
        let each = MinMedianMax::of(rounds.iter().map(|(_, each)| *each));
        if let (Some(baseline_rss), Some(rss_each)) = (baseline, each) {
            results.allocations.push(AllocationMemory {
                server,
                allocations: plan.allocations,
                baseline_rss,
                rss_each,
            });
        }
    }
    results
}

fn record<T: std::fmt::Debug>(failed: &mut Vec<String>, what: &str, measured: Result<T>) -> Option<T> {
    match measured {
        Ok(figures) => {
            eprintln!("{what}: {figures:.4?}");
            Some(figures)
        }
        Err(problem) => {
            eprintln!("{what}: failed: {problem:#}");
            failed.push(format!("{what}: {problem:#}"));
            None
        }
    }
}

fn summarize(path: RelayPath, streams: u32, rounds: &[StreamRound]) -> Option<StreamCost> {
    let summary = |figure: fn(&StreamRound) -> f64| MinMedianMax::of(rounds.iter().map(figure));
    Some(StreamCost {
        path,
        streams,
        rounds: rounds.len(),
        micros_per_megabit: summary(|round| round.micros_per_megabit)?,
        megabits_per_second: summary(|round| round.megabits_per_second)?,
        loss: summary(|round| round.loss)?,
        client_cpus: summary(|round| round.client_cpus)?,
    })
}

async fn measure_streams(
    programs: &TurnPrograms,
    path: RelayPath,
    streams: u32,
    duration: Duration,
) -> Result<StreamRound> {
    let server = TurnServer::start(programs, path.server()).await?;
    let traffic = Traffic::start(connect(&server, path, streams).await?);
    tokio::time::sleep(WARM_UP).await;
    let clients = [std::process::id()];
    // The server is a child of this process, and its processor time must not count twice.
    let client_cpu = || usage::cpu_seconds(&clients) - server.cpu_seconds();
    let (counts, cpu, own_cpu, start) = (traffic.counts(), server.cpu_seconds(), client_cpu(), Instant::now());
    tokio::time::sleep(duration).await;
    let (later, elapsed) = (traffic.counts(), start.elapsed().as_secs_f64());
    let (cpu, own_cpu) = (server.cpu_seconds() - cpu, client_cpu() - own_cpu);
    let total = traffic.stop().await;
    server.stop().await;
    let loss = total.loss();
    ensure!(loss < MAX_LOSS, "{:.2} % of {} packets were lost", loss * 100.0, total.sent);
    let megabits = later.received_megabits() - counts.received_megabits();
    Ok(StreamRound {
        micros_per_megabit: cpu * 1e6 / megabits,
        megabits_per_second: megabits / elapsed,
        loss,
        client_cpus: own_cpu / elapsed,
    })
}

/// Connects the endpoints of as many streams, each client as a user of its own.
async fn connect(server: &TurnServer, path: RelayPath, streams: u32) -> Result<Vec<Endpoint>> {
    let mut endpoints = Vec::new();
    for pair in 0..u64::from(streams / 2) {
        let allocate = |user| async move { TurnClient::allocate(server.address(), server.credential(user)?).await };
        let one = allocate(2 * pair + 1).await?;
        endpoints.extend(match path {
            RelayPath::CoturnDirectPeer => Endpoint::pair_with_direct_peer(one).await?,
            RelayPath::Hutong | RelayPath::Coturn => Endpoint::pair([one, allocate(2 * pair + 2).await?]).await?,
        });
    }
    Ok(endpoints)
}

/// Bytes of resident memory without clients, and for each idle allocation.
async fn measure_memory(programs: &TurnPrograms, kind: TurnServerKind, allocations: u32) -> Result<(f64, f64)> {
    let server = TurnServer::start(programs, kind).await?;
    let path = if kind == TurnServerKind::Hutong { RelayPath::Hutong } else { RelayPath::Coturn };
    // What the server allocates once, at its first clients, is not counted.
    let first = connect(&server, path, 2).await?;
    tokio::time::sleep(SETTLE_TIME).await;
    let before = server.memory()?.rss as f64;
    let clients = connect(&server, path, allocations).await?;
    tokio::time::sleep(SETTLE_TIME).await;
    let after = server.memory()?.rss as f64;
    ensure!(clients.len() == allocations as usize && first.len() == 2, "not all allocations were made");
    server.stop().await;
    Ok((before, (after - before) / f64::from(allocations)))
}
