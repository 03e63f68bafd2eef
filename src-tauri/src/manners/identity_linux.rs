//! Linux: a name on the session bus. Without a session bus every start is an app of its own.

use tauri::{AppHandle, Context, Wry, plugin::TauriPlugin};

use crate::profile::Profile;

/// The usual profile's name on the bus; `.SingleInstance` is added to it.
const NAME: &str = "app.hutong.Hutong";

/// Nothing: the name on the bus is told to the plugin.
pub fn mark(_context: &mut Context, _profile: Option<&Profile>) {}

/// Lets one app of a profile live. It hears with which arguments others were started.
pub fn only_one(
    profile: Option<&Profile>,
    started_again: impl Fn(&AppHandle, Vec<String>) + Send + Sync + 'static,
) -> TauriPlugin<Wry> {
    let name = profile.map_or_else(|| NAME.to_owned(), |profile| format!("{NAME}.{}", profile.id()));
    tauri_plugin_single_instance::Builder::new()
        .dbus_id(name)
        .callback(move |app, arguments, _directory| started_again(app, arguments))
        .build()
}
