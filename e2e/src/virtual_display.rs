//! Virtual X display (Xvfb). There is no window manager: this module does to windows what one would do.

use std::{rc::Rc, time::Duration};

use tokio::{process::Command, task::spawn_blocking};
use x11rb::{
    connection::Connection,
    protocol::xproto::{
        ClientMessageEvent, ConfigureWindowAux, ConnectionExt, EventMask, InputFocus, MapState, Window, WindowClass,
    },
    rust_connection::RustConnection,
};

use crate::{Result, ensure, paths, process::ChildProcess};

const START: Duration = Duration::from_secs(20);

/// Windows smaller than this (pixels) are helper windows of the toolkit.
const MIN_WINDOW_SIZE: u16 = 200;

/// A running X server. Dropping it kills the server.
#[derive(Debug)]
pub struct VirtualDisplay {
    _process: ChildProcess,
    display: Rc<str>,
}

impl VirtualDisplay {
    /// Starts Xvfb on a free display.
    ///
    /// # Errors
    ///
    /// Returns an error when Xvfb is not installed or does not start.
    pub async fn start() -> Result<Self> {
        let xvfb = paths::installed_program(&["Xvfb"], "`apt-get install xvfb`")?;
        let mut command = Command::new(xvfb);
        command.args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"]);
        let mut process = ChildProcess::spawn("Xvfb", &mut command)?;
        let display: u32 = process.wait_for_line(START, |line| line.parse().ok()).await?;
        Ok(Self { _process: process, display: format!(":{display}").into() })
    }

    /// Display name, such as `:99`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.display
    }

    /// Unmaps all application windows, as a window manager does to minimize them (ICCCM, section 4.1.4, iconic state).
    ///
    /// # Errors
    ///
    /// Returns an error when there is no window, or the X server does not answer.
    pub async fn hide_windows(&self) -> Result<()> {
        let hidden = self
            .for_each_window(MapState::VIEWABLE, |connection, window| Ok(connection.unmap_window(window)?.check()?))
            .await?;
        ensure!(hidden > 0, "there is no window to hide");
        Ok(())
    }

    /// Maps the unmapped windows again.
    ///
    /// # Errors
    ///
    /// Returns an error when there is no window, or the X server does not answer.
    pub async fn show_windows(&self) -> Result<()> {
        let shown = self
            .for_each_window(MapState::UNMAPPED, |connection, window| Ok(connection.map_window(window)?.check()?))
            .await?;
        ensure!(shown > 0, "there is no window to show");
        Ok(())
    }

    /// Asks all application windows to close, as a close button does (ICCCM, section 4.2.8.1).
    ///
    /// # Errors
    ///
    /// Returns an error when there is no window, or the X server does not answer.
    pub async fn close_windows(&self) -> Result<()> {
        let asked = self
            .for_each_window(MapState::VIEWABLE, |connection, window| {
                let protocols = connection.intern_atom(false, b"WM_PROTOCOLS")?.reply()?.atom;
                let delete = connection.intern_atom(false, b"WM_DELETE_WINDOW")?.reply()?.atom;
                let message = ClientMessageEvent::new(32, window, protocols, [delete, x11rb::CURRENT_TIME, 0, 0, 0]);
                Ok(connection.send_event(false, window, EventMask::NO_EVENT, message)?.check()?)
            })
            .await?;
        ensure!(asked > 0, "there is no window to close");
        Ok(())
    }

    /// Takes the input focus from the window that has it, as when the person switches to another program.
    ///
    /// # Errors
    ///
    /// Returns an error when the X server does not answer.
    pub async fn unfocus(&self) -> Result<()> {
        let display = self.display.to_string();
        spawn_blocking(move || {
            let (connection, _) = x11rb::connect(Some(&display))?;
            Ok(connection.set_input_focus(InputFocus::NONE, x11rb::NONE, x11rb::CURRENT_TIME)?.check()?)
        })
        .await?
    }

    /// Resizes all application windows, in pixels, as a drag at a corner does.
    ///
    /// # Errors
    ///
    /// Returns an error when there is no window, or the X server does not answer.
    pub async fn resize_windows(&self, width: u32, height: u32) -> Result<()> {
        let resized = self
            .for_each_window(MapState::VIEWABLE, move |connection, window| {
                let size = ConfigureWindowAux::new().width(width).height(height);
                Ok(connection.configure_window(window, &size)?.check()?)
            })
            .await?;
        ensure!(resized > 0, "there is no window to resize");
        Ok(())
    }

    /// Calls `act` for each application window in this state and returns their number.
    async fn for_each_window(
        &self,
        state: MapState,
        act: impl Fn(&RustConnection, Window) -> Result<()> + Send + 'static,
    ) -> Result<usize> {
        let display = self.display.to_string();
        spawn_blocking(move || {
            let (connection, screen) = x11rb::connect(Some(&display))?;
            let root = connection.setup().roots.get(screen).map(|screen| screen.root).unwrap_or_default();
            let mut count = 0;
            for window in connection.query_tree(root)?.reply()?.children {
                let attributes = connection.get_window_attributes(window)?.reply()?;
                let size = connection.get_geometry(window)?.reply()?;
                let is_small = size.width < MIN_WINDOW_SIZE || size.height < MIN_WINDOW_SIZE;
                if attributes.class == WindowClass::INPUT_OUTPUT && attributes.map_state == state && !is_small {
                    act(&connection, window)?;
                    count += 1;
                }
            }
            connection.flush()?;
            Ok(count)
        })
        .await?
    }
}
