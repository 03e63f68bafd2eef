//! Call set-ups at rising rates, until the server is overloaded.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::{context::MeasureContext, min_median_max::MinMedianMax, plan::SDP};
use crate::{
    call_schedule::{CallResults, histogram},
    protocols::LoginMode,
    server::{LoadServer, ServerVariant},
    worker_pool::WorkerPool,
};

/// Runs of the rate that has a target.
const TARGET_RATE_RUNS: usize = 3;

/// A 99th percentile above this (ms) means overload: no higher rate is measured.
const OVERLOADED_MS: f64 = 250.0;

/// Call set-ups on one server at rising rates.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallRates {
    /// The server.
    pub variant: ServerVariant,
    /// Online users.
    pub online: u32,
    /// Results in rising order of the rate.
    pub rates: Vec<RateResult>,
}

/// Call set-ups at one rate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RateResult {
    /// Scheduled calls a second.
    pub rate: f64,
    /// Calls scheduled in the measured window.
    pub scheduled: u64,
    /// Those that were set up.
    pub completed: u64,
    /// Those that the server refused.
    pub refused: u64,
    /// Those not set up at the end of the run.
    pub unfinished: u64,
    /// Set-up time in milliseconds, from the scheduled time to the last message: median of the calls.
    pub p50: MinMedianMax,
    /// 99th percentile.
    pub p99: MinMedianMax,
    /// 99.9th percentile.
    pub p999: MinMedianMax,
    /// Maximum.
    pub max: MinMedianMax,
    /// CPUs used by the server.
    pub server_cpus: f64,
    /// CPUs used by the clients.
    pub client_cpus: f64,
    /// Server CPU time per call in microseconds, the call's end included.
    pub server_micros_per_call: f64,
}

impl CallRates {
    /// Highest sustained rate: at least 99 % of the calls were set up, and the 99th percentile is within this many
    /// milliseconds.
    #[must_use]
    pub fn highest_sustained_rate(&self, max_p99_ms: f64) -> Option<f64> {
        let is_sustained = |result: &&RateResult| {
            result.p99.median <= max_p99_ms && result.completed as f64 >= 0.99 * result.scheduled as f64
        };
        self.rates.iter().take_while(|result| is_sustained(result)).map(|result| result.rate).last()
    }
}

/// One run at one rate.
struct RateRun {
    calls: CallResults,
    /// Set-up times in milliseconds: median, 99th and 99.9th percentile, maximum.
    times: [f64; 4],
    server_cpus: f64,
    client_cpus: f64,
    micros_per_call: f64,
}

pub(super) async fn measure(context: &MeasureContext, variant: ServerVariant) -> Result<CallRates> {
    let plan = &context.plan;
    let is_socket_io = variant == ServerVariant::SocketIo;
    let (online, rates) =
        if is_socket_io { (plan.online_socket_io, &plan.rates_socket_io) } else { (plan.online, &plan.rates) };
    let server = LoadServer::start(&context.programs, variant).await?;
    let mut workers = context.populate(&server, variant, LoginMode::PairRooms, online).await?;
    let mut results = Vec::new();
    for &rate in rates {
        let repeats = if rate == plan.target_rate && !is_socket_io { TARGET_RATE_RUNS } else { 1 };
        let mut runs = Vec::new();
        for _ in 0..repeats {
            runs.push(run_rate(plan.rate_seconds, &server, &mut workers, rate).await?);
        }
        let result = combine(rate, &runs);
        let is_overloaded = result.p99.median > OVERLOADED_MS;
        results.push(result);
        if is_overloaded {
            break;
        }
    }
    server.stop().await;
    workers.stop().await;
    Ok(CallRates { variant, online, rates: results })
}

async fn run_rate(
    (warm_up, seconds): (f64, f64),
    server: &LoadServer,
    workers: &mut WorkerPool,
    rate: f64,
) -> Result<RateRun> {
    let (server_before, clients_before, start) = (server.cpu_seconds(), workers.cpu_seconds(), Instant::now());
    let calls = workers.run_calls(rate, warm_up, seconds, SDP).await?;
    let elapsed = start.elapsed().as_secs_f64();
    let used = server.cpu_seconds() - server_before;
    let mut all = histogram()?;
    for (time, count) in &calls.times {
        all.saturating_record_n(*time, *count);
    }
    ensure!(!all.is_empty(), "no call was measured: none was scheduled, or the server refused all");
    let times = [all.value_at_quantile(0.5), all.value_at_quantile(0.99), all.value_at_quantile(0.999), all.max()];
    // Calls of the warm-up cost as much as measured ones.
    let total_calls = (rate * (warm_up + seconds)).max(1.0);
    let run = RateRun {
        calls,
        times: times.map(|micros| micros as f64 / 1_000.0),
        server_cpus: used / elapsed,
        client_cpus: (workers.cpu_seconds() - clients_before) / elapsed,
        micros_per_call: used * 1e6 / total_calls,
    };
    // Messages of the last calls must not count for the next rate.
    workers.wait_until_quiet(Duration::from_secs(60)).await?;
    Ok(run)
}

/// Combines the runs at one rate: sums, means, and minimum, median and maximum.
fn combine(rate: f64, runs: &[RateRun]) -> RateResult {
    let quantile = |index: usize| MinMedianMax::of(runs.iter().map(|run| run.times[index])).unwrap_or_default();
    let sum = |value: fn(&CallResults) -> u64| runs.iter().map(|run| value(&run.calls)).sum();
    let mean = |value: fn(&RateRun) -> f64| runs.iter().map(value).sum::<f64>() / runs.len() as f64;
    RateResult {
        rate,
        scheduled: sum(|it| it.scheduled),
        completed: sum(|it| it.completed),
        refused: sum(|it| it.refused),
        unfinished: sum(|it| it.unfinished),
        p50: quantile(0),
        p99: quantile(1),
        p999: quantile(2),
        max: quantile(3),
        server_cpus: mean(|it| it.server_cpus),
        client_cpus: mean(|it| it.client_cpus),
        server_micros_per_call: mean(|it| it.micros_per_call),
    }
}
