//! What the desktop shell controls, as a trait: Tauri implements it in the app, a recorder in the shell's tests.

use hutong_core::Command;

use super::tray_content::TrayContent;
use crate::call_status::RingId;

/// How the window is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowState {
    /// It is not hidden.
    pub visible: bool,
    /// It is minimised.
    pub minimized: bool,
    /// It has the focus.
    pub focused: bool,
}

/// A desktop notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The ring that its buttons answer and decline; without one it has no buttons.
    pub ring: Option<RingId>,
    /// The first line. Never markup.
    pub title: String,
    /// The text. Some systems read markup in it, so it never holds a name.
    pub body: &'static str,
}

/// The window did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WindowError(pub String);

/// Window, tray, notifications and client, as the shell uses them.
pub trait ShellHost {
    /// How the window is shown now.
    fn window(&self) -> WindowState;

    /// Shows the window in front of others, with the focus.
    fn show_window(&mut self);

    /// Hides the window.
    ///
    /// # Errors
    ///
    /// When the window stays.
    fn hide_window(&mut self) -> Result<(), WindowError>;

    /// Minimises the window.
    ///
    /// # Errors
    ///
    /// When the window stays.
    fn minimize_window(&mut self) -> Result<(), WindowError>;

    /// Shows this in the tray, if there is one.
    fn set_tray(&mut self, content: &TrayContent);

    /// Whether there is a tray, and the desktop shows it now.
    async fn shows_tray(&self) -> bool;

    /// Whether a second start finds this app.
    async fn finds_running_app(&self) -> bool;

    /// Shows a notification.
    fn notify(&mut self, notification: Notification);

    /// Takes the notification of this ring back.
    fn dismiss(&mut self, ring: RingId);

    /// Has the client do what the person wants.
    async fn command(&mut self, command: Command);

    /// Opens a link, which is not checked yet.
    async fn open_link(&mut self, link: String);

    /// Ends the app.
    fn exit(&mut self);
}
