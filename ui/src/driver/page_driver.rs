//! The interface of a driver: how the page reaches the client, wherever that runs.

use hutong_core::host_messages::PageToHost;

/// Runs the client, or forwards to the host that runs it.
pub trait PageDriver {
    /// Starts the driver. It emits no message before.
    fn start(&self);
    /// Sends a message to the client or the app. May be called while the driver emits a message.
    fn send(&self, message: PageToHost);
    /// Whether the page runs in the app, which offers a choice of servers.
    fn in_app(&self) -> bool;
    /// Sets, before a login, whether this browser remembers the person. If not, this tab does until it is closed.
    fn set_remembered(&self, _is_remembered: bool) {}
    /// Makes this tab the one that runs the client.
    fn move_here(&self) {}
    /// Makes this tab independent of the others: for somebody else.
    fn use_tab_alone(&self) {}
}
