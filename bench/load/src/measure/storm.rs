//! Everybody logs in at once.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{bench::Bench, spread::Spread};
use crate::{
    control::{Clients, QUIET},
    server::{Server, Subject},
    speak::{Entry, Protocol},
    world::Counts,
};

/// How long a storm may last.
const PATIENCE: Duration = Duration::from_secs(180);

/// The old server's users from which one storm is enough: it takes most of a minute.
const ONCE_FROM: u32 = 2_000;

/// What a storm takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Storm {
    /// On which server.
    pub subject: Subject,
    /// How many log in.
    pub users: u32,
    /// How far it goes.
    pub until: Until,
    /// How often it was measured.
    pub times: usize,
    /// Seconds of the server's processor, from the first connection on.
    pub processor: Spread,
    /// Seconds that passed.
    pub passed: Spread,
    /// Seconds of processor that the clients used.
    pub clients: Spread,
    /// Messages that came to the clients, in the last run.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// When a storm is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// Everybody knows everybody.
    EverybodyKnown,
    /// Everybody is in, and nothing more comes.
    Quiet,
}

struct Once {
    processor: f64,
    passed: f64,
    clients: f64,
    counts: Counts,
}

pub(super) async fn measure(bench: &Bench, subject: Subject) -> Result<Vec<Storm>> {
    let until = match subject {
        // matchbox notifies one of two peers, and neither if both connect at the same moment.
        Subject::Ours | Subject::OursTls | Subject::Echo | Subject::MatchboxMesh => Until::Quiet,
        _ => Until::EverybodyKnown,
    };
    let mut sizes = bench.plan.storms.clone();
    if matches!(subject, Subject::Ours | Subject::OursWhole) {
        sizes.extend(&bench.plan.large_storms);
    }
    let mut found = Vec::new();
    for users in sizes {
        let is_long = subject == Subject::Old && users >= ONCE_FROM;
        let times = if is_long { 1 } else { bench.plan.repeats };
        let mut all = Vec::new();
        for _ in 0..times {
            all.push(once(bench, subject, users, until).await?);
        }
        let spread = |value: fn(&Once) -> f64| Spread::of(all.iter().map(value));
        if let (Some(processor), Some(passed), Some(clients), Some(last)) =
            (spread(|it| it.processor), spread(|it| it.passed), spread(|it| it.clients), all.last())
        {
            let Counts { messages, bytes, .. } = last.counts;
            found.push(Storm { subject, users, until, times, processor, passed, clients, messages, bytes });
        }
    }
    Ok(found)
}

async fn once(bench: &Bench, subject: Subject, users: u32, until: Until) -> Result<Once> {
    let server = Server::start(&bench.programs, subject).await?;
    let mut workers = bench.workers(users)?;
    let keeps = matches!(subject.protocol(), Protocol::Hutong | Protocol::Old) && until == Until::EverybodyKnown;
    // The first answers, so that starting is not in it.
    workers.count().await?;
    let (before, clients, begun) = (server.processor(), workers.processor(), Instant::now());
    let clients_to_open = Clients {
        protocol: subject.protocol(),
        entry: Entry::LogIn,
        first: 0,
        count: users,
        everybody: if keeps { users } else { 0 },
    };
    workers.open(server.target, clients_to_open).await?;
    let users = u64::from(users);
    let wanted = match until {
        Until::EverybodyKnown => users * (users - 1),
        Until::Quiet => 0,
    };
    let is_over = |counts: &Counts| counts.ready >= users && counts.known >= wanted;
    let counts = workers.until("the storm to be over", PATIENCE, is_over).await?;
    let (counts, passed) = match until {
        Until::EverybodyKnown => (counts, begun.elapsed()),
        // What is still under way belongs to it, too; the last wait for quiet does not.
        Until::Quiet => (workers.until_quiet(PATIENCE).await?, begun.elapsed().saturating_sub(QUIET)),
    };
    let once = Once {
        processor: server.processor() - before,
        passed: passed.as_secs_f64(),
        clients: workers.processor() - clients,
        counts,
    };
    server.end().await;
    workers.end().await;
    Ok(once)
}
