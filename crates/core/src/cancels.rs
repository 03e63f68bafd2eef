//! Cancelled calls that the server does not know of yet.

use std::collections::VecDeque;

use hutong_protocol::{CallId, CancelReason};

/// A call and why it is cancelled.
pub type CallCancel = (CallId, CancelReason);

/// Cancels that must not be lost with the connection. A cancel too many is no error.
#[derive(Clone, Debug, Default, Hash)]
pub struct PendingCancels {
    /// Made while disconnected: sent on the next welcome.
    queue: VecDeque<CallCancel>,
    /// Sent, and not shown to be received: lost if the connection is lost now.
    unacknowledged: Option<CallCancel>,
}

impl PendingCancels {
    /// A person is not in many calls at a time.
    const MAX: usize = 8;

    /// Keeps a cancel for the next welcome. Past the bound the oldest is dropped.
    pub fn push(&mut self, cancel: CallCancel) {
        if self.queue.len() == Self::MAX {
            self.queue.pop_front();
        }
        self.queue.push_back(cancel);
    }

    /// The next to send after a welcome.
    pub fn pop(&mut self) -> Option<CallCancel> {
        self.queue.pop_front()
    }

    /// The call that was cancelled last while disconnected.
    pub fn newest(&self) -> Option<CallId> {
        self.queue.back().map(|(call, _)| *call)
    }

    /// A cancel was sent; `None` where the server forgets the call by itself.
    pub const fn sent(&mut self, cancel: Option<CallCancel>) {
        self.unacknowledged = cancel;
    }

    /// The server shows that it received the cancel.
    pub const fn acknowledged(&mut self) {
        self.unacknowledged = None;
    }

    /// The connection is lost, and with it perhaps the cancel.
    pub fn connection_lost(&mut self) {
        if let Some(cancel) = self.unacknowledged.take() {
            self.push(cancel);
        }
    }

    /// The session is over, and so are its calls.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.unacknowledged = None;
    }
}
