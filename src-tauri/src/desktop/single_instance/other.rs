//! Windows and macOS: the plugin goes by the app's identifier, so a profile has one of its own.

use tauri::{AppHandle, Context, Wry, plugin::TauriPlugin};

use crate::profile::Profile;

/// Gives the profile an identifier. Where things are kept does not follow from it: that is the profile's own directory.
pub fn set_identifier(context: &mut Context, profile: Option<&Profile>) {
    if let Some(profile) = profile {
        let config = context.config_mut();
        config.identifier = format!("{}.{}", config.identifier, profile.id());
    }
}

/// Does nothing: the plugin hands over, as soon as there is an app.
pub fn hand_over(_profile: Option<&Profile>) -> bool {
    false
}

/// The plugin that ends a second start, and calls this app back with the second's arguments.
pub fn plugin(
    _profile: Option<&Profile>,
    on_second_start: impl Fn(&AppHandle, Vec<String>) + Send + Sync + 'static,
) -> TauriPlugin<Wry> {
    tauri_plugin_single_instance::Builder::new()
        .callback(move |app, arguments, _directory| on_second_start(app, arguments))
        .build()
}
