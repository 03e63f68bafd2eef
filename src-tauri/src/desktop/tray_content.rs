//! Tooltip and menu of the tray for each call status.

use super::strings::Strings;
use crate::call_status::CallStatus;

/// Tooltip and menu of the tray.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrayContent {
    /// The tooltip.
    pub tooltip: String,
    /// The menu, from top to bottom.
    pub menu: Vec<MenuEntry>,
}

/// An entry of the tray menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MenuEntry {
    /// An action and its label.
    Action(TrayAction, &'static str),
    /// A separator line.
    Separator,
}

/// An action of the tray menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrayAction {
    /// Show the window.
    Show,
    /// Quit the app.
    Quit,
    /// Answer the ringing call.
    Answer,
    /// Decline it.
    Decline,
}

impl TrayContent {
    /// The content for this call status.
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
