//! Checking passwords away from where connections are served, a few at a time.

use std::{sync::Arc, time::Duration};

use hutong_protocol::Secret;
use tokio::{sync::Semaphore, time::timeout};

use super::secrets::{Hash, is_password};

/// Passwords that are checked at once. Each takes a core and, as we make them, 19 MiB for some 30 ms.
const AT_ONCE: usize = 2;

/// Checks that wait or run. The last waits about a second.
const IN_LINE: usize = 64;

/// The longest wait: below a stopping server's patience, and a client's for its hello.
const PATIENCE: Duration = Duration::from_secs(3);

/// The line before the threads that check passwords.
#[derive(Debug)]
pub(crate) struct Hashing {
    line: Arc<Semaphore>,
    threads: Arc<Semaphore>,
}

/// The line is full, or does not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

impl Hashing {
    pub(crate) fn new() -> Self {
        Self { line: Arc::new(Semaphore::new(IN_LINE)), threads: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Whether this is the hash's password.
    pub(crate) async fn is_password(&self, hash: Hash, secret: Secret) -> Result<bool, Busy> {
        self.run(move || is_password(&hash, &secret)).await
    }

    async fn run(&self, check: impl FnOnce() -> bool + Send + 'static) -> Result<bool, Busy> {
        let place = self.line.clone().try_acquire_owned().map_err(|_| Busy)?;
        let thread = timeout(PATIENCE, self.threads.clone().acquire_owned()).await;
        let Ok(Ok(thread)) = thread else { return Err(Busy) };
        // It goes on when nobody waits for it any more, and takes its place with it.
        let checked = tokio::task::spawn_blocking(move || {
            let outcome = check();
            drop((thread, place));
            outcome
        });
        checked.await.map_err(|error| {
            tracing::error!(%error, "checking a password failed");
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
    async fn a_few_run_some_wait_and_the_rest_is_sent_away_at_once() {
        let hashing = Arc::new(Hashing::new());
        let gate = Arc::new(Barrier::new(AT_ONCE + 1));
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = Vec::new();
        for number in 0..IN_LINE {
            let (hashing, gate, running, most) = (hashing.clone(), gate.clone(), running.clone(), most.clone());
            tasks.push(tokio::spawn(async move {
                let check = move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    // The first ones stay until everybody is in line.
                    if number < AT_ONCE {
                        gate.wait();
                    }
                    running.fetch_sub(1, Ordering::SeqCst);
                    number % 2 == 0
                };
                hashing.run(check).await
            }));
            tokio::task::yield_now().await;
        }
        assert_eq!(hashing.run(|| true).await, Err(Busy));
        tokio::task::spawn_blocking(move || gate.wait()).await.unwrap();
        for (number, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), Ok(number % 2 == 0));
        }
        assert_eq!(most.load(Ordering::SeqCst), AT_ONCE);
        assert_eq!(hashing.run(|| true).await, Ok(true));
    }
}
