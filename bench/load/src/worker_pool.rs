//! Pool of worker processes, which are the clients of an experiment: starts them and sends them commands.

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
    call_schedule::CallResults,
    connect::TargetAddress,
    protocols::{LoginMode, Protocol},
    usage,
    worker_protocol::{WorkerCommand, WorkerReply},
    worker_state::TrafficCounts,
};

/// Concurrent handshakes of a worker.
const CONCURRENT_HANDSHAKES: usize = 64;

/// Polling interval of the counters while waiting.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Time without messages after which the clients count as quiet.
pub const QUIET_TIME: Duration = Duration::from_millis(200);

/// Pool of worker processes.
#[derive(Debug)]
pub struct WorkerPool(Vec<WorkerProcess>);

#[derive(Debug)]
struct WorkerProcess {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// Clients to connect.
#[derive(Clone, Copy, Debug)]
pub struct ClientBatch {
    /// Their protocol.
    pub protocol: Protocol,
    /// How far they log in by themselves.
    pub mode: LoginMode,
    /// Number of the first client.
    pub first: u32,
    /// Number of clients.
    pub count: u32,
    /// Number of clients over all workers, for clients that track the roster; 0 to track none.
    pub total_clients: u32,
}

impl WorkerPool {
    /// Starts worker processes, one at least.
    ///
    /// # Errors
    ///
    /// Returns an error when a process cannot be started.
    pub fn start(program: &std::path::Path, count: usize) -> Result<Self> {
        let workers = (0..count.max(1)).map(|_| {
            let mut command = tokio::process::Command::new(program);
            command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
            let mut child = command.spawn().context("cannot start a worker")?;
            let input = child.stdin.take().context("the worker's standard input is not a pipe")?;
            let output =
                BufReader::new(child.stdout.take().context("the worker's standard output is not a pipe")?).lines();
            Ok(WorkerProcess { child, input, output })
        });
        Ok(Self(workers.collect::<Result<_>>()?))
    }

    /// Connects clients, distributed over the workers by pairs. With pair rooms, the callers connect first.
    ///
    /// # Errors
    ///
    /// Returns an error when a client could not connect.
    pub async fn open(&mut self, target: TargetAddress, clients: ClientBatch) -> Result<()> {
        let workers = self.0.len() as u32;
        let groups: &[fn(u32) -> bool] = match clients.mode {
            LoginMode::PairRooms => &[|number| number % 2 == 0, |number| number % 2 == 1],
            LoginMode::ConnectOnly | LoginMode::LogIn => &[|_| true],
        };
        for is_in_group in groups {
            let command = |index: u32| WorkerCommand::Open {
                target,
                protocol: clients.protocol,
                mode: clients.mode,
                numbers: (clients.first..clients.first + clients.count)
                    .filter(|number| is_in_group(*number) && number / 2 % workers == index)
                    .collect(),
                total_clients: clients.total_clients,
                concurrency: CONCURRENT_HANDSHAKES,
            };
            for reply in self.broadcast(|index, _| command(index as u32)).await? {
                let WorkerReply::Opened { problem, failed } = reply else {
                    bail!("unexpected reply of a worker: {reply:?}")
                };
                ensure!(failed == 0, "{failed} clients could not connect: {}", problem.unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Counters summed over all workers.
    ///
    /// # Errors
    ///
    /// Returns an error when a worker has exited.
    pub async fn counts(&mut self) -> Result<TrafficCounts> {
        let mut sum = TrafficCounts::default();
        for reply in self.broadcast(|_, _| WorkerCommand::Count).await? {
            let WorkerReply::Counted(counts) = reply else { bail!("unexpected reply of a worker: {reply:?}") };
            sum = sum.plus(counts);
        }
        Ok(sum)
    }

    /// Waits until the counters meet a condition.
    ///
    /// # Errors
    ///
    /// Returns an error when the timeout passes, or a connection closes meanwhile.
    pub async fn wait_until(
        &mut self,
        expectation: &str,
        timeout: Duration,
        condition: impl Fn(&TrafficCounts) -> bool,
    ) -> Result<TrafficCounts> {
        let start = Instant::now();
        loop {
            let counts = self.counts().await?;
            ensure!(
                counts.closed == 0,
                "{} connections closed while waiting for {expectation}: {counts:?}",
                counts.closed
            );
            if condition(&counts) {
                return Ok(counts);
            }
            ensure!(
                start.elapsed() < timeout,
                "timed out after {} s waiting for {expectation}: {counts:?}",
                timeout.as_secs()
            );
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Waits until no message has arrived for [`QUIET_TIME`].
    ///
    /// # Errors
    ///
    /// Returns an error when the timeout passes.
    pub async fn wait_until_quiet(&mut self, timeout: Duration) -> Result<TrafficCounts> {
        let start = Instant::now();
        let mut before = self.counts().await?;
        loop {
            tokio::time::sleep(QUIET_TIME).await;
            let counts = self.counts().await?;
            if counts.messages == before.messages {
                return Ok(counts);
            }
            ensure!(start.elapsed() < timeout, "clients still receive messages after {} s", timeout.as_secs());
            before = counts;
        }
    }

    /// Makes calls at this rate over all workers.
    ///
    /// # Errors
    ///
    /// Returns an error when there is no pair of clients.
    pub async fn run_calls(&mut self, rate: f64, warm_up: f64, seconds: f64, sdp: usize) -> Result<CallResults> {
        let mut sum = CallResults::default();
        for reply in
            self.broadcast(|_, of| WorkerCommand::Call { rate: rate / of as f64, warm_up, seconds, sdp }).await?
        {
            let WorkerReply::Called(results) = reply else { bail!("unexpected reply of a worker: {reply:?}") };
            sum.scheduled += results.scheduled;
            sum.completed += results.completed;
            sum.refused += results.refused;
            sum.unfinished += results.unfinished;
            sum.times.extend(results.times);
        }
        Ok(sum)
    }

    /// Lets clients log out and in again, and returns the number of changes.
    ///
    /// # Errors
    ///
    /// Returns an error when no client is connected.
    pub async fn run_churn(&mut self, rate: f64, seconds: f64) -> Result<u64> {
        let mut sum = 0;
        for reply in self.broadcast(|_, of| WorkerCommand::Churn { rate: rate / of as f64, seconds }).await? {
            let WorkerReply::Churned { changes } = reply else { bail!("unexpected reply of a worker: {reply:?}") };
            sum += changes;
        }
        Ok(sum)
    }

    /// CPU seconds used by all workers.
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        usage::cpu_seconds(&self.0.iter().filter_map(|worker| worker.child.id()).collect::<Vec<_>>())
    }

    /// Stops all workers and waits for their exit.
    pub async fn stop(self) {
        for mut worker in self.0 {
            // A worker that has exited cannot be killed.
            worker.child.kill().await.ok();
        }
    }

    /// Sends a command to each worker, built from its index and the number of workers, and waits for all replies.
    async fn broadcast(&mut self, command: impl Fn(usize, usize) -> WorkerCommand) -> Result<Vec<WorkerReply>> {
        let of = self.0.len();
        for (index, worker) in self.0.iter_mut().enumerate() {
            let mut line = serde_json::to_vec(&command(index, of))?;
            line.push(b'\n');
            worker.input.write_all(&line).await.context("a worker process exited unexpectedly")?;
        }
        let mut replies = Vec::with_capacity(of);
        for worker in &mut self.0 {
            let line = worker.output.next_line().await?.context("a worker process exited unexpectedly")?;
            replies.push(serde_json::from_str(&line)?);
        }
        Ok(replies)
    }
}
