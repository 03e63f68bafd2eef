//! The way of frames between the app's page and its core, alone: raw bodies of invocations (`binary.js`).

use std::fmt;

use hutong_e2e::{Page, Result, ensure};
use serde::{Deserialize, Serialize};

const BINARY: &str = include_str!("binary.js");

/// Frames in KiB: a Voice packet is below the first, a keyframe of a large picture about the last.
const SIZES: [usize; 4] = [1, 4, 30, 100];

/// At once: one frame after the other, and many.
const FLIGHTS: [usize; 2] = [1, 50];

const COUNT: usize = 1_000;

/// One size, so many at a time.
#[derive(Clone, Debug, Serialize)]
pub struct Passage {
    /// The size of each, in KiB.
    pub kib: usize,
    /// How many were on the way at once.
    pub at_once: usize,
    /// How many went through in a second.
    pub per_second: f64,
    /// From the invocation to its answer, in milliseconds; the clock has steps of 1 ms in WebKit.
    pub median: f64,
    /// The same of the slowest of a hundred.
    pub p99: f64,
}

#[derive(Debug, Deserialize)]
struct Answer {
    took: f64,
    trips: Vec<f64>,
    answers: std::collections::BTreeMap<String, usize>,
}

/// Measures all sizes, one and many at a time.
///
/// # Errors
///
/// When the app does not take them as it should.
pub async fn measure(page: &Page) -> Result<Vec<Passage>> {
    let mut all = Vec::new();
    // The first ones are slower than all that follow.
    once(page, 1, 1, 200).await?;
    for kib in SIZES {
        for at_once in FLIGHTS {
            all.push(once(page, kib, at_once, COUNT).await?);
        }
    }
    Ok(all)
}

async fn once(page: &Page, kib: usize, at_once: usize, count: usize) -> Result<Passage> {
    let values = format!("const size = {}, count = {count}, flight = {at_once};", kib * 1024);
    let answer: Answer = page.run(&format!("{values}\n{BINARY}")).await?;
    let refused = answer.answers.get("closed").copied().unwrap_or(0);
    ensure!(refused == count, "the app did not read all of {count} frames: {:?}", answer.answers);
    let mut trips = answer.trips;
    trips.sort_by(f64::total_cmp);
    let at = |share: f64| trips.get((trips.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    Ok(Passage { kib, at_once, per_second: count as f64 * 1000.0 / answer.took, median: at(0.5), p99: at(0.99) })
}

impl fmt::Display for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kib, at_once, per_second, median, p99 } = self;
        let mib = per_second * *kib as f64 / 1024.0;
        write!(f, "| {kib} | {at_once} | {per_second:.0} | {mib:.1} | {median:.1} | {p99:.1} |")
    }
}
