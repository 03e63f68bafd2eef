//! Memory of users who are there and do nothing.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::Bench;
use crate::{
    control::Clients,
    server::{Server, Subject},
    speak::Entry,
    usage,
};

/// How long nothing is to happen before memory is read.
const SETTLE: Duration = Duration::from_secs(2);

/// How long users may take to get in.
const PATIENCE: Duration = Duration::from_secs(120);

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

impl Bench {
    /// Rising numbers of users on one server; where it takes several processes, on servers that are started anew.
    pub(super) async fn idle(&self, subject: Subject, users: &[u32]) -> Result<Vec<Idle>> {
        let mut found = Vec::new();
        let mut users = users.iter().copied().peekable();
        while let Some(first) = users.next() {
            let processes = first.div_ceil(self.connections);
            let mut sizes = vec![first];
            while let Some(next) = users.next_if(|next| next.div_ceil(self.connections) == processes) {
                sizes.push(next);
            }
            found.extend(self.idle_on(subject, processes, &sizes).await?);
        }
        Ok(found)
    }

    async fn idle_on(&self, subject: Subject, processes: u32, sizes: &[u32]) -> Result<Vec<Idle>> {
        let mut servers = Vec::new();
        for _ in 0..processes {
            servers.push(Server::start(&self.programs, subject).await?);
        }
        let most = sizes.iter().copied().max().unwrap_or(0);
        let mut workers = self.workers(most)?;
        // The old server would not get through with logins: each is told to everybody.
        let entry = if subject == Subject::Old { Entry::Connect } else { Entry::LogIn };
        tokio::time::sleep(SETTLE).await;
        let memory = || -> Result<(u64, u64)> {
            let all = servers.iter().map(Server::memory).collect::<Result<Vec<_>>>()?;
            Ok((all.iter().map(|memory| memory.pss).sum(), all.iter().map(|memory| memory.rss).sum()))
        };
        let (pss, rss) = memory()?;
        let kernel = usage::kernel();
        let mut found = Vec::new();
        let mut inside = 0;
        for &users in sizes {
            let before: f64 = servers.iter().map(Server::processor).sum();
            let entered = users - inside;
            for (place, server) in servers.iter().enumerate() {
                let share = |place: usize| (u64::from(entered) * place as u64 / u64::from(processes)) as u32;
                let (first, next) = (share(place), share(place + 1));
                let clients = Clients {
                    protocol: subject.protocol(),
                    entry,
                    first: inside + first,
                    count: next - first,
                    everybody: 0,
                };
                workers.open(server.target, clients).await?;
            }
            inside = users;
            workers.until("users to get in", PATIENCE, |counts| counts.ready >= u64::from(users)).await?;
            workers.until_quiet(PATIENCE).await?;
            let entering = servers.iter().map(Server::processor).sum::<f64>() - before;
            tokio::time::sleep(SETTLE).await;
            let counts = workers.count().await?;
            ensure!(counts.closed == 0, "{} connections ended", counts.closed);
            let (now, resident) = memory()?;
            let each = |now: u64, before: u64| (now as f64 - before as f64) / f64::from(users);
            found.push(Idle {
                subject,
                users,
                processes,
                empty: pss,
                pss: each(now, pss),
                rss: each(resident, rss),
                kernel: each(usage::kernel(), kernel),
                entering: entering * 1e6 / f64::from(entered),
            });
        }
        for server in servers {
            server.end().await;
        }
        workers.end().await;
        Ok(found)
    }
}
