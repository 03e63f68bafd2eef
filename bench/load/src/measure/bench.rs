//! What every measurement needs: the programs, the plan, and clients that are connected.

use std::time::Duration;

use anyhow::Result;

use super::plan::Plan;
use crate::{
    control::{Clients, Workers},
    limits,
    server::{Programs, Server, Subject},
    speak::Entry,
};

/// How long users may take to get in.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// What measuring needs.
#[derive(Debug)]
pub struct Bench {
    pub(super) programs: Programs,
    pub(super) plan: Plan,
    pub(super) connections: u32,
}

impl Bench {
    /// With these programs.
    #[must_use]
    pub fn new(programs: Programs, plan: Plan) -> Self {
        Self { programs, plan, connections: limits::connections_a_process() }
    }

    /// As many as keep to the limit, and two at least: one thread each, for two processors' worth of clients.
    pub(super) fn workers(&self, clients: u32) -> Result<Workers> {
        Workers::start(&self.programs.own, clients.div_ceil(self.connections).max(2) as usize)
    }

    /// Everybody is logged in, and it is quiet.
    pub(super) async fn populate(
        &self,
        server: &Server,
        subject: Subject,
        entry: Entry,
        count: u32,
    ) -> Result<Workers> {
        let mut workers = self.workers(count)?;
        let clients = Clients { protocol: subject.protocol(), entry, first: 0, count, everybody: 0 };
        workers.open(server.target, clients).await?;
        workers.until("users to get in", PATIENCE, |counts| counts.ready >= u64::from(count)).await?;
        workers.until_quiet(PATIENCE).await?;
        Ok(workers)
    }
}
