//! Presence: users log out and in, and the server notifies all others.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::context::{MeasureContext, TIMEOUT};
use crate::{
    protocols::LoginMode,
    server::{LoadServer, ServerVariant},
};

/// Changes a second: few, each sent by itself, and many, for a server that batches them.
const CHANGE_RATES: [f64; 2] = [10.0, 200.0];

/// Cost of presence updates.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PresenceLoad {
    /// The server.
    pub variant: ServerVariant,
    /// Users that receive the updates.
    pub watchers: u32,
    /// Scheduled changes a second.
    pub rate: f64,
    /// Logouts and logins.
    pub changes: u64,
    /// Presence messages received by all watchers.
    pub messages: u64,
    /// Changes in these messages.
    pub updates: u64,
    /// Server CPU seconds.
    pub server_cpu: f64,
}

impl PresenceLoad {
    /// Server CPU microseconds per change and watcher.
    #[must_use]
    pub fn micros_per_update(&self) -> f64 {
        self.server_cpu * 1e6 / (self.updates.max(1) as f64)
    }

    /// Server CPU microseconds per message.
    #[must_use]
    pub fn micros_per_message(&self) -> f64 {
        self.server_cpu * 1e6 / (self.messages.max(1) as f64)
    }
}

pub(super) async fn measure(context: &MeasureContext, variant: ServerVariant) -> Result<Vec<PresenceLoad>> {
    let watchers = context.plan.presence_watchers;
    let server = LoadServer::start(&context.programs, variant).await?;
    let mut workers = context.populate(&server, variant, LoginMode::LogIn, watchers).await?;
    let mut results = Vec::new();
    for rate in CHANGE_RATES {
        // The socket.io server cannot keep up with more.
        if variant == ServerVariant::SocketIo && rate > CHANGE_RATES[0] {
            continue;
        }
        let (before, cpu_before) = (workers.counts().await?, server.cpu_seconds());
        let changes = workers.run_churn(rate, context.plan.churn_seconds).await?;
        let counts = workers.wait_until_quiet(TIMEOUT).await?.since(before);
        results.push(PresenceLoad {
            variant,
            watchers,
            rate,
            changes,
            messages: counts.presence,
            updates: counts.entries,
            server_cpu: server.cpu_seconds() - cpu_before,
        });
    }
    server.stop().await;
    workers.stop().await;
    Ok(results)
}
