//! Login storm: all users log in at once.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{context::MeasureContext, min_median_max::MinMedianMax};
use crate::{
    protocols::{LoginMode, Protocol},
    server::{LoadServer, ServerVariant},
    worker_pool::{ClientBatch, QUIET_TIME},
    worker_state::TrafficCounts,
};

/// Time limit of a storm.
const TIMEOUT: Duration = Duration::from_secs(180);

/// From this many users on, the socket.io server gets one run only: it takes most of a minute.
const SINGLE_RUN_FROM: u32 = 2_000;

/// Cost of a login storm.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoginStorm {
    /// The server.
    pub variant: ServerVariant,
    /// Users that log in.
    pub users: u32,
    /// When the storm is over.
    pub end: StormEnd,
    /// Number of runs.
    pub runs: usize,
    /// Server CPU seconds, from the first connection on.
    pub server_cpu: MinMedianMax,
    /// Duration in seconds.
    pub duration: MinMedianMax,
    /// Client CPU seconds.
    pub client_cpu: MinMedianMax,
    /// Messages received by the clients, in the last run.
    pub messages: u64,
    /// Bytes of these messages.
    pub bytes: u64,
}

/// When a storm is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StormEnd {
    /// Every client knows every other user.
    AllKnown,
    /// All are logged in, and no more messages arrive.
    Quiet,
}

struct StormRun {
    server_cpu: f64,
    duration: f64,
    client_cpu: f64,
    counts: TrafficCounts,
}

pub(super) async fn measure(context: &MeasureContext, variant: ServerVariant) -> Result<Vec<LoginStorm>> {
    let end = match variant {
        // matchbox notifies one of two peers, and neither if both connect at the same moment.
        ServerVariant::Hutong | ServerVariant::HutongTls | ServerVariant::Echo | ServerVariant::MatchboxFullMesh => {
            StormEnd::Quiet
        }
        _ => StormEnd::AllKnown,
    };
    let mut sizes = context.plan.storms.clone();
    if matches!(variant, ServerVariant::Hutong | ServerVariant::HutongFullRoster) {
        sizes.extend(&context.plan.large_storms);
    }
    let mut results = Vec::new();
    for users in sizes {
        let is_slow = variant == ServerVariant::SocketIo && users >= SINGLE_RUN_FROM;
        let runs = if is_slow { 1 } else { context.plan.storm_runs };
        let mut all = Vec::new();
        for _ in 0..runs {
            all.push(run_storm(context, variant, users, end).await?);
        }
        let summarize = |value: fn(&StormRun) -> f64| MinMedianMax::of(all.iter().map(value));
        if let (Some(server_cpu), Some(duration), Some(client_cpu), Some(last)) =
            (summarize(|it| it.server_cpu), summarize(|it| it.duration), summarize(|it| it.client_cpu), all.last())
        {
            let TrafficCounts { messages, bytes, .. } = last.counts;
            results.push(LoginStorm { variant, users, end, runs, server_cpu, duration, client_cpu, messages, bytes });
        }
    }
    Ok(results)
}

async fn run_storm(context: &MeasureContext, variant: ServerVariant, users: u32, end: StormEnd) -> Result<StormRun> {
    let server = LoadServer::start(&context.programs, variant).await?;
    let mut workers = context.workers(users)?;
    let track_roster = matches!(variant.protocol(), Protocol::Hutong | Protocol::SocketIo) && end == StormEnd::AllKnown;
    // Wait for the workers' first replies: their start is not part of the storm.
    workers.counts().await?;
    let (server_before, clients_before, start) = (server.cpu_seconds(), workers.cpu_seconds(), Instant::now());
    let batch = ClientBatch {
        protocol: variant.protocol(),
        mode: LoginMode::LogIn,
        first: 0,
        count: users,
        total_clients: if track_roster { users } else { 0 },
    };
    workers.open(server.target, batch).await?;
    let users = u64::from(users);
    let expected = match end {
        StormEnd::AllKnown => users * (users - 1),
        StormEnd::Quiet => 0,
    };
    let is_over = |counts: &TrafficCounts| counts.ready >= users && counts.known >= expected;
    let counts = workers.wait_until("the storm to be over", TIMEOUT, is_over).await?;
    let (counts, elapsed) = match end {
        StormEnd::AllKnown => (counts, start.elapsed()),
        // Messages in flight belong to the storm; the final quiet time does not.
        StormEnd::Quiet => (workers.wait_until_quiet(TIMEOUT).await?, start.elapsed().saturating_sub(QUIET_TIME)),
    };
    let run = StormRun {
        server_cpu: server.cpu_seconds() - server_before,
        duration: elapsed.as_secs_f64(),
        client_cpu: workers.cpu_seconds() - clients_before,
        counts,
    };
    server.stop().await;
    workers.stop().await;
    Ok(run)
}
