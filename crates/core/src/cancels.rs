//! Cancels of calls that the server may not have received.

use std::collections::VecDeque;

use hutong_protocol::{CallId, CancelReason};

/// A cancelled call and the reason.
pub type CallCancel = (CallId, CancelReason);

/// Bounded queue of cancels that must survive a lost connection. A duplicate cancel is no error.
#[derive(Clone, Debug, Default, Hash)]
pub struct PendingCancels {
    /// Made while disconnected; sent on the next `welcome`.
    queue: VecDeque<CallCancel>,
    /// Sent, but not acknowledged: a closing connection may lose it.
    unacknowledged: Option<CallCancel>,
}

impl PendingCancels {
    /// Capacity of the queue. A client has one call at a time, so one or two entries are usual.
    const MAX: usize = 8;

    /// Queues a cancel for the next `welcome`. If the queue is full, the oldest is dropped.
    pub fn push(&mut self, cancel: CallCancel) {
        if self.queue.len() == Self::MAX {
            self.queue.pop_front();
        }
        self.queue.push_back(cancel);
    }

    /// Takes the next cancel to send after a `welcome`.
    pub fn pop(&mut self) -> Option<CallCancel> {
        self.queue.pop_front()
    }

    /// The last call that was cancelled while disconnected.
    pub fn newest(&self) -> Option<CallId> {
        self.queue.back().map(|(call, _)| *call)
    }

    /// Records a sent cancel; `None` if the server ends the call without it when the connection is lost.
    pub const fn sent(&mut self, cancel: Option<CallCancel>) {
        self.unacknowledged = cancel;
    }

    /// Records that the server received the cancel.
    pub const fn acknowledged(&mut self) {
        self.unacknowledged = None;
    }

    /// Requeues an unacknowledged cancel after the connection was lost.
    pub fn connection_lost(&mut self) {
        if let Some(cancel) = self.unacknowledged.take() {
            self.push(cancel);
        }
    }

    /// Discards all cancels: the session ended, and its calls with it.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.unacknowledged = None;
    }
}
