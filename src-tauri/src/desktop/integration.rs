//! Sets up the desktop integration: plugins before the window exists, the shell after.

use std::{ffi::OsString, path::Path};

use tauri::{App, AppHandle, Manager, WebviewWindow, WindowEvent};
use tauri_plugin_window_state::StateFlags;
use tokio::sync::mpsc;

use super::{
    shell::DesktopShell,
    shell_event::{ShellEvent, ShellEvents},
    single_instance,
    strings::Strings,
    tauri_host::TauriHost,
    window_activation,
    window_close::CloseAction,
};
use crate::{
    arguments::{Arguments, InitialWindow},
    autostart::Autostart,
    controller::ControllerHandle,
    critical_task, deep_links,
    launch::LaunchContext,
    session_file::SessionFile,
};

/// The integration before the window exists. Events wait in its queue until [`DesktopIntegration::start`].
#[derive(Debug)]
pub struct DesktopIntegration {
    events: ShellEvents,
    queue: mpsc::Receiver<ShellEvent>,
    autostart: Option<Autostart>,
}

impl DesktopIntegration {
    /// Registers the plugins: single instance, window state, notifications, autostart.
    ///
    /// Must be called before the window is created. If another instance of the profile is running, it takes over this
    /// start's arguments and this process exits here.
    ///
    /// # Errors
    ///
    /// When another instance is running and does not answer, or a plugin does not start.
    pub fn prepare(app: &App, launch: &LaunchContext, directory: &Path) -> tauri::Result<Self> {
        let handle = app.handle();
        let (events, queue) = ShellEvents::channel();
        app.manage(events.clone());
        let second_starts = events.clone();
        handle.plugin(single_instance::plugin(launch.profile(), move |_, arguments| {
            if let Some(event) = second_start_event(arguments) {
                second_starts.send(event);
            }
        }))?;
        // An absolute file name replaces the plugin's default directory, which all profiles would share.
        let file = directory.join("window.json");
        if let Some(file) = file.to_str() {
            let flags = StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED;
            let plugin = tauri_plugin_window_state::Builder::new().with_filename(file).with_state_flags(flags);
            handle.plugin(plugin.build())?;
        }
        handle.plugin(tauri_plugin_notification::init())?;
        let autostart = Autostart::prepare(handle, launch.profile())
            .inspect_err(|error| tracing::warn!(%error, "cannot set up autostart; the app does not offer it"))
            .unwrap_or_default();
        Ok(Self { events, queue, autostart })
    }

    /// The autostart entry, if it can be changed.
    #[must_use]
    pub fn autostart(&self) -> Option<Autostart> {
        self.autostart.clone()
    }

    /// Starts the shell on its own thread, and opens the call link of this start.
    ///
    /// # Errors
    ///
    /// When a plugin does not start, or the system cannot start a thread.
    pub fn start(
        self,
        window: &WebviewWindow,
        control: &ControllerHandle,
        launch: &LaunchContext,
        directory: &Path,
    ) -> tauri::Result<()> {
        let Self { events, queue, .. } = self;
        let app = window.app_handle();
        deep_links::listen(app, control)?;
        forward_window_events(window, control, events.clone());
        let strings = Strings::for_system();
        let initial = launch.window(&SessionFile::in_directory(directory));
        let (window, control, tray) = (window.clone(), control.clone(), directory.join("tray"));
        let link = launch.link().map(str::to_owned);
        let shell = async move {
            if let Some(link) = link {
                control.open_link(link).await;
            }
            let (status, close_policy) = (control.call_status(), control.close_policy());
            let host = TauriHost::new(window, control, &tray, strings, events).await;
            let mut shell = DesktopShell::new(host, status, close_policy, strings);
            if initial == InitialWindow::Hidden {
                shell.begin_hidden().await;
            }
            shell.run(queue).await;
        };
        // Calls to window and tray wait for the main thread. On exit the main thread waits for the runtime's tasks, so
        // the shell would deadlock on a runtime thread.
        critical_task::spawn_thread(app, "shell", || tauri::async_runtime::block_on(shell))?;
        Ok(())
    }
}

/// Asks the shell to show the window.
pub fn show(app: &AppHandle) {
    if let Some(events) = app.try_state::<ShellEvents>() {
        events.send(ShellEvent::Show);
    }
}

/// Forwards window events to the shell.
fn forward_window_events(window: &WebviewWindow, control: &ControllerHandle, events: ShellEvents) {
    let (status, policy) = (control.call_status(), control.close_policy());
    let focused = window.clone();
    window.on_window_event(move |event| match event {
        WindowEvent::CloseRequested { api, .. }
            if CloseAction::in_status(&status.borrow(), *policy.borrow()) != CloseAction::Quit =>
        {
            api.prevent_close();
            events.send(ShellEvent::CloseRequested);
        }
        WindowEvent::Focused(is_focused) => {
            if *is_focused {
                window_activation::attention_paid(&focused);
            }
            events.send(ShellEvent::FocusChanged);
        }
        _ => {}
    });
}

/// The event for a second start with these arguments, the program's name first. None for a start by the system, which shows
/// no window.
fn second_start_event(arguments: Vec<String>) -> Option<ShellEvent> {
    let arguments = arguments.into_iter().skip(1).map(OsString::from);
    let Arguments { link, activation_token, window, profile: _ } = Arguments::parse(arguments).unwrap_or_default();
    let is_shown = window == InitialWindow::Shown || link.is_some();
    is_shown.then_some(ShellEvent::SecondStart { link, activation_token })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::ActivationToken;

    #[test]
    fn a_second_start_by_the_system_shows_no_window() {
        let arguments = ["hutong-app", "--hidden"].map(str::to_owned);
        assert_eq!(second_start_event(arguments.into()), None);
    }

    #[test]
    fn a_second_starts_event_contains_its_link_and_token() {
        let (link, token) = ("hutong://call/Ana", ActivationToken::new("a_TIME1"));
        let cases: [(&[&str], Option<&str>, bool); 6] = [
            (&["hutong-app"], None, false),
            (&["hutong-app", link], Some(link), false),
            (&["hutong-app", "--activation-token=a_TIME1", link], Some(link), true),
            (&["hutong-app", "--profile", "/a", link], Some(link), false),
            (&["hutong-app", "--profile"], None, false),
            (&["hutong-app", "--hidden", link], Some(link), false),
        ];
        for (arguments, link, has_token) in cases {
            let event = second_start_event(arguments.iter().map(|&argument| argument.to_owned()).collect());
            let activation_token = token.clone().filter(|_| has_token);
            let link = link.map(str::to_owned);
            assert_eq!(event, Some(ShellEvent::SecondStart { link, activation_token }), "{arguments:?}");
        }
    }
}
