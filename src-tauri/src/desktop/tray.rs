//! The icon in the system's tray, with a menu.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use tauri::{
    AppHandle, Wry,
    menu::{Menu, MenuBuilder},
    tray::{MouseButton, MouseButtonState, TrayIcon, TrayIconBuilder, TrayIconEvent},
};

use super::{
    event::{ShellEvent, ShellEvents},
    tray_content::{MenuEntry, TrayAction, TrayContent},
};

const ID: &str = "hutong";

/// The icon; removed when this is dropped.
pub struct Tray(TrayIcon);

/// Why there is no tray.
#[derive(Debug, thiserror::Error)]
pub enum TrayError {
    /// Linux: the library that shows trays is not installed.
    #[error("a library is missing")]
    LibraryMissing,
    /// The system shows none.
    #[error(transparent)]
    Tauri(#[from] tauri::Error),
}

impl Tray {
    /// Adds the icon to the tray. Called on the main thread. `directory` takes the icon's file, on Linux.
    ///
    /// # Errors
    ///
    /// When the system has no tray that could show it.
    pub fn add(
        app: &AppHandle,
        directory: &Path,
        content: &TrayContent,
        events: ShellEvents,
    ) -> Result<Self, TrayError> {
        let clicks = events.clone();
        let mut builder = TrayIconBuilder::with_id(ID)
            .tooltip(&content.tooltip)
            .temp_dir_path(directory)
            // A click opens the menu on macOS and Linux, and the window on Windows, as others do there.
            .show_menu_on_left_click(!cfg!(windows))
            .on_menu_event(move |_, event| {
                if let Some(event) = chosen(event.id().as_ref()) {
                    events.send(event);
                }
            })
            .on_tray_icon_event(move |_, event| {
                let left = matches!(
                    event,
                    TrayIconEvent::Click { button: MouseButton::Left, button_state: MouseButtonState::Up, .. }
                );
                if cfg!(windows) && left {
                    clicks.send(ShellEvent::Show);
                }
            });
        builder = builder.menu(&menu(app, content)?);
        if let Some(icon) = app.default_window_icon() {
            builder = builder.icon(icon.clone());
        }
        // On Linux the library that shows trays is loaded when the first is added, and the binding panics without it.
        let added = catch_unwind(AssertUnwindSafe(|| builder.build(app)));
        Ok(Self(added.map_err(|_| TrayError::LibraryMissing)??))
    }

    /// Shows this from now on.
    pub fn set(&self, content: &TrayContent) {
        let set = menu(self.0.app_handle(), content)
            .and_then(|menu| self.0.set_menu(Some(menu)))
            .and_then(|()| self.0.set_tooltip(Some(&content.tooltip)));
        if let Err(error) = set {
            tracing::warn!(%error, "tray update failed; it shows an earlier call status");
        }
    }
}

fn menu(app: &AppHandle, content: &TrayContent) -> tauri::Result<Menu<Wry>> {
    let menu = content.menu.iter().fold(MenuBuilder::new(app), |menu, entry| match entry {
        MenuEntry::Action(action, label) => menu.text(id(*action), label),
        MenuEntry::Separator => menu.separator(),
    });
    menu.build()
}

const fn id(action: TrayAction) -> &'static str {
    match action {
        TrayAction::Show => "show",
        TrayAction::Quit => "quit",
        TrayAction::Answer => "answer",
        TrayAction::Decline => "decline",
    }
}

/// The event of the menu entry with this ID.
fn chosen(entry: &str) -> Option<ShellEvent> {
    let actions = [TrayAction::Show, TrayAction::Quit, TrayAction::Answer, TrayAction::Decline];
    let action = actions.into_iter().find(|action| id(*action) == entry)?;
    Some(match action {
        TrayAction::Show => ShellEvent::Show,
        TrayAction::Quit => ShellEvent::Quit,
        TrayAction::Answer => ShellEvent::Answer(None),
        TrayAction::Decline => ShellEvent::Decline(None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_menu_entry_sends_its_event() {
        let cases = [
            ("show", Some(ShellEvent::Show)),
            ("quit", Some(ShellEvent::Quit)),
            ("answer", Some(ShellEvent::Answer(None))),
            ("decline", Some(ShellEvent::Decline(None))),
            ("other", None),
        ];
        for (entry, expected) in cases {
            assert_eq!(chosen(entry), expected, "{entry}");
        }
    }
}
