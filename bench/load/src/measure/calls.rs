//! Calls at rising rates, until it bends.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::{Bench, SDP, Spread};
use crate::{
    control::{Clients, Workers},
    server::{Server, Subject},
    speak::Entry,
    world::histogram,
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

struct Once {
    rung: Rung,
    times: [f64; 4],
}

impl Bench {
    pub(super) async fn calls(&self, subject: Subject) -> Result<Ladder> {
        let plan = &self.plan;
        let is_old = subject == Subject::Old;
        let (online, rates) = if is_old { (plan.online_old, &plan.rates_old) } else { (plan.online, &plan.rates) };
        let server = Server::start(&self.programs, subject).await?;
        let mut workers = self.populate(&server, subject, online).await?;
        let mut rungs = Vec::new();
        for &rate in rates {
            let times = if rate == plan.judged && !is_old { JUDGED_TIMES } else { 1 };
            let mut all = Vec::new();
            for _ in 0..times {
                all.push(self.rung(&server, &mut workers, rate).await?);
            }
            let spread = |place: usize| Spread::of(all.iter().map(|once| once.times[place]));
            let (Some(p50), Some(p99), Some(p999), Some(longest)) = (spread(0), spread(1), spread(2), spread(3)) else {
                continue;
            };
            let sum = |value: fn(&Rung) -> u64| all.iter().map(|once| value(&once.rung)).sum();
            let mean = |value: fn(&Rung) -> f64| all.iter().map(|once| value(&once.rung)).sum::<f64>() / times as f64;
            rungs.push(Rung {
                rate,
                asked: sum(|it| it.asked),
                done: sum(|it| it.done),
                refused: sum(|it| it.refused),
                unfinished: sum(|it| it.unfinished),
                p50,
                p99,
                p999,
                longest,
                server: mean(|it| it.server),
                clients: mean(|it| it.clients),
                micros: mean(|it| it.micros),
            });
            if p99.median > BENT {
                break;
            }
        }
        server.end().await;
        workers.end().await;
        Ok(Ladder { subject, online, rungs })
    }

    /// Everybody is logged in, and it is quiet.
    pub(super) async fn populate(&self, server: &Server, subject: Subject, online: u32) -> Result<Workers> {
        const PATIENCE: Duration = Duration::from_secs(120);
        let mut workers = self.workers(online)?;
        let clients =
            Clients { protocol: subject.protocol(), entry: Entry::Pairs, first: 0, count: online, everybody: 0 };
        workers.open(server.target, clients).await?;
        workers.until("users to get in", PATIENCE, |counts| counts.ready >= u64::from(online)).await?;
        workers.until_quiet(PATIENCE).await?;
        Ok(workers)
    }

    async fn rung(&self, server: &Server, workers: &mut Workers, rate: f64) -> Result<Once> {
        let (warm_up, seconds) = self.plan.rung;
        let (processor, clients, begun) = (server.processor(), workers.processor(), Instant::now());
        let outcome = workers.call(rate, warm_up, seconds, SDP).await?;
        let passed = begun.elapsed().as_secs_f64();
        let used = server.processor() - processor;
        let mut all = histogram()?;
        for (time, count) in &outcome.times {
            all.saturating_record_n(*time, *count);
        }
        ensure!(!all.is_empty(), "no call was to be made");
        let millis = |micros: u64| micros as f64 / 1_000.0;
        let times = [all.value_at_quantile(0.5), all.value_at_quantile(0.99), all.value_at_quantile(0.999), all.max()];
        let nothing = Spread { least: 0.0, median: 0.0, greatest: 0.0 };
        // What was warmed up with costs as much as what was measured.
        let made = (rate * (warm_up + seconds)).max(1.0);
        let rung = Rung {
            rate,
            asked: outcome.asked,
            done: outcome.done,
            refused: outcome.refused,
            unfinished: outcome.unfinished,
            p50: nothing,
            p99: nothing,
            p999: nothing,
            longest: nothing,
            server: used / passed,
            clients: (workers.processor() - clients) / passed,
            micros: used * 1e6 / made,
        };
        // What the last calls left behind is not the next rate's.
        workers.until_quiet(Duration::from_secs(60)).await?;
        Ok(Once { rung, times: times.map(millis) })
    }
}
