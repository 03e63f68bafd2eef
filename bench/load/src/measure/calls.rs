//! Calls at rising rates, until it bends.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::{bench::Bench, plan::SDP, spread::Spread};
use crate::{
    control::Workers,
    server::{Server, Subject},
    speak::Entry,
    world::{Outcome, histogram},
};

/// How often the judged rate is measured.
const JUDGED_TIMES: usize = 3;

/// A rate at which the slowest hundredth takes longer is past the bend, and the last.
const BENT: f64 = 250.0;

/// Set-ups on one server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ladder {
    /// On which.
    pub subject: Subject,
    /// How many are online.
    pub online: u32,
    /// One rate after the other.
    pub rungs: Vec<Rung>,
}

/// Set-ups at one rate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rung {
    /// Calls a second that were to be made.
    pub rate: f64,
    /// How many were to be, while it was measured.
    pub asked: u64,
    /// How many of them were set up.
    pub done: u64,
    /// How many the server refused.
    pub refused: u64,
    /// How many were not set up in the end.
    pub unfinished: u64,
    /// Milliseconds from the moment at which a call was to be made to the last message of its set-up: the median of all.
    pub p50: Spread,
    /// 99 of 100.
    pub p99: Spread,
    /// 999 of 1000.
    pub p999: Spread,
    /// The longest.
    pub longest: Spread,
    /// Processors that the server used.
    pub server: f64,
    /// Processors that the clients used.
    pub clients: f64,
    /// Microseconds of the server's processor for a call, its end included.
    pub micros: f64,
}

impl Ladder {
    /// The highest rate that was kept up: nearly all set up, and 99 of 100 within this many milliseconds.
    #[must_use]
    pub fn bend(&self, within: f64) -> Option<f64> {
        let kept = |rung: &&Rung| rung.p99.median <= within && rung.done as f64 >= 0.99 * rung.asked as f64;
        self.rungs.iter().take_while(|rung| kept(rung)).map(|rung| rung.rate).last()
    }
}

/// One rate, measured once.
struct Once {
    outcome: Outcome,
    /// Milliseconds: the median, 99 of 100, 999 of 1000, the longest.
    times: [f64; 4],
    server: f64,
    clients: f64,
    micros: f64,
}

pub(super) async fn measure(bench: &Bench, subject: Subject) -> Result<Ladder> {
    let plan = &bench.plan;
    let is_old = subject == Subject::Old;
    let (online, rates) = if is_old { (plan.online_old, &plan.rates_old) } else { (plan.online, &plan.rates) };
    let server = Server::start(&bench.programs, subject).await?;
    let mut workers = bench.populate(&server, subject, Entry::Pairs, online).await?;
    let mut rungs = Vec::new();
    for &rate in rates {
        let times = if rate == plan.judged && !is_old { JUDGED_TIMES } else { 1 };
        let mut all = Vec::new();
        for _ in 0..times {
            all.push(once(plan.rung, &server, &mut workers, rate).await?);
        }
        let rung = rung(rate, &all);
        let is_bent = rung.p99.median > BENT;
        rungs.push(rung);
        if is_bent {
            break;
        }
    }
    server.end().await;
    workers.end().await;
    Ok(Ladder { subject, online, rungs })
}

async fn once((warm_up, seconds): (f64, f64), server: &Server, workers: &mut Workers, rate: f64) -> Result<Once> {
    let (processor, clients, begun) = (server.processor(), workers.processor(), Instant::now());
    let outcome = workers.call(rate, warm_up, seconds, SDP).await?;
    let passed = begun.elapsed().as_secs_f64();
    let used = server.processor() - processor;
    let mut all = histogram()?;
    for (time, count) in &outcome.times {
        all.saturating_record_n(*time, *count);
    }
    ensure!(!all.is_empty(), "no call was to be made");
    let times = [all.value_at_quantile(0.5), all.value_at_quantile(0.99), all.value_at_quantile(0.999), all.max()];
    // What was warmed up with costs as much as what was measured.
    let made = (rate * (warm_up + seconds)).max(1.0);
    let once = Once {
        outcome,
        times: times.map(|micros| micros as f64 / 1_000.0),
        server: used / passed,
        clients: (workers.processor() - clients) / passed,
        micros: used * 1e6 / made,
    };
    // What the last calls left behind is not the next rate's.
    workers.until_quiet(Duration::from_secs(60)).await?;
    Ok(once)
}

/// The sums, means and spreads of all the times that a rate was measured.
fn rung(rate: f64, all: &[Once]) -> Rung {
    let spread = |place: usize| Spread::of(all.iter().map(|once| once.times[place])).unwrap_or_default();
    let sum = |value: fn(&Outcome) -> u64| all.iter().map(|once| value(&once.outcome)).sum();
    let mean = |value: fn(&Once) -> f64| all.iter().map(value).sum::<f64>() / all.len() as f64;
    Rung {
        rate,
        asked: sum(|it| it.asked),
        done: sum(|it| it.done),
        refused: sum(|it| it.refused),
        unfinished: sum(|it| it.unfinished),
        p50: spread(0),
        p99: spread(1),
        p999: spread(2),
        longest: spread(3),
        server: mean(|it| it.server),
        clients: mean(|it| it.clients),
        micros: mean(|it| it.micros),
    }
}
