//! The production [`ShellHost`]: forwards each operation to Tauri.

use std::path::Path;

use hutong_core::{Command, host_messages::PageToHost};
use tauri::{AppHandle, Manager, WebviewWindow};
use tokio::sync::oneshot;

use super::{
    desktop_env,
    notifications::Notifications,
    shell_event::ShellEvents,
    shell_host::{Notification, ShellHost, WindowError, WindowState},
    strings::Strings,
    tray::Tray,
    tray_content::TrayContent,
    window_activation,
};
use crate::{
    arguments::ActivationToken,
    call_status::{CallStatus, RingId},
    controller::ControllerHandle,
};

/// Window, tray, notifications and controller. Operations on window and tray block on the main thread.
pub struct TauriHost {
    app: AppHandle,
    window: WebviewWindow,
    control: ControllerHandle,
    notifications: Notifications,
    tray: Option<Tray>,
}

impl TauriHost {
    /// Sets up notifications and tray. `tray` is the directory for the tray icon's file.
    pub async fn new(
        window: WebviewWindow,
        control: ControllerHandle,
        tray: &Path,
        strings: &Strings,
        events: ShellEvents,
    ) -> Self {
        let app = window.app_handle().clone();
        let notifications = Notifications::start(&app, strings, events.clone());
        let tray = add_tray(&app, tray, TrayContent::in_status(&CallStatus::Idle, strings), events).await;
        Self { app, window, control, notifications, tray }
    }
}

impl ShellHost for TauriHost {
    fn window(&self) -> WindowState {
        WindowState {
            visible: self.window.is_visible().unwrap_or(false),
            minimized: self.window.is_minimized().unwrap_or(false),
            focused: self.window.is_focused().unwrap_or(false),
        }
    }

    fn show_window(&mut self, token: Option<&ActivationToken>) {
        if let Err(error) = window_activation::show(&self.window, token) {
            tracing::warn!(%error, "cannot show or focus the window");
        }
    }

    fn hide_window(&mut self) -> Result<(), WindowError> {
        self.window.hide().map_err(|error| WindowError(error.to_string()))
    }

    fn minimize_window(&mut self) -> Result<(), WindowError> {
        // A window that is hidden appears in the window list only when it is shown, minimised.
        self.window.minimize().and_then(|()| self.window.show()).map_err(|error| WindowError(error.to_string()))
    }

    fn set_tray(&mut self, content: &TrayContent) {
        if let Some(tray) = &self.tray {
            tray.set(content);
        }
    }

    async fn shows_tray(&self) -> bool {
        self.tray.is_some() && desktop_env::has_tray_host().await
    }

    async fn finds_running_app(&self) -> bool {
        desktop_env::finds_running_app().await
    }

    fn notify(&mut self, notification: Notification) {
        self.notifications.show(notification);
    }

    fn dismiss(&mut self, ring: RingId) {
        self.notifications.dismiss(ring);
    }

    async fn command(&mut self, command: Command) {
        self.control.page_message(PageToHost::Command(command)).await;
    }

    async fn open_link(&mut self, link: String) {
        self.control.open_link(link).await;
    }

    async fn ask_when_closed(&mut self) {
        self.control.ask_when_closed().await;
    }

    fn exit(&mut self) {
        self.app.exit(0);
    }
}

async fn add_tray(app: &AppHandle, directory: &Path, content: TrayContent, events: ShellEvents) -> Option<Tray> {
    // Without a session bus the tray library only logs errors.
    if !desktop_env::finds_running_app().await {
        return None;
    }
    let (result, added) = oneshot::channel();
    let (handle, directory) = (app.clone(), directory.to_owned());
    let scheduled = app.run_on_main_thread(move || {
        let added = Tray::add(&handle, &directory, &content, events);
        // The receiver is gone when the app exits meanwhile.
        drop(result.send(
            added.inspect_err(|error| tracing::info!(%error, "cannot add the tray; continuing without it")).ok(),
        ));
    });
    scheduled.ok()?;
    added.await.ok().flatten()
}
