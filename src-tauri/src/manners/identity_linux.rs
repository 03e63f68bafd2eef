//! Linux: a name on the session bus. Without a session bus every start is an app of its own.

use std::time::Duration;

use tauri::{AppHandle, Context, Wry, plugin::TauriPlugin};
use zbus::blocking::connection;

use crate::profile::Profile;

/// The usual profile's name on the bus; `.SingleInstance` is added to it.
const NAME: &str = "app.hutong.Hutong";

/// Nothing: the name on the bus is told to the plugin.
pub fn mark(_context: &mut Context, _profile: Option<&Profile>) {}

/// How long the app that is there may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// Hands the arguments of this start to the app of the profile, if there is one; tells whether it took them.
///
/// The plugin does the same, but in the middle of the toolkit's start: that takes its time, and to end there is not survived each time
/// by the toolkit's own threads. Where this way fails, the plugin's is left.
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

/// Lets one app of a profile live. It hears with which arguments others were started.
pub fn only_one(
    profile: Option<&Profile>,
    started_again: impl Fn(&AppHandle, Vec<String>) + Send + Sync + 'static,
) -> TauriPlugin<Wry> {
    tauri_plugin_single_instance::Builder::new()
        .dbus_id(name(profile))
        .callback(move |app, arguments, _directory| started_again(app, arguments))
        .build()
}

fn name(profile: Option<&Profile>) -> String {
    profile.map_or_else(|| NAME.to_owned(), |profile| format!("{NAME}.{}", profile.id()))
}
