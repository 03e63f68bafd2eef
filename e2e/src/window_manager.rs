//! A window manager that prevents focus stealing (Metacity), with the window of another program that the person works in.

use std::time::Duration;

use tokio::{
    process::Command,
    task::spawn_blocking,
    time::{interval, timeout},
};
use x11rb::{
    connection::Connection,
    protocol::{
        Event,
        xproto::{
            Atom, AtomEnum, BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ChangeWindowAttributesAux, ClientMessageEvent,
            ConnectionExt as _, CreateWindowAux, EventMask, MOTION_NOTIFY_EVENT, PropMode, Window, WindowClass,
        },
        xtest::ConnectionExt as _,
    },
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};

use crate::{Context, Result, paths, process::ChildProcess, virtual_display::VirtualDisplay};

const START: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

/// Extended Window Manager Hints, `_NET_ACTIVE_WINDOW`: the request comes from the person, by a pager.
const FROM_PAGER: u32 = 2;

/// This bit of the `WM_HINTS` flags is the urgency hint (ICCCM, section 4.1.2.4).
const URGENCY_HINT: u32 = 1 << 8;

/// A running window manager and a window that covers the display. Dropping it closes both.
#[derive(Debug)]
pub struct WindowManager {
    _process: ChildProcess,
    display: String,
    other: OtherWindow,
}

/// The window of another program. It exists as long as its connection.
#[derive(Debug)]
struct OtherWindow {
    connection: RustConnection,
    root: Window,
    window: Window,
}

/// Where a window is for the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// In front, with the focus.
    InFront,
    /// Behind another window, with the urgency hint.
    WantsAttention,
    /// Behind another window, unmarked.
    Behind,
}

impl WindowManager {
    /// Starts Metacity, and another program whose window covers the display.
    ///
    /// # Errors
    ///
    /// Returns an error when Metacity is not installed, does not start, or does not show the window.
    pub async fn start(display: &VirtualDisplay) -> Result<Self> {
        let program = paths::installed_program(&["metacity"], "`apt-get install metacity`")?;
        let mut command = Command::new(program);
        // Its own settings, neither the person's nor stored.
        command
            .args(["--no-composite", "--sm-disable"])
            .env("DISPLAY", display.name())
            .env("GSETTINGS_BACKEND", "memory");
        command.env_remove("WAYLAND_DISPLAY").env("DBUS_SESSION_BUS_ADDRESS", "disabled:");
        let process = ChildProcess::spawn("metacity", &mut command)?;
        let display = display.name().to_owned();
        let name = display.clone();
        let opened = timeout(START, spawn_blocking(move || OtherWindow::open(&name))).await;
        let other = opened.context("the other program's window does not get the focus")???;
        Ok(Self { _process: process, display, other })
    }

    /// Switches to the app and clicks in the middle of its window.
    ///
    /// # Errors
    ///
    /// Returns an error when the app has no window, it does not come to the front, or the X server does not answer.
    pub async fn use_app(&self, limit: Duration) -> Result<()> {
        let OtherWindow { connection, root, window } = &self.other;
        self.other.switch_to(app_window(connection, *root, *window)?, self.other.use_now()?)?;
        self.wait_for_placement(Placement::InFront, limit).await?;
        let size = connection.get_geometry(*root)?.reply()?;
        let [x, y] = [size.width, size.height].map(|pixels| i16::try_from(pixels / 2).unwrap_or(i16::MAX));
        connection.xtest_fake_input(MOTION_NOTIFY_EVENT, 0, x11rb::CURRENT_TIME, *root, x, y, 0)?.check()?;
        for kind in [BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT] {
            connection.xtest_fake_input(kind, 1, x11rb::CURRENT_TIME, *root, 0, 0, 0)?.check()?;
        }
        Ok(())
    }

    /// Switches to the other program, as with a task bar, and uses it. Returns when: the X server's time in milliseconds.
    ///
    /// # Errors
    ///
    /// Returns an error when the X server does not answer.
    pub fn use_other_program(&self) -> Result<u32> {
        let before = self.other.use_now()?;
        let mut now = before;
        // A window manager cannot order uses in the same millisecond.
        while now == before {
            now = self.other.use_now()?;
        }
        self.other.switch_to(self.other.window, now)?;
        Ok(now)
    }

    /// Waits until the app's window is placed like this.
    ///
    /// # Errors
    ///
    /// Returns an error when the limit passes, the app has no window, or the X server does not answer.
    pub async fn wait_for_placement(&self, expected: Placement, limit: Duration) -> Result<()> {
        let mut last = None;
        let reached = async {
            let mut polls = interval(POLL);
            loop {
                polls.tick().await;
                let placement = self.placement().await?;
                last = Some(placement);
                if placement == expected {
                    return Ok(());
                }
            }
        };
        let waited = timeout(limit, reached).await;
        waited.with_context(|| format!("the app's window is not {expected:?} within {limit:?} but {last:?}"))?
    }

    async fn placement(&self) -> Result<Placement> {
        let (display, other) = (self.display.clone(), self.other.window);
        spawn_blocking(move || placement(&display, other)).await?
    }
}

impl OtherWindow {
    fn open(display: &str) -> Result<Self> {
        let (connection, screen) = x11rb::connect(Some(display))?;
        let (root, visual, width, height) = {
            let screen = connection.setup().roots.get(screen).context("the display has no screen")?;
            (screen.root, screen.root_visual, screen.width_in_pixels, screen.height_in_pixels)
        };
        wait_for_window_manager(&connection, root)?;
        let window = connection.generate_id()?;
        let attributes = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE | EventMask::FOCUS_CHANGE);
        connection.create_window(
            x11rb::COPY_DEPTH_FROM_PARENT,
            window,
            root,
            0,
            0,
            width,
            height,
            0,
            WindowClass::INPUT_OUTPUT,
            visual,
            &attributes,
        )?;
        let other = Self { connection, root, window };
        other.use_now()?;
        other.connection.map_window(window)?.check()?;
        while !matches!(other.connection.wait_for_event()?, Event::FocusIn(_)) {}
        Ok(other)
    }

    /// Brings a window to the front, as a task bar does that is clicked at this time (ms).
    fn switch_to(&self, window: Window, time: u32) -> Result<()> {
        let active = atom(&self.connection, b"_NET_ACTIVE_WINDOW")?;
        let request = ClientMessageEvent::new(32, window, active, [FROM_PAGER, time, 0, 0, 0]);
        let receivers = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
        Ok(self.connection.send_event(false, self.root, receivers, request)?.check()?)
    }

    /// Sets the window's user time (Extended Window Manager Hints, `_NET_WM_USER_TIME`), and returns it.
    fn use_now(&self) -> Result<u32> {
        let user_time = atom(&self.connection, b"_NET_WM_USER_TIME")?;
        let marker = atom(&self.connection, b"HUTONG_TIME")?;
        // The server reports its time with each change of a property.
        self.connection.change_property32(PropMode::REPLACE, self.window, marker, AtomEnum::CARDINAL, &[0])?.check()?;
        let time = loop {
            match self.connection.wait_for_event()? {
                Event::PropertyNotify(event) if event.atom == marker => break event.time,
                _ => {}
            }
        };
        let set = self.connection.change_property32(
            PropMode::REPLACE,
            self.window,
            user_time,
            AtomEnum::CARDINAL,
            &[time],
        )?;
        set.check()?;
        Ok(time)
    }
}

/// Waits until a window manager has announced itself (Extended Window Manager Hints, `_NET_SUPPORTING_WM_CHECK`).
fn wait_for_window_manager(connection: &RustConnection, root: Window) -> Result<()> {
    let check = atom(connection, b"_NET_SUPPORTING_WM_CHECK")?;
    let attributes = ChangeWindowAttributesAux::new().event_mask(EventMask::PROPERTY_CHANGE);
    connection.change_window_attributes(root, &attributes)?.check()?;
    let announced = || Ok::<_, crate::Error>(!values(connection, root, check)?.is_empty());
    while !announced()? {
        connection.wait_for_event()?;
    }
    let attributes = ChangeWindowAttributesAux::new().event_mask(EventMask::NO_EVENT);
    Ok(connection.change_window_attributes(root, &attributes)?.check()?)
}

fn placement(display: &str, other: Window) -> Result<Placement> {
    let (connection, screen) = x11rb::connect(Some(display))?;
    let root = connection.setup().roots.get(screen).context("the display has no screen")?.root;
    let app = app_window(&connection, root, other)?;
    if values(&connection, root, atom(&connection, b"_NET_ACTIVE_WINDOW")?)?.contains(&app) {
        return Ok(Placement::InFront);
    }
    let hints = values(&connection, app, AtomEnum::WM_HINTS.into())?;
    let is_urgent = hints.first().is_some_and(|flags| flags & URGENCY_HINT != 0);
    Ok(if is_urgent { Placement::WantsAttention } else { Placement::Behind })
}

/// The window that is not the other program's.
fn app_window(connection: &RustConnection, root: Window, other: Window) -> Result<Window> {
    let clients = values(connection, root, atom(connection, b"_NET_CLIENT_LIST")?)?;
    clients.into_iter().find(|window| *window != other).context("the app has no window")
}

fn atom(connection: &RustConnection, name: &[u8]) -> Result<Atom> {
    Ok(connection.intern_atom(false, name)?.reply()?.atom)
}

/// The 32-bit values of a property, at most 64; none when it is absent.
fn values(connection: &RustConnection, window: Window, property: Atom) -> Result<Vec<u32>> {
    let reply = connection.get_property(false, window, property, AtomEnum::ANY, 0, 64)?.reply()?;
    Ok(reply.value32().map(Iterator::collect).unwrap_or_default())
}
