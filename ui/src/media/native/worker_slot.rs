//! A worker that may still be starting, and the latest track for it.

/// A worker and the track that it has to send.
#[derive(Debug)]
pub enum WorkerSlot<W, T> {
    /// The worker is starting, which takes longer than a description or the devices.
    Starting(PendingTrack<T>),
    /// The worker is running.
    Running(W, PendingTrack<T>),
    /// The connection is closed.
    Ended,
}

/// Track that is not yet passed to the worker.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum PendingTrack<T> {
    /// The worker has the current track (initially none).
    #[default]
    Unchanged,
    /// The worker has to get this track, once: `WebKitGTK` 2.50 keeps every microphone that was ever connected to an audio
    /// context until that context is closed.
    Changed(Option<T>),
}

impl<W, T> Default for WorkerSlot<W, T> {
    fn default() -> Self {
        Self::Starting(PendingTrack::Unchanged)
    }
}

impl<W, T> WorkerSlot<W, T> {
    /// Sets the track to send, or none.
    pub fn set_track(&mut self, track: Option<T>) {
        match self {
            Self::Starting(pending) | Self::Running(_, pending) => *pending = PendingTrack::Changed(track),
            Self::Ended => {}
        }
    }

    /// Sets the worker, unless the slot has ended.
    pub fn start(&mut self, worker: W) {
        *self = match std::mem::replace(self, Self::Ended) {
            Self::Starting(pending) | Self::Running(_, pending) => Self::Running(worker, pending),
            Self::Ended => Self::Ended,
        };
    }

    /// The running worker.
    pub fn worker(&self) -> Option<&W> {
        match self {
            Self::Running(worker, _) => Some(worker),
            Self::Starting(_) | Self::Ended => None,
        }
    }

    /// Passes a changed track to the worker, if it is running.
    pub fn flush<E>(&mut self, send: impl FnOnce(&W, Option<T>) -> Result<(), E>) -> Result<(), E> {
        let Self::Running(worker, pending) = self else { return Ok(()) };
        match std::mem::take(pending) {
            PendingTrack::Unchanged => Ok(()),
            PendingTrack::Changed(track) => send(worker, track),
        }
    }

    /// Ends the slot, and returns its contents to be dropped outside any borrow.
    pub fn end(&mut self) -> Self {
        std::mem::replace(self, Self::Ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flushed(slot: &mut WorkerSlot<&str, u8>) -> Option<Option<u8>> {
        let mut flushed = None;
        slot.flush(|_, track| {
            flushed = Some(track);
            Ok::<_, ()>(())
        })
        .unwrap();
        flushed
    }

    #[test]
    fn only_the_last_track_is_passed_to_the_worker_and_only_once() {
        let mut slot = WorkerSlot::default();
        slot.set_track(Some(1));
        slot.set_track(Some(2));
        assert_eq!(flushed(&mut slot), None, "the worker is not running yet");
        slot.start("worker");
        assert_eq!(flushed(&mut slot), Some(Some(2)));
        assert_eq!(slot.worker(), Some(&"worker"));
        assert_eq!(flushed(&mut slot), None, "the worker has it already");
        slot.set_track(None);
        assert_eq!(flushed(&mut slot), Some(None));
    }

    #[test]
    fn without_a_track_nothing_is_passed_to_the_worker() {
        let mut slot = WorkerSlot::default();
        slot.start("worker");
        assert_eq!(flushed(&mut slot), None);
    }

    #[test]
    fn an_ended_slot_keeps_neither_track_nor_worker() {
        let mut slot = WorkerSlot::default();
        slot.set_track(Some(1));
        assert!(matches!(slot.end(), WorkerSlot::Starting(PendingTrack::Changed(Some(1)))));
        slot.set_track(Some(2));
        slot.start("late");
        assert!(matches!(slot, WorkerSlot::Ended));
        assert_eq!(flushed(&mut slot), None);
    }
}
