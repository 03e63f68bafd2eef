//! The interface of a driver: what the web app needs of the client, wherever that runs.

use hutong_core::app::FromUi;

/// Runs the client, or speaks to who runs it.
pub trait Driver {
    /// Begins. Nothing is sent to the sink before.
    fn begin(&self);
    /// Hands on what the person or the media engine did. May be called from within the sink.
    fn send(&self, what: FromUi);
    /// Whether an app is around this page, with a choice of servers.
    fn in_app(&self) -> bool;
}
