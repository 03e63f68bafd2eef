//! The text and the menu that the tray shows in each call status.

use super::strings::Strings;
use crate::call_status::CallStatus;

/// What the tray shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrayContent {
    /// Shown under the pointer.
    pub tooltip: String,
    /// The menu, from top to bottom.
    pub menu: Vec<MenuEntry>,
}

/// A line of the tray's menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MenuEntry {
    /// An action and its label.
    Action(TrayAction, &'static str),
    /// A line between others.
    Separator,
}

/// What the person can choose in the tray's menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrayAction {
    /// Show the window.
    Show,
    /// End the app.
    Quit,
    /// Answer the call that rings.
    Answer,
    /// Decline it.
    Decline,
}

impl TrayContent {
    /// The content in this status.
    #[must_use]
    pub fn in_status(status: &CallStatus, strings: &Strings) -> Self {
        let tooltip = match status {
            CallStatus::Idle => strings.app_name.to_owned(),
            CallStatus::Ringing { name, .. } => (strings.calling)(name.as_str()),
            CallStatus::InCall { name } => (strings.in_call)(name.as_str()),
        };
        let mut menu = Vec::new();
        if let CallStatus::Ringing { .. } = status {
            menu.push(MenuEntry::Action(TrayAction::Answer, strings.answer));
            menu.push(MenuEntry::Action(TrayAction::Decline, strings.decline));
            menu.push(MenuEntry::Separator);
        }
        menu.push(MenuEntry::Action(TrayAction::Show, strings.show));
        menu.push(MenuEntry::Action(TrayAction::Quit, strings.quit));
        Self { tooltip, menu }
    }
}
