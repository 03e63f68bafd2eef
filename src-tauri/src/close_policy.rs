//! What closing the window does while there is no call: published by the controller, followed by the desktop shell.

use hutong_core::host_messages::WhenClosed;

/// The person's choice, and whether the page is asking for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClosePolicy {
    /// The choice.
    pub when_closed: WhenClosed,
    /// Whether the page shows the question. Closing the window once more then quits the app, so that a page that does not answer
    /// cannot prevent that.
    pub is_asking: bool,
}
