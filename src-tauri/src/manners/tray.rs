//! The app's sign in the tray, with a menu.

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
    keeper::{Happening, Happenings},
    words::Words,
};
use crate::standing::Standing;

const ID: &str = "hutong";
const SHOW: &str = "show";
const QUIT: &str = "quit";
const ANSWER: &str = "answer";
const DECLINE: &str = "decline";

/// A sign in the tray; gone with this value.
pub struct Tray {
    icon: TrayIcon,
    words: &'static Words,
}

impl Tray {
    /// Puts it there. Called on the main thread. `directory` takes the icon's file, on Linux.
    ///
    /// # Errors
    ///
    /// When the system has nothing to show one with.
    pub fn make(
        app: &AppHandle,
        directory: &Path,
        words: &'static Words,
        happenings: Happenings,
    ) -> Result<Self, String> {
        let clicks = happenings.clone();
        let mut builder = TrayIconBuilder::with_id(ID)
            .tooltip(words.hutong)
            .temp_dir_path(directory)
            // A click opens the menu on macOS and Linux, and the window on Windows, as others do there.
            .show_menu_on_left_click(!cfg!(windows))
            .on_menu_event(move |_, event| match event.id().as_ref() {
                SHOW => happenings.put(Happening::Show),
                QUIT => happenings.put(Happening::Quit),
                ANSWER => happenings.put(Happening::Answer(None)),
                DECLINE => happenings.put(Happening::Decline(None)),
                _ => {}
            })
            .on_tray_icon_event(move |_, event| {
                let left = matches!(
                    event,
                    TrayIconEvent::Click { button: MouseButton::Left, button_state: MouseButtonState::Up, .. }
                );
                if cfg!(windows) && left {
                    clicks.put(Happening::Show);
                }
            });
        let menu = menu(app, words, &Standing::Idle).map_err(|error| error.to_string())?;
        builder = builder.menu(&menu);
        if let Some(icon) = app.default_window_icon() {
            builder = builder.icon(icon.clone());
        }
        // On Linux the library that shows trays is looked for when the first is made, and the binding knows no other answer to its
        // lack than a panic.
        let made = catch_unwind(AssertUnwindSafe(|| builder.build(app)));
        let icon = made.map_err(|_| "a library is missing".to_owned())?.map_err(|error| error.to_string())?;
        Ok(Self { icon, words })
    }

    /// Offers what can be done now.
    pub fn show(&self, standing: &Standing) {
        let words = self.words;
        let tooltip = match standing {
            Standing::Idle => words.hutong.to_owned(),
            Standing::Ringing { name, .. } => (words.calling)(name.as_str()),
            Standing::InCall { name } => (words.in_call)(name.as_str()),
        };
        let shown = menu(self.icon.app_handle(), words, standing)
            .and_then(|menu| self.icon.set_menu(Some(menu)))
            .and_then(|()| self.icon.set_tooltip(Some(tooltip)));
        if let Err(error) = shown {
            tracing::warn!(%error, "the tray is not up to date");
        }
    }
}

fn menu(app: &AppHandle, words: &Words, standing: &Standing) -> tauri::Result<Menu<Wry>> {
    let mut menu = MenuBuilder::new(app);
    if let Standing::Ringing { .. } = standing {
        menu = menu.text(ANSWER, words.answer).text(DECLINE, words.decline).separator();
    }
    menu.text(SHOW, words.show).text(QUIT, words.quit).build()
}
