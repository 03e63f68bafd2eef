//! Shared context of the experiments: server programs, plan, and connecting clients.

use std::time::Duration;

use anyhow::Result;

use super::plan::BenchPlan;
use crate::{
    descriptor_limit,
    protocols::LoginMode,
    server::{LoadServer, ServerPrograms, ServerVariant},
    worker_pool::{ClientBatch, WorkerPool},
};

/// Time limit for all users to connect.
pub(super) const TIMEOUT: Duration = Duration::from_secs(120);

/// Programs, plan and limits of a benchmark run.
#[derive(Debug)]
pub struct MeasureContext {
    pub(super) programs: ServerPrograms,
    pub(super) plan: BenchPlan,
    pub(super) connections: u32,
}

impl MeasureContext {
    /// Creates a context and raises the descriptor limit.
    #[must_use]
    pub fn new(programs: ServerPrograms, plan: BenchPlan) -> Self {
        Self { programs, plan, connections: descriptor_limit::max_connections_per_process() }
    }

    /// Starts as many workers as the descriptor limit requires, two at least: each has one thread, so the clients can
    /// use two CPUs.
    pub(super) fn workers(&self, clients: u32) -> Result<WorkerPool> {
        WorkerPool::start(&self.programs.own, clients.div_ceil(self.connections).max(2) as usize)
    }

    /// Logs in this many users and waits until no more messages arrive.
    pub(super) async fn populate(
        &self,
        server: &LoadServer,
        variant: ServerVariant,
        mode: LoginMode,
        count: u32,
    ) -> Result<WorkerPool> {
        let mut workers = self.workers(count)?;
        let clients = ClientBatch { protocol: variant.protocol(), mode, first: 0, count, total_clients: 0 };
        workers.open(server.target, clients).await?;
        workers.wait_until("all users to be connected", TIMEOUT, |counts| counts.ready >= u64::from(count)).await?;
        workers.wait_until_quiet(TIMEOUT).await?;
        Ok(workers)
    }
}
