//! The worker of one kind of media in a native connection, and the track that it is still to be given.

/// A worker and its track.
#[derive(Debug)]
pub enum WorkerSlot<W, T> {
    /// The worker is starting, which takes longer than a description, and than the devices.
    Starting(PendingTrack<T>),
    /// The worker is there.
    Running(W, PendingTrack<T>),
    /// The connection is closed.
    Ended,
}

/// What is to be sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum PendingTrack<T> {
    /// The worker has it; at first there is none.
    #[default]
    Unchanged,
    /// To be given to the worker, once: WebKitGTK 2.50 keeps every microphone that was ever led into a context, as long as that is there.
    Changed(Option<T>),
}

impl<W, T> Default for WorkerSlot<W, T> {
    fn default() -> Self {
        Self::Starting(PendingTrack::Unchanged)
    }
}

impl<W, T> WorkerSlot<W, T> {
    /// This track is to be sent, or none, in place of whatever was to be sent before.
    pub fn set_track(&mut self, track: Option<T>) {
        match self {
            Self::Starting(pending) | Self::Running(_, pending) => *pending = PendingTrack::Changed(track),
            Self::Ended => {}
        }
    }

    /// The worker is there.
    pub fn start(&mut self, worker: W) {
        *self = match std::mem::replace(self, Self::Ended) {
            Self::Starting(pending) | Self::Running(_, pending) => Self::Running(worker, pending),
            Self::Ended => Self::Ended,
        };
    }

    /// The worker, where there is one.
    pub fn worker(&self) -> Option<&W> {
        match self {
            Self::Running(worker, _) => Some(worker),
            Self::Starting(_) | Self::Ended => None,
        }
    }

    /// Gives the worker the track that is to be sent, where there is a worker and it has another.
    pub fn flush<E>(&mut self, send: impl FnOnce(&W, Option<T>) -> Result<(), E>) -> Result<(), E> {
        let Self::Running(worker, pending) = self else { return Ok(()) };
        match std::mem::take(pending) {
            PendingTrack::Unchanged => Ok(()),
            PendingTrack::Changed(track) => send(worker, track),
        }
    }

    /// The connection is closed: gives what there was, to be dropped.
    pub fn end(&mut self) -> Self {
        std::mem::replace(self, Self::Ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(slot: &mut WorkerSlot<&str, u8>) -> Option<Option<u8>> {
        let mut given = None;
        slot.flush(|_, track| {
            given = Some(track);
            Ok::<_, ()>(())
        })
        .unwrap();
        given
    }

    #[test]
    fn the_last_track_waits_for_the_worker_and_is_given_once() {
        let mut slot = WorkerSlot::default();
        slot.set_track(Some(1));
        slot.set_track(Some(2));
        assert_eq!(given(&mut slot), None, "there is no worker");
        slot.start("worker");
        assert_eq!(given(&mut slot), Some(Some(2)));
        assert_eq!(slot.worker(), Some(&"worker"));
        assert_eq!(given(&mut slot), None, "it has it");
        slot.set_track(None);
        assert_eq!(given(&mut slot), Some(None));
    }

    #[test]
    fn a_worker_without_a_track_is_given_nothing() {
        let mut slot = WorkerSlot::default();
        slot.start("worker");
        assert_eq!(given(&mut slot), None);
    }

    #[test]
    fn an_ended_slot_keeps_neither_track_nor_worker() {
        let mut slot = WorkerSlot::default();
        slot.set_track(Some(1));
        assert!(matches!(slot.end(), WorkerSlot::Starting(PendingTrack::Changed(Some(1)))));
        slot.set_track(Some(2));
        slot.start("late");
        assert!(matches!(slot, WorkerSlot::Ended));
        assert_eq!(given(&mut slot), None);
    }
}
