//! Server memory and CPU time per idle user.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::context::{MeasureContext, TIMEOUT};
use crate::{
    protocols::LoginMode,
    server::{LoadServer, ServerVariant},
    usage::{self, MemoryUse},
    worker_pool::{ClientBatch, WorkerPool},
};

/// Idle time before memory is read.
const SETTLE_TIME: Duration = Duration::from_secs(2);

/// Idle time over which heartbeats are measured: at least two of each server that has any within 10 s.
const HEARTBEAT_TIME: Duration = Duration::from_secs(20);

/// Memory for a number of idle users.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IdleMemory {
    /// The server.
    pub variant: ServerVariant,
    /// Connected users.
    pub users: u32,
    /// Server processes that share the users: more than one where the descriptor limit of a process is too low.
    pub processes: u32,
    /// Server memory without users, in bytes (PSS, all processes).
    pub baseline_pss: u64,
    /// Bytes per user (PSS), without the baseline.
    pub pss_per_user: f64,
    /// Bytes per user (RSS), without the baseline.
    pub rss_per_user: f64,
    /// Kernel bytes per connection, both ends together.
    pub kernel_per_connection: f64,
    /// Server CPU microseconds per login.
    pub login_cpu_micros: f64,
    /// What heartbeats cost; `None` in older results.
    #[serde(default)]
    pub heartbeats: Option<HeartbeatCost>,
}

/// Cost of the heartbeats of idle users.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct HeartbeatCost {
    /// Server CPU microseconds per user and second.
    pub cpu_micros: f64,
    /// Bytes per user (PSS) after them, without the baseline.
    pub pss_per_user: f64,
}

/// Measures rising numbers of users on one server; where they need several processes, on new ones.
pub(super) async fn measure(context: &MeasureContext, variant: ServerVariant) -> Result<Vec<IdleMemory>> {
    let users = if variant == ServerVariant::HutongTls { &context.plan.idle_tls } else { &context.plan.idle };
    let mut results = Vec::new();
    for sizes in users.chunk_by(|one, other| one.div_ceil(context.connections) == other.div_ceil(context.connections)) {
        let processes = sizes.first().map_or(1, |users| users.div_ceil(context.connections));
        results.extend(measure_with_processes(context, variant, processes, sizes).await?);
    }
    Ok(results)
}

async fn measure_with_processes(
    context: &MeasureContext,
    variant: ServerVariant,
    processes: u32,
    sizes: &[u32],
) -> Result<Vec<IdleMemory>> {
    let mut servers = Vec::new();
    for _ in 0..processes {
        servers.push(LoadServer::start(&context.programs, variant).await?);
    }
    let mut workers = context.workers(sizes.iter().copied().max().unwrap_or(0))?;
    tokio::time::sleep(SETTLE_TIME).await;
    let (baseline, kernel) = (memory(&servers)?, usage::kernel_memory());
    let mut results = Vec::new();
    let mut connected = 0;
    for &users in sizes {
        let cpu_before = cpu_seconds(&servers);
        connect_users(&servers, &mut workers, variant, connected..users).await?;
        let login_cpu = cpu_seconds(&servers) - cpu_before;
        tokio::time::sleep(SETTLE_TIME).await;
        let counts = workers.counts().await?;
        ensure!(counts.closed == 0, "{} connections closed before the memory was measured", counts.closed);
        let now = memory(&servers)?;
        let kernel_now = usage::kernel_memory();
        let per_user = |now: u64, before: u64| (now as f64 - before as f64) / f64::from(users);
        let idle_since = (Instant::now(), cpu_seconds(&servers));
        tokio::time::sleep(HEARTBEAT_TIME).await;
        let idle_cpu = (cpu_seconds(&servers) - idle_since.1) / idle_since.0.elapsed().as_secs_f64();
        let after_heartbeats = memory(&servers)?;
        let counts = workers.counts().await?;
        ensure!(counts.closed == 0, "{} connections closed while heartbeats were measured", counts.closed);
        results.push(IdleMemory {
            variant,
            users,
            processes,
            baseline_pss: baseline.pss,
            pss_per_user: per_user(now.pss, baseline.pss),
            rss_per_user: per_user(now.rss, baseline.rss),
            kernel_per_connection: per_user(kernel_now, kernel),
            login_cpu_micros: login_cpu * 1e6 / f64::from(users - connected),
            heartbeats: Some(HeartbeatCost {
                cpu_micros: idle_cpu * 1e6 / f64::from(users),
                pss_per_user: per_user(after_heartbeats.pss, baseline.pss),
            }),
        });
        connected = users;
    }
    for server in servers {
        server.stop().await;
    }
    workers.stop().await;
    Ok(results)
}

/// Connects these users, distributed over the servers, and waits until no more messages arrive.
async fn connect_users(
    servers: &[LoadServer],
    workers: &mut WorkerPool,
    variant: ServerVariant,
    users: Range<u32>,
) -> Result<()> {
    // The socket.io server would not finish logins: it broadcasts each to all users.
    let mode = if variant == ServerVariant::SocketIo { LoginMode::ConnectOnly } else { LoginMode::LogIn };
    let share = |index: usize| (users.len() * index / servers.len()) as u32;
    for (index, server) in servers.iter().enumerate() {
        let (first, count) = (users.start + share(index), share(index + 1) - share(index));
        let clients = ClientBatch { protocol: variant.protocol(), mode, first, count, total_clients: 0 };
        workers.open(server.target, clients).await?;
    }
    workers.wait_until("all users to be connected", TIMEOUT, |counts| counts.ready >= u64::from(users.end)).await?;
    workers.wait_until_quiet(TIMEOUT).await?;
    Ok(())
}

fn memory(servers: &[LoadServer]) -> Result<MemoryUse> {
    usage::memory(&servers.iter().map(LoadServer::pid).collect::<Vec<_>>())
}

fn cpu_seconds(servers: &[LoadServer]) -> f64 {
    servers.iter().map(LoadServer::cpu_seconds).sum()
}
