//! What closing the window does, and how the person gets it back.

use crate::call_status::CallStatus;

/// What closing the window does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseAction {
    /// The app ends.
    Quit,
    /// The window is hidden, and the call continues.
    HideWindow,
}

impl CloseAction {
    /// The action in this status.
    #[must_use]
    pub const fn in_status(status: &CallStatus) -> Self {
        match status {
            CallStatus::Idle => Self::Quit,
            CallStatus::Ringing { .. } | CallStatus::InCall { .. } => Self::HideWindow,
        }
    }
}

/// How the person restores a window that was closed in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowRestore {
    /// By the tray: the window is hidden.
    Tray,
    /// By starting the app again: the window is hidden, and is shown by itself when the call is over.
    SecondStart,
    /// By the list of windows: the window is minimised, because nothing would restore a hidden one.
    WindowList,
}

impl WindowRestore {
    /// The best way: whether a tray is shown, and whether a second start finds this app.
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
    fn closing_ends_the_app_only_where_that_ends_no_call() {
        let name = Name::new("Ana").unwrap();
        let ringing = CallStatus::Ringing { ring: 1, name: name.clone(), media: MediaKind::Video };
        assert_eq!(CloseAction::in_status(&CallStatus::Idle), CloseAction::Quit);
        assert_eq!(CloseAction::in_status(&ringing), CloseAction::HideWindow);
        assert_eq!(CloseAction::in_status(&CallStatus::InCall { name }), CloseAction::HideWindow);
    }

    #[test]
    fn a_window_is_hidden_only_where_something_restores_it() {
        assert_eq!(WindowRestore::best(true, true), WindowRestore::Tray);
        assert_eq!(WindowRestore::best(true, false), WindowRestore::Tray);
        assert_eq!(WindowRestore::best(false, true), WindowRestore::SecondStart);
        assert_eq!(WindowRestore::best(false, false), WindowRestore::WindowList);
    }
}
