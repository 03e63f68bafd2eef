//! Linux: a name on the session bus. Without a session bus every start is an app of its own.

use std::time::Duration;

use tauri::{AppHandle, Context, Wry, plugin::TauriPlugin};
use zbus::blocking::connection;

use crate::profile::Profile;

/// The usual profile's name on the bus; `.SingleInstance` is added to it.
const NAME: &str = "app.hutong.Hutong";

/// Does nothing: [`plugin`] names the profile on the bus.
pub fn set_identifier(_context: &mut Context, _profile: Option<&Profile>) {}

/// How long the app that is there may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// Hands the arguments of this start to the running app of the profile. Returns whether there is one and it took them.
///
/// The plugin does the same, but in the middle of the toolkit's start: that takes its time, and to end there is not survived each time
/// by the toolkit's own threads. Where this fails, the plugin tries again.
pub fn hand_over(profile: Option<&Profile>) -> bool {
    let bus = format!("{}.SingleInstance", name(profile));
    let path = format!("/{}", bus.replace('.', "/"));
    let arguments: Vec<String> = std::env::args_os().map(|it| it.to_string_lossy().into_owned()).collect();
    let asked = connection::Builder::session().and_then(|builder| builder.method_timeout(ANSWER).build());
    let asked = asked.and_then(|connection| {
        connection.call_method(Some(bus), path, Some("org.SingleInstance.DBus"), "ExecuteCallback", &(arguments, ""))
    });
    asked.is_ok()
}

/// The plugin that ends a second start, and calls this app back with the second's arguments.
pub fn plugin(
    profile: Option<&Profile>,
    on_second_start: impl Fn(&AppHandle, Vec<String>) + Send + Sync + 'static,
) -> TauriPlugin<Wry> {
    tauri_plugin_single_instance::Builder::new()
        .dbus_id(name(profile))
        .callback(move |app, arguments, _directory| on_second_start(app, arguments))
        .build()
}

fn name(profile: Option<&Profile>) -> String {
    profile.map_or_else(|| NAME.to_owned(), |profile| format!("{NAME}.{}", profile.id()))
}
