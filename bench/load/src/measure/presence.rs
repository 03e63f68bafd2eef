//! People come and go, and the others are told.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::bench::{Bench, PATIENCE};
use crate::{
    server::{Server, Subject},
    speak::Entry,
};

/// Changes a second: few, so that each is told by itself, and many, for a server that gathers them.
const RATES: [f64; 2] = [10.0, 200.0];

/// What telling of changes takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Presence {
    /// On which server.
    pub subject: Subject,
    /// Who is told.
    pub watchers: u32,
    /// Changes a second that were asked for.
    pub rate: f64,
    /// Log-outs and log-ins.
    pub changes: u64,
    /// Messages that came of it to all watchers.
    pub messages: u64,
    /// Changes in them.
    pub told: u64,
    /// Seconds of the server's processor.
    pub processor: f64,
}

impl Presence {
    /// Microseconds of processor for one change told to one watcher.
    #[must_use]
    pub fn micros_told(&self) -> f64 {
        self.processor * 1e6 / (self.told.max(1) as f64)
    }

    /// Microseconds of processor for one message.
    #[must_use]
    pub fn micros_message(&self) -> f64 {
        self.processor * 1e6 / (self.messages.max(1) as f64)
    }
}

pub(super) async fn measure(bench: &Bench, subject: Subject) -> Result<Vec<Presence>> {
    let watchers = bench.plan.watchers;
    let server = Server::start(&bench.programs, subject).await?;
    let mut workers = bench.populate(&server, subject, Entry::LogIn, watchers).await?;
    let mut found = Vec::new();
    for rate in RATES {
        // The old server does not get through with more.
        if subject == Subject::Old && rate > RATES[0] {
            continue;
        }
        let (before, processor) = (workers.count().await?, server.processor());
        let changes = workers.churn(rate, bench.plan.churn).await?;
        let counts = workers.until_quiet(PATIENCE).await?.since(before);
        found.push(Presence {
            subject,
            watchers,
            rate,
            changes,
            messages: counts.presence,
            told: counts.entries,
            processor: server.processor() - processor,
        });
    }
    server.end().await;
    workers.end().await;
    Ok(found)
}
