//! Connects the app to the desktop: plugins before there is a window, the shell when there is one.

use std::{ffi::OsString, path::Path};

use tauri::{App, AppHandle, Manager, WebviewWindow, WindowEvent};
use tauri_plugin_window_state::StateFlags;
use tokio::sync::mpsc;

use super::{
    closing::CloseAction,
    event::{ShellEvent, ShellEvents},
    shell::DesktopShell,
    single_instance,
    strings::Strings,
    tauri_host::TauriHost,
};
use crate::{arguments::Arguments, autostart::Autostart, controller::Control, critical, launch::LaunchContext, links};

/// The integration before there is a window. Events wait in its queue.
#[derive(Debug)]
pub struct DesktopIntegration {
    events: ShellEvents,
    queue: mpsc::Receiver<ShellEvent>,
    autostart: Option<Autostart>,
}

impl DesktopIntegration {
    /// Makes sure that this is the only app of its profile, and has the window's size and position remembered: to be called before
    /// there is a window. If another app runs, it shows its window and opens the link, and this process ends here.
    ///
    /// # Errors
    ///
    /// When another app runs and does not answer, or a plugin does not start.
    pub fn prepare(app: &App, launch: &LaunchContext, directory: &Path) -> tauri::Result<Self> {
        let handle = app.handle();
        let (events, queue) = ShellEvents::channel();
        app.manage(events.clone());
        let second_starts = events.clone();
        handle.plugin(single_instance::plugin(launch.profile(), move |_, arguments| {
            second_starts.send(second_start(arguments));
        }))?;
        // Its directory is not the plugin's own, which is none of the profile's. A path that is whole replaces what it is joined to.
        let file = directory.join("window.json");
        if let Some(file) = file.to_str() {
            let remembered = StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED;
            let plugin = tauri_plugin_window_state::Builder::new().with_filename(file).with_state_flags(remembered);
            handle.plugin(plugin.build())?;
        }
        handle.plugin(tauri_plugin_notification::init())?;
        // The app is of use without it.
        let autostart = Autostart::prepare(handle, launch.profile())
            .inspect_err(
                |error| tracing::warn!(%error, "no access to the system's autostart list; the switch is not shown"),
            )
            .unwrap_or_default();
        Ok(Self { events, queue, autostart })
    }

    /// What starts the app with the system, where that can be chosen.
    #[must_use]
    pub fn autostart(&self) -> Option<Autostart> {
        self.autostart.clone()
    }

    /// Opens the link that the app was started with, and starts the shell, which keeps window, tray and notifications in step with the
    /// calls.
    ///
    /// # Errors
    ///
    /// When a plugin does not start, or the system starts no thread.
    pub fn start(
        self,
        window: &WebviewWindow,
        control: &Control,
        launch: &LaunchContext,
        directory: &Path,
    ) -> tauri::Result<()> {
        let Self { events, queue, .. } = self;
        let app = window.app_handle();
        links::hear(app, control)?;
        listen(window, control, events.clone());
        let strings = Strings::for_system();
        let (window, control, tray) = (window.clone(), control.clone(), directory.join("tray"));
        let link = launch.link().map(str::to_owned);
        let shell = async move {
            if let Some(link) = link {
                control.open_link(link).await;
            }
            let status = control.call_status();
            let host = TauriHost::new(window, control, &tray, strings, events).await;
            DesktopShell::new(host, status, strings).run(queue).await;
        };
        // What the shell asks of window and tray waits for the main thread. That waits, when the app ends, for tasks of the runtime: none
        // of its threads may be the one that waits here.
        critical::spawn_thread(app, "shell", || tauri::async_runtime::block_on(shell))?;
        Ok(())
    }
}

/// Brings the window before the person, wherever it is.
pub fn show(app: &AppHandle) {
    if let Some(events) = app.try_state::<ShellEvents>() {
        events.send(ShellEvent::Show);
    }
}

/// Sends the window's events to the shell.
fn listen(window: &WebviewWindow, control: &Control, events: ShellEvents) {
    let status = control.call_status();
    window.on_window_event(move |event| match event {
        WindowEvent::CloseRequested { api, .. }
            if CloseAction::in_status(&status.borrow()) == CloseAction::HideWindow =>
        {
            api.prevent_close();
            events.send(ShellEvent::CloseRequested);
        }
        WindowEvent::Focused(_) => events.send(ShellEvent::FocusChanged),
        _ => {}
    });
}

/// The event of a start with these arguments, the program's own name first.
fn second_start(arguments: Vec<String>) -> ShellEvent {
    let arguments = arguments.into_iter().skip(1).map(OsString::from);
    ShellEvent::SecondStart { link: Arguments::read(arguments).ok().and_then(|read| read.link) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_brings_its_link_or_none() {
        let cases: [(&[&str], Option<&str>); 4] = [
            (&["hutong-app"], None),
            (&["hutong-app", "hutong://call/Ana"], Some("hutong://call/Ana")),
            (&["hutong-app", "--profile", "/a", "hutong://call/Ana"], Some("hutong://call/Ana")),
            (&["hutong-app", "--profile"], None),
        ];
        for (arguments, link) in cases {
            let event = second_start(arguments.iter().map(|&argument| argument.to_owned()).collect());
            assert_eq!(event, ShellEvent::SecondStart { link: link.map(str::to_owned) }, "{arguments:?}");
        }
    }
}
