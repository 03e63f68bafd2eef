//! Throughput and latency of frames between the app's page and its Rust core: raw IPC bodies (`ipc.js`).

use std::fmt;

use hutong_e2e::{Result, TestPage, ensure};
use serde::{Deserialize, Serialize};

const IPC_SCRIPT: &str = include_str!("ipc.js");

/// Frame sizes in KiB: an audio packet is below the first, a keyframe of large video near the last.
const SIZES: [usize; 4] = [1, 4, 30, 100];

/// Frames in flight at once: sequential, and many.
const IN_FLIGHT: [usize; 2] = [1, 50];

const COUNT: usize = 1_000;

/// Result for one frame size and one number of frames in flight.
#[derive(Clone, Debug, Serialize)]
pub struct IpcThroughput {
    /// Frame size in KiB.
    pub kib: usize,
    /// Frames in flight at once.
    pub at_once: usize,
    /// Frames a second.
    pub per_second: f64,
    /// Time from the invocation to its reply, in milliseconds: median. `WebKit`'s clock has steps of 1 ms.
    pub median: f64,
    /// The same: 99th percentile.
    pub p99: f64,
}

#[derive(Debug, Deserialize)]
struct ScriptReply {
    took: f64,
    trips: Vec<f64>,
    replies: std::collections::BTreeMap<String, usize>,
}

/// Measures all frame sizes, sequentially and with many in flight.
///
/// # Errors
///
/// Returns an error when the app does not answer each frame as expected.
pub async fn measure(page: &TestPage) -> Result<Vec<IpcThroughput>> {
    let mut all = Vec::new();
    // Warm-up: the first invocations are slower.
    measure_one(page, 1, 1, 200).await?;
    for kib in SIZES {
        for at_once in IN_FLIGHT {
            all.push(measure_one(page, kib, at_once, COUNT).await?);
        }
    }
    Ok(all)
}

async fn measure_one(page: &TestPage, kib: usize, at_once: usize, count: usize) -> Result<IpcThroughput> {
    let values = format!("const size = {}, count = {count}, inFlight = {at_once};", kib * 1024);
    let reply: ScriptReply = page.run(&format!("{values}\n{IPC_SCRIPT}")).await?;
    let refused = reply.replies.get("closed").copied().unwrap_or(0);
    ensure!(refused == count, "expected {count} replies \"closed\" from the app, got {:?}", reply.replies);
    let mut trips = reply.trips;
    trips.sort_by(f64::total_cmp);
    let at = |share: f64| trips.get((trips.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    Ok(IpcThroughput { kib, at_once, per_second: count as f64 * 1000.0 / reply.took, median: at(0.5), p99: at(0.99) })
}

impl fmt::Display for IpcThroughput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kib, at_once, per_second, median, p99 } = self;
        let mib = per_second * *kib as f64 / 1024.0;
        write!(f, "| {kib} | {at_once} | {per_second:.0} | {mib:.1} | {median:.1} | {p99:.1} |")
    }
}
