//! A desktop's.

mod closing;
mod keeper;
mod ring;
mod tray;
mod words;

#[cfg(target_os = "linux")]
#[path = "identity_linux.rs"]
mod identity;
#[cfg(not(target_os = "linux"))]
#[path = "identity_other.rs"]
mod identity;

#[cfg(target_os = "linux")]
#[path = "surroundings_linux.rs"]
mod surroundings;
#[cfg(not(target_os = "linux"))]
#[path = "surroundings_other.rs"]
mod surroundings;

use std::{
    error::Error,
    ffi::OsString,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tauri::{App, AppHandle, Context, Manager, WebviewWindow};
use tauri_plugin_window_state::StateFlags;

use crate::{arguments::Arguments, autostart::Autostart, controller::Control, links, profile::Profile};

/// The one window.
const WINDOW: &str = "main";

/// What the app was started with.
#[derive(Debug)]
pub struct Place {
    profile: Option<Profile>,
    link: Option<String>,
}

impl Place {
    /// Reads arguments and environment. A profile is `--profile`'s, or else the variable `HUTONG_DATA_DIR`'s.
    ///
    /// # Errors
    ///
    /// When the arguments cannot be read, or there can be no profile where they say.
    pub fn here() -> Result<Self, Box<dyn Error>> {
        let arguments = Arguments::read(std::env::args_os().skip(1))?;
        let directory = arguments.profile.or_else(|| std::env::var_os("HUTONG_DATA_DIR").map(Into::into));
        let profile = directory
            .map(|directory| Profile::within(&directory).map_err(|error| format!("{}: {error}", directory.display())));
        Ok(Self { profile: profile.transpose()?, link: arguments.link })
    }

    /// The profile, if it is not the usual one.
    #[must_use]
    pub fn profile(&self) -> Option<&Profile> {
        self.profile.as_ref()
    }

    /// Whether the app of this profile is there already, and has taken what this start was to do.
    #[must_use]
    pub fn hand_over(&self) -> bool {
        identity::hand_over(self.profile())
    }

    /// Gives the app a name of its own where that tells profiles apart.
    pub fn mark(&self, context: &mut Context) {
        identity::mark(context, self.profile());
    }
}

/// Makes sure that this is the only app of its profile, and has the window remembered: to be called before there is one. If there
/// is another app, it shows its window and gets the link, and this process ends here.
///
/// # Errors
///
/// When another app is there and does not answer, or a plugin does not start.
pub fn begin(app: &App, place: &Place, directory: &Path) -> tauri::Result<Option<Autostart>> {
    let handle = app.handle();
    app.manage(SecondStarts::default());
    handle.plugin(identity::only_one(place.profile(), started_again))?;
    // Its directory is not the plugin's own, which is none of the profile's. A path that is whole replaces what it is joined to.
    let file = directory.join("window.json");
    if let Some(file) = file.to_str() {
        let remembered = StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED;
        let plugin = tauri_plugin_window_state::Builder::new().with_filename(file).with_state_flags(remembered);
        handle.plugin(plugin.build())?;
    }
    handle.plugin(tauri_plugin_notification::init())?;
    // The app is of use without it.
    let autostart = Autostart::prepare(handle, place.profile());
    Ok(autostart
        .inspect_err(|error| tracing::warn!(%error, "that the system starts the app cannot be chosen"))
        .unwrap_or_default())
}

/// Keeps window, tray and notifications in step with the calls, and opens the link that the app was started with.
///
/// # Errors
///
/// When a plugin does not start.
pub fn keep(
    window: &WebviewWindow,
    control: &Control,
    app: &App,
    place: &Place,
    directory: &Path,
) -> tauri::Result<()> {
    links::hear(app.handle(), control)?;
    keeper::start(window, control, &directory.join("tray"));
    if let Some(link) = place.link.clone() {
        open(control, link);
    }
    app.state::<SecondStarts>().lead_to(control);
    Ok(())
}

/// Brings the window before the person, wherever it is.
pub fn show(app: &AppHandle) {
    let Some(window) = app.get_webview_window(WINDOW) else { return };
    let shown = window.show().and_then(|()| window.unminimize()).and_then(|()| window.set_focus());
    if let Err(error) = shown {
        tracing::warn!(%error, "the window is not shown");
    }
}

fn started_again(app: &AppHandle, arguments: Vec<String>) {
    let link = Arguments::read(arguments.into_iter().skip(1).map(OsString::from)).ok().and_then(|read| read.link);
    if let (Some(link), Some(starts)) = (link, app.try_state::<SecondStarts>()) {
        starts.open(link);
    }
    show(app);
}

/// Where the links of second starts go.
#[derive(Debug)]
struct SecondStarts(Mutex<Way>);

#[derive(Debug)]
enum Way {
    /// This app is still starting itself. Only the last link waits: only one can be offered.
    Wait(Option<String>),
    To(Control),
}

impl Default for SecondStarts {
    fn default() -> Self {
        Self(Mutex::new(Way::Wait(None)))
    }
}

impl SecondStarts {
    fn open(&self, link: String) {
        match &mut *self.way() {
            Way::Wait(waiting) => *waiting = Some(link),
            Way::To(control) => open(control, link),
        }
    }

    fn lead_to(&self, control: &Control) {
        if let Way::Wait(Some(link)) = std::mem::replace(&mut *self.way(), Way::To(control.clone())) {
            open(control, link);
        }
    }

    fn way(&self) -> MutexGuard<'_, Way> {
        // What it holds is whole at every moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(control: &Control, link: String) {
    let control = control.clone();
    tauri::async_runtime::spawn(async move { control.open_link(link).await });
}
