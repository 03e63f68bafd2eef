//! The desktop shell's interface to window, tray, notifications and client. Implemented with Tauri, and by a recorder in
//! tests.

use hutong_core::Command;

use super::tray_content::TrayContent;
use crate::{arguments::ActivationToken, call_status::RingId};

/// The visibility of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowState {
    /// Not hidden; a minimised window is visible too.
    pub visible: bool,
    /// Minimised.
    pub minimized: bool,
    /// Has the focus.
    pub focused: bool,
}

/// A desktop notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The ring that the buttons answer or decline; `None` for a notification without buttons.
    pub ring: Option<RingId>,
    /// The title. Plain text on every system.
    pub title: String,
    /// The body. Some systems interpret markup in it, so it never contains a user's name.
    pub body: &'static str,
}

/// Error: the window could not be hidden or minimised.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WindowError(pub String);

/// The operations that [`super::shell::DesktopShell`] needs.
pub trait ShellHost {
    /// The current visibility of the window.
    fn window(&self) -> WindowState;

    /// Shows the window in front of others and focuses it. Where the desktop needs the token for that and there is none,
    /// the window stays where it is and asks for attention.
    fn show_window(&mut self, token: Option<&ActivationToken>);

    /// Hides the window.
    ///
    /// # Errors
    ///
    /// When the window does not change.
    fn hide_window(&mut self) -> Result<(), WindowError>;

    /// Minimises the window, also one that is hidden.
    ///
    /// # Errors
    ///
    /// When the window does not change.
    fn minimize_window(&mut self) -> Result<(), WindowError>;

    /// Updates the tray, if there is one.
    fn set_tray(&mut self, content: &TrayContent);

    /// Whether there is a tray and the desktop shows it.
    async fn shows_tray(&self) -> bool;

    /// Whether a second start reaches this instance.
    async fn finds_running_app(&self) -> bool;

    /// Shows a notification.
    fn notify(&mut self, notification: Notification);

    /// Removes the notification of this ring.
    fn dismiss(&mut self, ring: RingId);

    /// Sends a command of the person to the client.
    async fn command(&mut self, command: Command);

    /// Opens a call link, which is not validated yet.
    async fn open_link(&mut self, link: String);

    /// Asks the person what closing the window shall do. The answer changes the close policy.
    async fn ask_when_closed(&mut self);

    /// Exits the app.
    fn exit(&mut self);
}
