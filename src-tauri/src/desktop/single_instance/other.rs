//! Windows and macOS: the plugin uses the app's identifier, so each profile gets a different one.

use tauri::{AppHandle, Context, Wry, plugin::TauriPlugin};

use crate::profile::Profile;

/// Appends the profile's ID to the app's identifier. The data directory is the profile's and does not depend on it.
pub fn set_identifier(context: &mut Context, profile: Option<&Profile>) {
    if let Some(profile) = profile {
        let config = context.config_mut();
        config.identifier = format!("{}.{}", config.identifier, profile.id());
    }
}

/// Does nothing: the plugin passes the arguments on.
pub fn forward_to_running_instance(_profile: Option<&Profile>) -> bool {
    false
}

/// The single-instance plugin. `on_second_start` gets the arguments of a second start.
pub fn plugin(
    _profile: Option<&Profile>,
    on_second_start: impl Fn(&AppHandle, Vec<String>) + Send + Sync + 'static,
) -> TauriPlugin<Wry> {
    tauri_plugin_single_instance::Builder::new()
        .callback(move |app, arguments, _directory| on_second_start(app, arguments))
        .build()
}
