//! Memory of users who are there and do nothing.

use std::{ops::Range, time::Duration};

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::bench::{Bench, PATIENCE};
use crate::{
    control::{Clients, Workers},
    server::{Server, Subject},
    speak::Entry,
    usage::{self, Memory},
};

/// How long nothing is to happen before memory is read.
const SETTLE: Duration = Duration::from_secs(2);

/// What so many idle users take.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Idle {
    /// On which server.
    pub subject: Subject,
    /// How many.
    pub users: u32,
    /// Over how many processes of that server: more than one where the system gives one too few descriptors.
    pub processes: u32,
    /// The server's memory without anybody, in bytes (PSS, all processes).
    pub empty: u64,
    /// Bytes a user (PSS), without that.
    pub pss: f64,
    /// Bytes a user (RSS).
    pub rss: f64,
    /// Bytes a connection in the kernel, both ends together.
    pub kernel: f64,
    /// Microseconds of processor for each user to get in.
    pub entering: f64,
}

/// Rising numbers of users on one server; where it takes several processes, on servers that are started anew.
pub(super) async fn measure(bench: &Bench, subject: Subject) -> Result<Vec<Idle>> {
    let users = if subject == Subject::OursTls { &bench.plan.idle_tls } else { &bench.plan.idle };
    let mut found = Vec::new();
    for sizes in users.chunk_by(|one, other| one.div_ceil(bench.connections) == other.div_ceil(bench.connections)) {
        let processes = sizes.first().map_or(1, |users| users.div_ceil(bench.connections));
        found.extend(on_processes(bench, subject, processes, sizes).await?);
    }
    Ok(found)
}

async fn on_processes(bench: &Bench, subject: Subject, processes: u32, sizes: &[u32]) -> Result<Vec<Idle>> {
    let mut servers = Vec::new();
    for _ in 0..processes {
        servers.push(Server::start(&bench.programs, subject).await?);
    }
    let mut workers = bench.workers(sizes.iter().copied().max().unwrap_or(0))?;
    tokio::time::sleep(SETTLE).await;
    let (empty, kernel) = (memory(&servers)?, usage::kernel());
    let mut found = Vec::new();
    let mut inside = 0;
    for &users in sizes {
        let before = processor(&servers);
        enter(&servers, &mut workers, subject, inside..users).await?;
        let entering = processor(&servers) - before;
        tokio::time::sleep(SETTLE).await;
        let counts = workers.count().await?;
        ensure!(counts.closed == 0, "{} connections ended", counts.closed);
        let now = memory(&servers)?;
        let each = |now: u64, before: u64| (now as f64 - before as f64) / f64::from(users);
        found.push(Idle {
            subject,
            users,
            processes,
            empty: empty.pss,
            pss: each(now.pss, empty.pss),
            rss: each(now.rss, empty.rss),
            kernel: each(usage::kernel(), kernel),
            entering: entering * 1e6 / f64::from(users - inside),
        });
        inside = users;
    }
    for server in servers {
        server.end().await;
    }
    workers.end().await;
    Ok(found)
}

/// Connects these users, shared out among the servers, and waits until it is quiet.
async fn enter(servers: &[Server], workers: &mut Workers, subject: Subject, users: Range<u32>) -> Result<()> {
    // The old server would not finish: it broadcasts each login to all users.
    let entry = if subject == Subject::Old { Entry::Connect } else { Entry::LogIn };
    let share = |place: usize| (users.len() * place / servers.len()) as u32;
    for (place, server) in servers.iter().enumerate() {
        let (first, count) = (users.start + share(place), share(place + 1) - share(place));
        let clients = Clients { protocol: subject.protocol(), entry, first, count, everybody: 0 };
        workers.open(server.target, clients).await?;
    }
    workers.until("users to get in", PATIENCE, |counts| counts.ready >= u64::from(users.end)).await?;
    workers.until_quiet(PATIENCE).await?;
    Ok(())
}

fn memory(servers: &[Server]) -> Result<Memory> {
    usage::memory(&servers.iter().map(Server::pid).collect::<Vec<_>>())
}

fn processor(servers: &[Server]) -> f64 {
    servers.iter().map(Server::processor).sum()
}
