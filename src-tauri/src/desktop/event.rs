//! The events that the desktop shell handles, and their queue.

use tokio::sync::mpsc;

use crate::call_status::RingId;

/// Events that wait for the shell; more are dropped.
const QUEUE: usize = 32;

/// What happened around the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShellEvent {
    /// The person closed the window in a call.
    CloseRequested,
    /// The window got the focus, or lost it.
    FocusChanged,
    /// The person wants the window.
    Show,
    /// The app was started again, with or without a link, which is not checked yet.
    SecondStart {
        /// The link.
        link: Option<String>,
    },
    /// The person answers the call that rings; `None` means whichever it is.
    Answer(Option<RingId>),
    /// The person declines it.
    Decline(Option<RingId>),
    /// The person wants the app to end.
    Quit,
}

/// Sends events to the shell. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ShellEvents(mpsc::Sender<ShellEvent>);

impl ShellEvents {
    /// The queue: its sender, and what the shell receives from.
    #[must_use]
    pub fn channel() -> (Self, mpsc::Receiver<ShellEvent>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }

    /// Sends an event; does not wait.
    pub fn send(&self, event: ShellEvent) {
        if self.0.try_send(event).is_err() {
            // The event itself is not logged: a link in it names people.
            tracing::warn!("shell event queue full or closed; event dropped");
        }
    }
}
