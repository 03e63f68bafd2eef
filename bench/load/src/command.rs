//! What a worker is told on its standard input, and answers on its standard output: a line of JSON each.

use serde::{Deserialize, Serialize};

use crate::{
    link::Target,
    speak::{Entry, Protocol},
    world::{Counts, Outcome},
};

/// What a worker is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Connect clients: answered when all sockets are open.
    Open {
        /// Where.
        target: Target,
        /// In which protocol.
        protocol: Protocol,
        /// How far.
        entry: Entry,
        /// Their numbers.
        numbers: Vec<u32>,
        /// How many there are in all workers, for those who keep in mind whom they know; 0: nobody does.
        everybody: u32,
        /// Handshakes under way at any time.
        at_once: usize,
    },
    /// Tell the counts.
    Count,
    /// Make calls: answered when they are over.
    Call {
        /// A second.
        rate: f64,
        /// Seconds before any is measured.
        warm_up: f64,
        /// Seconds in which those that were to be made are measured.
        seconds: f64,
        /// Bytes of a session description.
        sdp: usize,
    },
    /// Let clients log out and in again, one after the other: answered when it is over.
    Churn {
        /// Changes a second.
        rate: f64,
        /// For so many seconds.
        seconds: f64,
    },
}

/// What a worker answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Command::Open`].
    Opened {
        /// Why the first that was not opened was not.
        problem: Option<String>,
        /// How many were not.
        failed: usize,
    },
    /// To [`Command::Count`].
    Counted(Counts),
    /// To [`Command::Call`].
    Called(Outcome),
    /// To [`Command::Churn`].
    Churned {
        /// Log-outs and log-ins that were sent.
        changes: u64,
    },
}
