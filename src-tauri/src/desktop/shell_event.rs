//! Events of the desktop shell, and the bounded queue that delivers them.

use tokio::sync::mpsc;

use crate::{arguments::ActivationToken, call_status::RingId};

/// Capacity of the event queue; further events are dropped.
const QUEUE_CAPACITY: usize = 32;

/// An event from window, tray, notifications, or another start of the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShellEvent {
    /// The person closed the window, and that does not quit the app at once.
    CloseRequested,
    /// The window gained or lost the focus.
    FocusChanged,
    /// The person asked for the window.
    Show,
    /// The app was started again.
    SecondStart {
        /// The call link of that start, not validated yet.
        link: Option<String>,
        /// The desktop's permission to come to the front.
        activation_token: Option<ActivationToken>,
    },
    /// The person answered: this ring, or with `None` the current one.
    Answer(Option<RingId>),
    /// The person declined: this ring, or with `None` the current one.
    Decline(Option<RingId>),
    /// The person quit the app.
    Quit,
}

/// Sender of shell events. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ShellEvents(mpsc::Sender<ShellEvent>);

impl ShellEvents {
    /// Creates the queue: its sender and its receiver.
    #[must_use]
    pub fn channel() -> (Self, mpsc::Receiver<ShellEvent>) {
        let (sender, receiver) = mpsc::channel(QUEUE_CAPACITY);
        (Self(sender), receiver)
    }

    /// Sends an event without waiting; drops it when the queue is full.
    pub fn send(&self, event: ShellEvent) {
        if self.0.try_send(event).is_err() {
            // The event is not logged: its link may contain a user's name.
            tracing::warn!("queue of desktop events full or closed; event dropped");
        }
    }
}
