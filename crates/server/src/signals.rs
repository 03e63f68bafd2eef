//! What the system asks of the program.

/// A wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Stop, and let clients go bit by bit (SIGTERM).
    #[cfg_attr(windows, expect(dead_code, reason = "Windows asks for it in no way"))]
    Drain,
    /// Stop (Ctrl-C).
    Stop,
    /// Read again what may change while the server runs (SIGHUP).
    Reload,
}

/// The signals of the system. While this is there, none of them ends the program by itself.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hang_up: tokio::signal::unix::Signal,
    #[cfg(windows)]
    ctrl_c: tokio::signal::windows::CtrlC,
}

impl Signals {
    #[cfg(unix)]
    pub(crate) fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    #[cfg(windows)]
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self { ctrl_c: tokio::signal::windows::ctrl_c()? })
    }

    /// Waits for the next one.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.terminate.recv() => Signal::Drain,
            _ = self.hang_up.recv() => Signal::Reload,
        }
    }

    /// Waits for the next one.
    #[cfg(windows)]
    pub(crate) async fn next(&mut self) -> Signal {
        self.ctrl_c.recv().await;
        Signal::Stop
    }

    /// Waits for the next one that asks to stop, however.
    pub(crate) async fn stop(&mut self) {
        while self.next().await == Signal::Reload {}
    }
}
