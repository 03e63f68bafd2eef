//! Password checker: verifies Argon2 hashes on blocking threads, with bounded concurrency and a bounded queue.

use std::{sync::Arc, time::Duration};

use hutong_protocol::Secret;
use tokio::{sync::Semaphore, time::timeout};

use super::secrets::{PhcString, is_password};

/// Checks of unknown devices that run at once. Each takes one core and, at our own cost parameters, 19 MiB for about 30 ms.
const MAX_RUNNING: usize = 2;

/// Checks of unknown devices that wait or run. At this length the last one waits about a second.
const MAX_QUEUED: usize = 64;

/// Longest wait for a thread. Shorter than the shutdown timeout of the server and the login timeout of a client.
const MAX_WAIT: Duration = Duration::from_secs(3);

/// Checks of known devices that wait or run. They have a queue and a thread of their own, so that those who guess cannot fill it.
const MAX_QUEUED_KNOWN: usize = 16;

/// Bounded queues in front of the threads that verify password hashes.
#[derive(Debug)]
pub(crate) struct PasswordChecker {
    unknown: CheckQueue,
    known: CheckQueue,
}

/// The queue that a check waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckPriority {
    /// The client may be anybody.
    Unknown,
    /// The client has presented a genuine ticket.
    KnownDevice,
}

/// Permits to wait, and to run.
#[derive(Debug)]
struct CheckQueue {
    places: Arc<Semaphore>,
    threads: Arc<Semaphore>,
}

impl CheckQueue {
    fn new(places: usize, threads: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), threads: Arc::new(Semaphore::new(threads)) }
    }
}

/// Error: the queue is full, or no thread became free in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

impl PasswordChecker {
    pub(crate) fn new() -> Self {
        Self { unknown: CheckQueue::new(MAX_QUEUED, MAX_RUNNING), known: CheckQueue::new(MAX_QUEUED_KNOWN, 1) }
    }

    /// Whether the secret is the password of this hash.
    pub(crate) async fn is_password(
        &self,
        priority: CheckPriority,
        hash: PhcString,
        secret: Secret,
    ) -> Result<bool, Busy> {
        self.run(priority, move || is_password(&hash, &secret)).await
    }

    async fn run(&self, priority: CheckPriority, check: impl FnOnce() -> bool + Send + 'static) -> Result<bool, Busy> {
        let queue = match priority {
            CheckPriority::Unknown => &self.unknown,
            CheckPriority::KnownDevice => &self.known,
        };
        let queued = queue.places.clone().try_acquire_owned().map_err(|_| Busy)?;
        let thread = timeout(MAX_WAIT, queue.threads.clone().acquire_owned()).await;
        let Ok(Ok(thread)) = thread else { return Err(Busy) };
        // A blocking task cannot be cancelled, so it keeps its permits when the caller is dropped.
        let checked = tokio::task::spawn_blocking(move || {
            let is_password = check();
            drop((thread, queued));
            is_password
        });
        checked.await.map_err(|error| {
            tracing::error!(%error, "password check task failed; login refused");
            Busy
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[tokio::test]
    async fn checks_beyond_the_queue_are_refused_at_once() {
        let checker = Arc::new(PasswordChecker::new());
        let barrier = Arc::new(Barrier::new(MAX_RUNNING + 1));
        let (running, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = Vec::new();
        for number in 0..MAX_QUEUED {
            let (checker, barrier, running, peak) = (checker.clone(), barrier.clone(), running.clone(), peak.clone());
            tasks.push(tokio::spawn(async move {
                let check = move || {
                    peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    // The first checks block until the queue is full.
                    if number < MAX_RUNNING {
                        barrier.wait();
                    }
                    running.fetch_sub(1, Ordering::SeqCst);
                    number % 2 == 0
                };
                checker.run(CheckPriority::Unknown, check).await
            }));
            tokio::task::yield_now().await;
        }
        assert_eq!(checker.run(CheckPriority::Unknown, || true).await, Err(Busy));
        let known = timeout(Duration::from_secs(20), checker.run(CheckPriority::KnownDevice, || true)).await;
        assert_eq!(known, Ok(Ok(true)), "those who guess do not keep a known device waiting");
        tokio::task::spawn_blocking(move || barrier.wait()).await.unwrap();
        for (number, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), Ok(number % 2 == 0));
        }
        assert_eq!(peak.load(Ordering::SeqCst), MAX_RUNNING);
        assert_eq!(checker.run(CheckPriority::Unknown, || true).await, Ok(true));
    }
}
