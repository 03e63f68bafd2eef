//! People come and go, and the others are told.

use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::Bench;
use crate::{
    control::Clients,
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

impl Bench {
    pub(super) async fn presence(&self, subject: Subject) -> Result<Vec<Presence>> {
        const PATIENCE: Duration = Duration::from_secs(120);
        let watchers = self.plan.watchers;
        let server = Server::start(&self.programs, subject).await?;
        let mut workers = self.workers(watchers)?;
        let clients =
            Clients { protocol: subject.protocol(), entry: Entry::LogIn, first: 0, count: watchers, everybody: 0 };
        workers.open(server.target, clients).await?;
        workers.until("users to get in", PATIENCE, |counts| counts.ready >= u64::from(watchers)).await?;
        workers.until_quiet(PATIENCE).await?;
        let mut found = Vec::new();
        for rate in RATES {
            // The old server does not get through with more.
            if subject == Subject::Old && rate > RATES[0] {
                continue;
            }
            let (before, processor) = (workers.count().await?, server.processor());
            let changes = workers.churn(rate, self.plan.churn).await?;
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
}
