//! Slots of connections beyond the server's capacity, each with a spare file descriptor.

use std::{
    collections::VecDeque,
    fs::File,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Connections that are refused at once. A health check takes its slot for about a millisecond.
const SLOTS: usize = 16;

/// Slots of connections that are accepted only to be refused, so that health checks are answered although no place or no file
/// descriptor is left.
///
/// A newcomer that finds all slots taken takes that of the oldest connection. So attackers who open many connections and send
/// nothing do not delay a health check, which sends its request at once. Connections from this machine keep their slots until no
/// others have any: monitoring often runs here.
#[derive(Debug)]
pub(crate) struct RefusalSlots {
    permits: Arc<Semaphore>,
    state: Mutex<SlotsState>,
}

#[derive(Debug)]
struct SlotsState {
    /// Open descriptors without a use, one for each free slot. Fewer if the system had none left.
    spare: Vec<File>,
    /// The connections that have a slot, oldest first.
    refused: VecDeque<RefusedEntry>,
    last_number: u64,
}

#[derive(Debug)]
struct RefusedEntry {
    number: u64,
    is_local: bool,
    evicted: CancellationToken,
}

/// RAII guard: a slot, and its spare descriptor. Both are given back on drop.
#[derive(Debug)]
pub(crate) struct RefusalSlot {
    slots: Arc<RefusalSlots>,
    spare: Option<File>,
    /// The connection's number, once there is one.
    number: Option<u64>,
    _permit: OwnedSemaphorePermit,
}

impl RefusalSlots {
    /// Opens the spare descriptors.
    pub(crate) fn new() -> Self {
        let spare = (0..SLOTS).map_while(|_| open_spare()).collect();
        let state = SlotsState { spare, refused: VecDeque::new(), last_number: 0 };
        Self { permits: Arc::new(Semaphore::new(SLOTS)), state: Mutex::new(state) }
    }

    /// Takes a slot. If there is none, closes a connection that has one, and waits for its slot.
    pub(crate) async fn acquire(self: &Arc<Self>) -> Option<RefusalSlot> {
        let permit = match self.permits.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                self.lock().evict_one();
                // Fails only on a closed semaphore, and this one is never closed.
                self.permits.clone().acquire_owned().await.ok()?
            }
        };
        let spare = self.lock().spare.pop();
        let spare = spare.or_else(open_spare);
        Some(RefusalSlot { slots: self.clone(), spare, number: None, _permit: permit })
    }

    fn lock(&self) -> MutexGuard<'_, SlotsState> {
        // No code under this lock can panic halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlotsState {
    fn evict_one(&mut self) {
        let oldest = self.refused.iter().position(|entry| !entry.is_local).unwrap_or(0);
        if let Some(entry) = self.refused.remove(oldest) {
            entry.evicted.cancel();
        }
    }
}

impl RefusalSlot {
    /// Closes the spare descriptor, so that a connection can be accepted. Returns whether there was one.
    pub(crate) fn free_descriptor(&mut self) -> bool {
        self.spare.take().is_some()
    }

    /// Registers the connection that uses the slot. The token is cancelled when it must be closed for a newer one.
    pub(crate) fn register(&mut self, is_local: bool) -> CancellationToken {
        let evicted = CancellationToken::new();
        let mut state = self.slots.lock();
        state.last_number += 1;
        let number = state.last_number;
        state.refused.push_back(RefusedEntry { number, is_local, evicted: evicted.clone() });
        self.number = Some(number);
        evicted
    }
}

impl Drop for RefusalSlot {
    fn drop(&mut self) {
        let spare = self.spare.take().or_else(open_spare);
        let mut state = self.slots.lock();
        state.spare.extend(spare);
        if let Some(number) = self.number {
            state.refused.retain(|entry| entry.number != number);
        }
    }
}

/// A descriptor without a use. `None` if the system has none left.
fn open_spare() -> Option<File> {
    File::open(if cfg!(windows) { "NUL" } else { "/dev/null" }).ok()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn slots() -> Arc<RefusalSlots> {
        Arc::new(RefusalSlots::new())
    }

    async fn take(slots: &Arc<RefusalSlots>, is_local: bool) -> (RefusalSlot, CancellationToken) {
        let mut slot = slots.acquire().await.unwrap();
        let evicted = slot.register(is_local);
        (slot, evicted)
    }

    #[tokio::test]
    async fn a_newcomer_takes_the_slot_of_the_oldest_connection_from_another_machine() {
        let slots = slots();
        let mut taken = VecDeque::new();
        for number in 0..SLOTS {
            taken.push_back(take(&slots, number == 0).await);
        }
        for oldest in [1, 1, 1] {
            let waiting = slots.acquire();
            let mut waiting = std::pin::pin!(waiting);
            assert!(waiting.as_mut().now_or_never().is_none(), "all slots are taken");
            let evicted: Vec<_> = taken.iter().map(|(_, evicted)| evicted.is_cancelled()).collect();
            assert_eq!(evicted.iter().position(|evicted| *evicted), Some(oldest), "{evicted:?}");
            assert_eq!(evicted.iter().filter(|evicted| **evicted).count(), 1);
            drop(taken.remove(oldest));
            let mut slot = waiting.await.unwrap();
            let evicted = slot.register(false);
            taken.push_back((slot, evicted));
        }
    }

    #[tokio::test]
    async fn among_connections_from_this_machine_alone_the_oldest_is_evicted() {
        let slots = slots();
        let mut taken = VecDeque::new();
        for _ in 0..SLOTS {
            taken.push_back(take(&slots, true).await);
        }
        let mut waiting = std::pin::pin!(slots.acquire());
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(taken[0].1.is_cancelled() && !taken[1].1.is_cancelled());
        drop(taken.pop_front());
        assert!(waiting.await.is_some());
    }

    #[tokio::test]
    async fn each_slot_has_a_spare_descriptor_which_is_opened_again_on_drop() {
        let slots = slots();
        for _ in 0..3 {
            let mut all = Vec::new();
            for _ in 0..SLOTS {
                all.push(slots.acquire().await.unwrap());
            }
            assert!(slots.lock().spare.is_empty());
            assert!(all.iter_mut().all(RefusalSlot::free_descriptor));
            assert!(!all[0].free_descriptor(), "it is already closed");
            drop(all);
            assert_eq!(slots.lock().spare.len(), SLOTS);
            assert!(slots.lock().refused.is_empty());
        }
    }
}
