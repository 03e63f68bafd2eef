//! Windows and macOS: the plugin goes by the app's identifier, so a profile has one of its own.

use tauri::{AppHandle, Context, Wry, plugin::TauriPlugin};

use crate::profile::Profile;

/// Gives the profile an identifier. Where things are kept does not follow from it: that is the profile's own directory.
pub fn mark(context: &mut Context, profile: Option<&Profile>) {
    if let Some(profile) = profile {
        let config = context.config_mut();
        config.identifier = format!("{}.{}", config.identifier, profile.id());
    }
}

/// Nothing: the plugin does it, as soon as there is an app.
pub fn hand_over(_profile: Option<&Profile>) -> bool {
    false
}

/// Lets one app of a profile live. It hears with which arguments others were started.
pub fn only_one(
    _profile: Option<&Profile>,
    started_again: impl Fn(&AppHandle, Vec<String>) + Send + Sync + 'static,
) -> TauriPlugin<Wry> {
    tauri_plugin_single_instance::Builder::new()
        .callback(move |app, arguments, _directory| started_again(app, arguments))
        .build()
}
