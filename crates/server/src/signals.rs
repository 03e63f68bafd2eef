//! Signals of the operating system that stop or reload the program.

/// What a signal asks the program to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Close the connections gradually, then exit (SIGTERM).
    #[cfg_attr(windows, expect(dead_code, reason = "Windows has no such signal"))]
    Drain,
    /// Exit (SIGINT, Ctrl-C).
    Stop,
    /// Reload certificate, keys and admission files (SIGHUP).
    Reload,
}

/// Receiver of the signals. While it exists, their default action, ending the process, is off.
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

    /// Waits for the next signal.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.terminate.recv() => Signal::Drain,
            _ = self.hang_up.recv() => Signal::Reload,
        }
    }

    /// Waits for the next signal.
    #[cfg(windows)]
    pub(crate) async fn next(&mut self) -> Signal {
        self.ctrl_c.recv().await;
        Signal::Stop
    }

    /// Waits for the next signal to stop, gradually or not.
    pub(crate) async fn stop(&mut self) {
        while self.next().await == Signal::Reload {}
    }
}
