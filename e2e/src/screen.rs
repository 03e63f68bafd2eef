//! An X server without a screen. There is no window manager on it; what one does to windows is done here.

use std::{rc::Rc, time::Duration};

use tokio::{process::Command, task::spawn_blocking};
use x11rb::{
    connection::Connection,
    protocol::xproto::{
        ClientMessageEvent, ConfigureWindowAux, ConnectionExt, EventMask, InputFocus, MapState, Window, WindowClass,
    },
    rust_connection::RustConnection,
};

use crate::{Result, ensure, paths, process::Process};

const START: Duration = Duration::from_secs(20);

/// Windows smaller than this, in pixels, are not the app's own: toolkits have helpers on the screen.
const SMALL: u16 = 200;

/// A running X server. It ends with this value.
#[derive(Debug)]
pub struct Screen {
    _process: Process,
    display: Rc<str>,
}

impl Screen {
    /// Starts one on a free display.
    ///
    /// # Errors
    ///
    /// When Xvfb is not installed or does not start.
    pub async fn start() -> Result<Self> {
        let xvfb = paths::installed(&["Xvfb"], "`apt-get install xvfb`")?;
        let mut command = Command::new(xvfb);
        command.args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"]);
        let mut process = Process::spawn("Xvfb", &mut command)?;
        let display: u32 = process.wait_for_line(START, |line| line.parse().ok()).await?;
        Ok(Self { _process: process, display: format!(":{display}").into() })
    }

    /// Its name, such as `:99`.
    #[must_use]
    pub fn display(&self) -> &str {
        &self.display
    }

    /// Unmaps all windows of applications. That is what a window manager does with a window that is minimised (ICCCM, section
    /// 4.1.4, iconic state), and toolkits take it for that.
    ///
    /// # Errors
    ///
    /// When there is none, or the server does not answer.
    pub async fn hide_windows(&self) -> Result<()> {
        let hidden =
            self.each(MapState::VIEWABLE, |connection, window| Ok(connection.unmap_window(window)?.check()?)).await?;
        ensure!(hidden > 0, "there is no window to hide");
        Ok(())
    }

    /// Maps them again.
    ///
    /// # Errors
    ///
    /// When there is none, or the server does not answer.
    pub async fn show_windows(&self) -> Result<()> {
        let shown =
            self.each(MapState::UNMAPPED, |connection, window| Ok(connection.map_window(window)?.check()?)).await?;
        ensure!(shown > 0, "there is no window to show");
        Ok(())
    }

    /// Asks all windows of applications to close, as the cross in a window's corner does (ICCCM, section 4.2.8.1).
    ///
    /// # Errors
    ///
    /// When there is none, or the server does not answer.
    pub async fn close_windows(&self) -> Result<()> {
        let asked = self
            .each(MapState::VIEWABLE, |connection, window| {
                let protocols = connection.intern_atom(false, b"WM_PROTOCOLS")?.reply()?.atom;
                let delete = connection.intern_atom(false, b"WM_DELETE_WINDOW")?.reply()?.atom;
                let message = ClientMessageEvent::new(32, window, protocols, [delete, x11rb::CURRENT_TIME, 0, 0, 0]);
                Ok(connection.send_event(false, window, EventMask::NO_EVENT, message)?.check()?)
            })
            .await?;
        ensure!(asked > 0, "there is no window to close");
        Ok(())
    }

    /// Takes the focus from whichever window has it, as a person does who turns to another program.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub async fn unfocus(&self) -> Result<()> {
        let display = self.display.to_string();
        spawn_blocking(move || {
            let (connection, _) = x11rb::connect(Some(&display))?;
            Ok(connection.set_input_focus(InputFocus::NONE, x11rb::NONE, x11rb::CURRENT_TIME)?.check()?)
        })
        .await?
    }

    /// Gives all windows of applications this size, in pixels, as a person who pulls at a corner does.
    ///
    /// # Errors
    ///
    /// When there is none, or the server does not answer.
    pub async fn resize_windows(&self, width: u32, height: u32) -> Result<()> {
        let resized = self
            .each(MapState::VIEWABLE, move |connection, window| {
                let size = ConfigureWindowAux::new().width(width).height(height);
                Ok(connection.configure_window(window, &size)?.check()?)
            })
            .await?;
        ensure!(resized > 0, "there is no window to resize");
        Ok(())
    }

    /// Does something to each application's window in this state, and tells how many there were.
    async fn each(
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
                let is_small = size.width < SMALL || size.height < SMALL;
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
