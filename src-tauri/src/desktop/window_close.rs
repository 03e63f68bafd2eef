//! Closing the window: whether that quits the app, and how a hidden window is restored.

use crate::call_status::CallStatus;

/// The effect of closing the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseAction {
    /// Quit the app.
    Quit,
    /// Hide the window; the call continues.
    HideWindow,
}

impl CloseAction {
    /// The action for this call status.
    #[must_use]
    pub const fn in_status(status: &CallStatus) -> Self {
        match status {
            CallStatus::Idle => Self::Quit,
            CallStatus::Ringing { .. } | CallStatus::InCall { .. } => Self::HideWindow,
        }
    }
}

/// The way to restore a window that was closed during a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowRestore {
    /// The tray menu. The window is hidden.
    Tray,
    /// Starting the app again. The window is hidden, and shown when the call ends.
    SecondStart,
    /// The window list. The window is only minimised, because nothing could restore a hidden one.
    WindowList,
}

impl WindowRestore {
    /// The best available way. `has_tray`: the desktop shows a tray. `finds_running_app`: a second start reaches this
    /// instance.
    #[must_use]
    pub const fn best(has_tray: bool, finds_running_app: bool) -> Self {
        match (has_tray, finds_running_app) {
            (true, _) => Self::Tray,
            (false, true) => Self::SecondStart,
            (false, false) => Self::WindowList,
        }
    }
}

#[cfg(test)]
mod tests {
    use hutong_protocol::{MediaKind, Name};

    use super::*;

    #[test]
    fn closing_quits_only_when_there_is_no_call() {
        let name = Name::new("Ana").unwrap();
        let ringing = CallStatus::Ringing { ring: 1, name: name.clone(), media: MediaKind::Video };
        assert_eq!(CloseAction::in_status(&CallStatus::Idle), CloseAction::Quit);
        assert_eq!(CloseAction::in_status(&ringing), CloseAction::HideWindow);
        assert_eq!(CloseAction::in_status(&CallStatus::InCall { name }), CloseAction::HideWindow);
    }

    #[test]
    fn the_window_is_hidden_only_if_something_can_restore_it() {
        assert_eq!(WindowRestore::best(true, true), WindowRestore::Tray);
        assert_eq!(WindowRestore::best(true, false), WindowRestore::Tray);
        assert_eq!(WindowRestore::best(false, true), WindowRestore::SecondStart);
        assert_eq!(WindowRestore::best(false, false), WindowRestore::WindowList);
    }
}
