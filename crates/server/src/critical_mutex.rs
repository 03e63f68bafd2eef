//! Mutex around state that the whole server depends on: a panic of its holder stops the server.

use std::{
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use crate::supervisor::Supervisor;

/// Mutex that makes the supervisor stop the server when a holder panics, which may leave the state half changed.
#[derive(Debug)]
pub(crate) struct CriticalMutex<T> {
    state: Mutex<T>,
    /// The name in the reported failure.
    name: &'static str,
    supervisor: Supervisor,
}

/// The lock while it is held.
#[derive(Debug)]
pub(crate) struct CriticalGuard<'m, T> {
    state: MutexGuard<'m, T>,
    name: &'static str,
    supervisor: &'m Supervisor,
    /// Whether the thread was panicking already, for a reason outside the lock.
    was_panicking: bool,
}

impl<T> CriticalMutex<T> {
    pub(crate) const fn new(state: T, name: &'static str, supervisor: Supervisor) -> Self {
        Self { state: Mutex::new(state), name, supervisor }
    }

    /// Waits for the lock. After a panic it gives the state as it was left; see [`is_broken`](Self::is_broken).
    pub(crate) fn lock(&self) -> CriticalGuard<'_, T> {
        let was_panicking = thread::panicking();
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        CriticalGuard { state, name: self.name, supervisor: &self.supervisor, was_panicking }
    }

    /// Whether a holder has panicked: the state may be half changed, and the server is stopping.
    pub(crate) fn is_broken(&self) -> bool {
        self.state.is_poisoned()
    }

    /// Whether nobody holds the lock.
    #[cfg(test)]
    pub(crate) fn is_free(&self) -> bool {
        self.state.try_lock().is_ok()
    }
}

impl<T> Drop for CriticalGuard<'_, T> {
    fn drop(&mut self) {
        if thread::panicking() && !self.was_panicking {
            self.supervisor.fail(self.name, "see the message of the panic".to_owned());
        }
    }
}

impl<T> Deref for CriticalGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.state
    }
}

impl<T> DerefMut for CriticalGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.state
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_panic_of_the_holder_stops_the_server() {
        let supervisor = Supervisor::default();
        let mutex = CriticalMutex::new(1, "test", supervisor.clone());
        *mutex.lock() = 2;
        assert!(!supervisor.stop.is_cancelled() && !mutex.is_broken());
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let mut state = mutex.lock();
            *state = 3;
            panic!("halfway");
        }));
        assert!(panicked.is_err() && mutex.is_broken());
        let failure = supervisor.failed().now_or_never().unwrap();
        assert!(failure.to_string().contains("\"test\" has panicked"), "{failure}");
        assert_eq!(*mutex.lock(), 3);
    }

    #[test]
    fn a_panic_outside_the_lock_stops_nothing() {
        struct LocksOnDrop<'m>(&'m CriticalMutex<u32>);
        impl Drop for LocksOnDrop<'_> {
            fn drop(&mut self) {
                *self.0.lock() += 1;
            }
        }
        let supervisor = Supervisor::default();
        let mutex = CriticalMutex::new(1, "test", supervisor.clone());
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _disconnects = LocksOnDrop(&mutex);
            panic!("elsewhere");
        }));
        assert!(panicked.is_err() && !supervisor.stop.is_cancelled() && !mutex.is_broken());
        assert_eq!(*mutex.lock(), 2);
    }
}
