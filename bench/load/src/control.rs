//! The generator's workers, from the side of the one who tells them what to do.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout},
};

use crate::{
    command::{Answer, Command},
    link::Target,
    speak::{Entry, Protocol},
    usage,
    world::{Counts, Outcome},
};

/// Handshakes that a worker has under way at any time.
const AT_ONCE: usize = 64;

/// How often counts are asked for while something is waited for.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// How long nothing has to come until it is quiet.
pub const QUIET: Duration = Duration::from_millis(200);

/// Processes that are clients.
#[derive(Debug)]
pub struct Workers(Vec<Worker>);

#[derive(Debug)]
struct Worker {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// Which clients are to be connected.
#[derive(Clone, Copy, Debug)]
pub struct Clients {
    /// In which protocol.
    pub protocol: Protocol,
    /// How far they go.
    pub entry: Entry,
    /// The first number.
    pub first: u32,
    /// How many.
    pub count: u32,
    /// How many there are in all, for those who keep in mind whom they know; 0: nobody does.
    pub everybody: u32,
}

impl Workers {
    /// Starts so many.
    ///
    /// # Errors
    ///
    /// When a process cannot be started.
    pub fn start(program: &std::path::Path, count: usize) -> Result<Self> {
        let workers = (0..count.max(1)).map(|_| {
            let mut command = tokio::process::Command::new(program);
            command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
            let mut child = command.spawn().context("a worker does not start")?;
            let input = child.stdin.take().context("no input")?;
            let output = BufReader::new(child.stdout.take().context("no output")?).lines();
            Ok(Worker { child, input, output })
        });
        Ok(Self(workers.collect::<Result<_>>()?))
    }

    /// Connects clients, shared out by pairs. Callers come before those whom they call.
    ///
    /// # Errors
    ///
    /// When one could not be connected.
    pub async fn open(&mut self, target: Target, clients: Clients) -> Result<()> {
        let workers = self.0.len() as u32;
        let halves: &[fn(u32) -> bool] = match clients.entry {
            Entry::Pairs => &[|number| number % 2 == 0, |number| number % 2 == 1],
            Entry::Connect | Entry::LogIn => &[|_| true],
        };
        for half in halves {
            let command = |place: u32| Command::Open {
                target,
                protocol: clients.protocol,
                entry: clients.entry,
                numbers: (clients.first..clients.first + clients.count)
                    .filter(|number| half(*number) && number / 2 % workers == place)
                    .collect(),
                everybody: clients.everybody,
                at_once: AT_ONCE,
            };
            for answer in self.tell(|place, _| command(place as u32)).await? {
                let Answer::Opened { problem, failed } = answer else { bail!("another answer: {answer:?}") };
                ensure!(failed == 0, "{failed} clients were not connected: {}", problem.unwrap_or_default());
            }
        }
        Ok(())
    }

    /// What came until now.
    ///
    /// # Errors
    ///
    /// When a worker is gone.
    pub async fn count(&mut self) -> Result<Counts> {
        let mut sum = Counts::default();
        for answer in self.tell(|_, _| Command::Count).await? {
            let Answer::Counted(counts) = answer else { bail!("another answer: {answer:?}") };
            sum = sum.plus(counts);
        }
        Ok(sum)
    }

    /// Waits until the counts are so.
    ///
    /// # Errors
    ///
    /// When they are not within this time, or a connection ends meanwhile.
    pub async fn until(&mut self, what: &str, patience: Duration, is_so: impl Fn(&Counts) -> bool) -> Result<Counts> {
        let begun = Instant::now();
        loop {
            let counts = self.count().await?;
            ensure!(counts.closed == 0, "{} connections ended while waiting for {what}: {counts:?}", counts.closed);
            if is_so(&counts) {
                return Ok(counts);
            }
            ensure!(begun.elapsed() < patience, "waited {} s for {what}: {counts:?}", patience.as_secs());
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// Waits until nothing has come for a while.
    ///
    /// # Errors
    ///
    /// When something comes all the time.
    pub async fn until_quiet(&mut self, patience: Duration) -> Result<Counts> {
        let begun = Instant::now();
        let mut before = self.count().await?;
        loop {
            tokio::time::sleep(QUIET).await;
            let counts = self.count().await?;
            if counts.messages == before.messages {
                return Ok(counts);
            }
            ensure!(begun.elapsed() < patience, "not quiet after {} s", patience.as_secs());
            before = counts;
        }
    }

    /// Makes calls at this rate over all workers.
    ///
    /// # Errors
    ///
    /// When there is nobody to call.
    pub async fn call(&mut self, rate: f64, warm_up: f64, seconds: f64, sdp: usize) -> Result<Outcome> {
        let mut sum = Outcome::default();
        for answer in self.tell(|_, of| Command::Call { rate: rate / of as f64, warm_up, seconds, sdp }).await? {
            let Answer::Called(outcome) = answer else { bail!("another answer: {answer:?}") };
            sum.asked += outcome.asked;
            sum.done += outcome.done;
            sum.refused += outcome.refused;
            sum.unfinished += outcome.unfinished;
            sum.times.extend(outcome.times);
        }
        Ok(sum)
    }

    /// Lets clients log out and in again, and tells how many changes that was.
    ///
    /// # Errors
    ///
    /// When nobody is there.
    pub async fn churn(&mut self, rate: f64, seconds: f64) -> Result<u64> {
        let mut sum = 0;
        for answer in self.tell(|_, of| Command::Churn { rate: rate / of as f64, seconds }).await? {
            let Answer::Churned { changes } = answer else { bail!("another answer: {answer:?}") };
            sum += changes;
        }
        Ok(sum)
    }

    /// Seconds of processor that they have used.
    #[must_use]
    pub fn processor(&self) -> f64 {
        usage::processor(&self.0.iter().filter_map(|worker| worker.child.id()).collect::<Vec<_>>())
    }

    /// Ends them, and waits until they are gone.
    pub async fn end(self) {
        for mut worker in self.0 {
            // One that has ended by itself needs no ending.
            worker.child.kill().await.ok();
        }
    }

    /// Tells all at once, and waits for all answers.
    async fn tell(&mut self, command: impl Fn(usize, usize) -> Command) -> Result<Vec<Answer>> {
        let of = self.0.len();
        for (place, worker) in self.0.iter_mut().enumerate() {
            let mut line = serde_json::to_vec(&command(place, of))?;
            line.push(b'\n');
            worker.input.write_all(&line).await.context("a worker is gone")?;
        }
        let mut answers = Vec::with_capacity(of);
        for worker in &mut self.0 {
            let line = worker.output.next_line().await?.context("a worker is gone")?;
            answers.push(serde_json::from_str(&line)?);
        }
        Ok(answers)
    }
}
