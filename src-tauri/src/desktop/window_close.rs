//! Closing the window: whether that quits the app, and how a hidden window is restored.

use hutong_core::host_messages::WhenClosed;

use crate::{call_status::CallStatus, close_policy::ClosePolicy};

/// The effect of closing the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseAction {
    /// Quit the app.
    Quit,
    /// Hide or minimise the window; the app stays reachable, and a call continues.
    HideWindow,
    /// Ask the person.
    Ask,
}

impl CloseAction {
    /// The action for this call status and policy.
    #[must_use]
    pub const fn in_status(status: &CallStatus, policy: ClosePolicy) -> Self {
        match (status, policy.when_closed) {
            (CallStatus::Ringing { .. } | CallStatus::InCall { .. }, _) | (CallStatus::Idle, WhenClosed::Stay) => {
                Self::HideWindow
            }
            (CallStatus::Idle, WhenClosed::Quit) => Self::Quit,
            // The second press on the close button: the page may not be able to ask.
            (CallStatus::Idle, WhenClosed::Ask) if policy.is_asking => Self::Quit,
            (CallStatus::Idle, WhenClosed::Ask) => Self::Ask,
        }
    }
}

/// The way to restore a window that was closed and did not quit the app.
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
    /// The way while there is no call: nobody would remember a window that nothing shows.
    #[must_use]
    pub const fn without_call(has_tray: bool) -> Self {
        if has_tray { Self::Tray } else { Self::WindowList }
    }

    /// The best available way during a call. `has_tray`: the desktop shows a tray. `finds_running_app`: a second start reaches this
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
    fn closing_hides_the_window_in_a_call_and_otherwise_does_what_the_person_chose() {
        let name = Name::new("Ana").unwrap();
        let ringing = CallStatus::Ringing { ring: 1, name: name.clone(), media: MediaKind::Video };
        for (when_closed, is_asking, idle) in [
            (WhenClosed::Ask, false, CloseAction::Ask),
            (WhenClosed::Ask, true, CloseAction::Quit),
            (WhenClosed::Stay, false, CloseAction::HideWindow),
            (WhenClosed::Quit, false, CloseAction::Quit),
        ] {
            let policy = ClosePolicy { when_closed, is_asking };
            assert_eq!(CloseAction::in_status(&CallStatus::Idle, policy), idle, "{policy:?}");
            for in_call in [ringing.clone(), CallStatus::InCall { name: name.clone() }] {
                assert_eq!(CloseAction::in_status(&in_call, policy), CloseAction::HideWindow);
            }
        }
    }

    #[test]
    fn the_window_is_hidden_only_if_something_can_restore_it() {
        assert_eq!(WindowRestore::best(true, true), WindowRestore::Tray);
        assert_eq!(WindowRestore::best(true, false), WindowRestore::Tray);
        assert_eq!(WindowRestore::best(false, true), WindowRestore::SecondStart);
        assert_eq!(WindowRestore::best(false, false), WindowRestore::WindowList);
        assert_eq!(WindowRestore::without_call(true), WindowRestore::Tray);
        assert_eq!(WindowRestore::without_call(false), WindowRestore::WindowList);
    }
}
