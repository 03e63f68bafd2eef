//! Linux: the instance owns a D-Bus name on the session bus. Without a session bus every start is a new instance.

use std::time::Duration;

use tauri::{AppHandle, Context, Wry, plugin::TauriPlugin};
use zbus::blocking::connection;

use crate::{arguments::ActivationToken, profile::Profile};

/// The D-Bus ID of the default profile. The plugin appends `.SingleInstance`.
const DBUS_ID: &str = "app.hutong.Hutong";

/// Does nothing: [`plugin`] uses a D-Bus ID per profile.
pub fn set_identifier(_context: &mut Context, _profile: Option<&Profile>) {}

/// Timeout of the running instance's reply.
const REPLY_TIMEOUT: Duration = Duration::from_secs(2);

/// The environment variables with a start's activation token: of Wayland, and of X11, which GTK uses too.
const ACTIVATION_TOKEN_VARIABLES: [&str; 2] = ["XDG_ACTIVATION_TOKEN", "DESKTOP_STARTUP_ID"];

/// Passes this start's activation token and arguments to the running instance of the profile. Returns whether an instance
/// accepted them.
///
/// The plugin does the same later, during GTK's start: slower, and exiting there sometimes crashes GTK's threads. It
/// remains the fallback when this fails.
pub fn forward_to_running_instance(profile: Option<&Profile>) -> bool {
    let bus = format!("{}.SingleInstance", dbus_id(profile));
    let path = format!("/{}", bus.replace('.', "/"));
    let mut arguments: Vec<String> = std::env::args_os().map(|it| it.to_string_lossy().into_owned()).collect();
    let mut tokens = ACTIVATION_TOKEN_VARIABLES.iter().filter_map(std::env::var_os);
    if let Some(token) = tokens.find_map(|token| ActivationToken::new(token.to_str()?)) {
        // Behind the program's name, before a link.
        arguments.insert(arguments.len().min(1), token.to_argument());
    }
    let connection = connection::Builder::session().and_then(|builder| builder.method_timeout(REPLY_TIMEOUT).build());
    let reply = connection.and_then(|connection| {
        connection.call_method(Some(bus), path, Some("org.SingleInstance.DBus"), "ExecuteCallback", &(arguments, ""))
    });
    reply.is_ok()
}

/// The single-instance plugin. `on_second_start` gets the arguments of a second start.
pub fn plugin(
    profile: Option<&Profile>,
    on_second_start: impl Fn(&AppHandle, Vec<String>) + Send + Sync + 'static,
) -> TauriPlugin<Wry> {
    tauri_plugin_single_instance::Builder::new()
        .dbus_id(dbus_id(profile))
        .callback(move |app, arguments, _directory| on_second_start(app, arguments))
        .build()
}

fn dbus_id(profile: Option<&Profile>) -> String {
    profile.map_or_else(|| DBUS_ID.to_owned(), |profile| format!("{DBUS_ID}.{}", profile.id()))
}
