//! The tray icon and its menu; menu entries and clicks become shell events.

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
    shell_event::{ShellEvent, ShellEvents},
    tray_content::{MenuEntry, TrayAction, TrayContent},
};

const ID: &str = "hutong";

/// RAII guard of the tray icon: removes it on drop.
pub struct Tray(TrayIcon);

/// Error: the tray icon could not be added.
#[derive(Debug, thiserror::Error)]
pub enum TrayError {
    /// Linux: the tray library is not installed.
    #[error("the tray library (libayatana-appindicator) is not installed")]
    LibraryMissing,
    /// Tauri or the system failed.
    #[error(transparent)]
    Tauri(#[from] tauri::Error),
}

impl Tray {
    /// Adds the icon. Must be called on the main thread. On Linux the icon's file is written to `directory`.
    ///
    /// # Errors
    ///
    /// When the tray library is missing or fails.
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
            // Platform convention: a left click opens the window on Windows, the menu elsewhere.
            .show_menu_on_left_click(!cfg!(windows))
            .on_menu_event(move |_, event| {
                if let Some(event) = event_of_entry(event.id().as_ref()) {
                    events.send(event);
                }
            })
            .on_tray_icon_event(move |_, event| {
                let is_left_click = matches!(
                    event,
                    TrayIconEvent::Click { button: MouseButton::Left, button_state: MouseButtonState::Up, .. }
                );
                if cfg!(windows) && is_left_click {
                    clicks.send(ShellEvent::Show);
                }
            });
        builder = builder.menu(&menu(app, content)?);
        if let Some(icon) = app.default_window_icon() {
            builder = builder.icon(icon.clone());
        }
        // On Linux the binding loads the tray library here, and panics when it is missing.
        let added = catch_unwind(AssertUnwindSafe(|| builder.build(app)));
        Ok(Self(added.map_err(|_| TrayError::LibraryMissing)??))
    }

    /// Updates tooltip and menu.
    pub fn set(&self, content: &TrayContent) {
        let set = menu(self.0.app_handle(), content)
            .and_then(|menu| self.0.set_menu(Some(menu)))
            .and_then(|()| self.0.set_tooltip(Some(&content.tooltip)));
        if let Err(error) = set {
            tracing::warn!(%error, "tray update failed; the tray shows an earlier call status");
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
fn event_of_entry(entry: &str) -> Option<ShellEvent> {
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
            assert_eq!(event_of_entry(entry), expected, "{entry}");
        }
    }
}
