//! A way to run the timers of the WebRTC library's driver early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Flag that makes the driver's next sleep return at once, so that its timers run.
///
/// Works around a delay in `rtc` 0.21.1: once ICE is connected, `DtlsHandler::handle_event` creates the first DTLS flight, but
/// only `handle_timeout` sends it, with the next connectivity check.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimerKick(Arc<AtomicBool>);

impl TimerKick {
    /// Ends the driver's next sleep at once. Takes effect when called from a callback, which the driver awaits before it sleeps.
    pub fn run_timers(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the timers are to run, once.
    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}
