//! Messages between the benchmark and its workers: commands on a worker's standard input, replies on its standard
//! output, one JSON object a line.

use serde::{Deserialize, Serialize};

use crate::{
    call_schedule::CallResults,
    connect::TargetAddress,
    protocols::{LoginMode, Protocol},
    worker_state::TrafficCounts,
};

/// Command to a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerCommand {
    /// Connects clients. The reply follows when all sockets are open.
    Open {
        /// The server.
        target: TargetAddress,
        /// Their protocol.
        protocol: Protocol,
        /// How far they log in by themselves.
        mode: LoginMode,
        /// Their numbers.
        numbers: Vec<u32>,
        /// Number of clients over all workers, for clients that track the roster; 0 to track none.
        total_clients: u32,
        /// Concurrent handshakes.
        concurrency: usize,
    },
    /// Requests the counters.
    Count,
    /// Makes calls. The reply follows when they are over.
    Call {
        /// Calls a second.
        rate: f64,
        /// Seconds of warm-up.
        warm_up: f64,
        /// Seconds of the measured window.
        seconds: f64,
        /// Size of a session description in bytes.
        sdp: usize,
    },
    /// Lets clients log out and in again, one after the other. The reply follows when it is over.
    Churn {
        /// Changes a second.
        rate: f64,
        /// Duration in seconds.
        seconds: f64,
    },
}

/// Reply of a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerReply {
    /// Reply to [`WorkerCommand::Open`].
    Opened {
        /// Error of the first client that could not connect.
        problem: Option<String>,
        /// Number of clients that could not connect.
        failed: usize,
    },
    /// Reply to [`WorkerCommand::Count`].
    Counted(TrafficCounts),
    /// Reply to [`WorkerCommand::Call`].
    Called(CallResults),
    /// Reply to [`WorkerCommand::Churn`].
    Churned {
        /// Logouts and logins sent.
        changes: u64,
    },
}
