//! The desktop app in its real window, on a screen that nobody sees, driven through WebKitWebDriver.

use std::{
    ffi::OsString,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use rustix::process::Pid;
use serde_json::{Map, json};
use tempfile::TempDir;
use thirtyfour::WebDriver;
use tokio::{
    net::{TcpListener, TcpStream},
    process::Command,
    time::{interval, timeout},
};

use crate::{
    Bus, Context, Page, Result, browser,
    bus::Daemon,
    ensure,
    network::{Door, Namespace},
    paths,
    process::{self, Log, Process},
    screen::Screen,
    usage::Usage,
};

const START: Duration = Duration::from_secs(20);

/// What an app is started with.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The port that its embedded server is to take; by default one that is free.
    pub port: Option<u16>,
    /// Which devices it has.
    pub devices: Mock,
    /// The address of the server that it uses, as the person has chosen it before; by default its own.
    pub server: Option<String>,
    /// The network namespace that it runs in.
    pub namespace: Option<Rc<Namespace>>,
    /// The address of the session bus that it is on; by default one of its own, with nothing on it.
    pub bus: Option<String>,
    /// Further variables of its environment.
    pub variables: Vec<(String, String)>,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Where it keeps what it keeps, if that outlives it.
    pub data: Option<PathBuf>,
    /// How it is told where that is.
    pub profile: Named,
}

/// How an app is told its profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Named {
    /// By variables, which name the port, too.
    #[default]
    ByVariable,
    /// By its own [`arguments`](Setup::arguments): the port is for the app to choose.
    ByArgument,
}

/// Which camera and microphone an app has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mock {
    /// The machine's, if it has any.
    #[default]
    Off,
    /// WebKit's test devices: a moving picture, and a beep each second.
    On,
}

impl Setup {
    /// With test devices, on this server.
    #[must_use]
    pub fn calling(server: &str) -> Self {
        Self { devices: Mock::On, server: Some(server.to_owned()), ..Self::default() }
    }

    /// On this session bus.
    #[must_use]
    pub fn on(mut self, bus: &Bus) -> Self {
        self.bus = Some(bus.address().to_owned());
        self
    }

    /// In this namespace.
    #[must_use]
    pub fn within(mut self, namespace: &Rc<Namespace>) -> Self {
        self.namespace = Some(Rc::clone(namespace));
        self
    }
}

/// A running app. It ends with this value.
#[derive(Debug)]
pub struct Desktop {
    window: WebDriver,
    page: Page,
    port: u16,
    // The app is WebKitWebDriver's child, and ends with it.
    driver: Process,
    screen: Screen,
    app: PathBuf,
    environment: Vec<(String, OsString)>,
    _bus: Option<Daemon>,
    _door: Option<Door>,
    _data: TempDir,
}

impl Desktop {
    /// Starts it with no data of its own but what the setup says.
    ///
    /// # Errors
    ///
    /// When something that it needs is not installed or built, or does not start.
    pub async fn start(name: &str, setup: &Setup) -> Result<Self> {
        let app = paths::program("HUTONG_APP_BIN", "hutong-app")?;
        let program = paths::installed(&["WebKitWebDriver"], "`apt-get install webkit2gtk-driver`")?;
        let screen = Screen::start().await?;
        let temporary = tempfile::Builder::new().prefix("hutong-e2e-").tempdir()?;
        let data = setup.data.clone().unwrap_or_else(|| temporary.path().to_owned());
        if let Some(address) = &setup.server {
            let settings = json!({ "server": { "is": "other", "address": address } });
            fs::write(data.join("settings.json"), settings.to_string())?;
        }
        let (mut command, driver_port, port) = match &setup.namespace {
            Some(namespace) => (namespace.command(program), namespace.free_port().await?, namespace.free_port().await?),
            None => (Command::new(program), free_port().await?, free_port().await?),
        };
        let port = setup.port.unwrap_or(port);
        // Without them, WebKit asks for one each time that it starts a sound, and GLib looks then whether the program is setuid: that has
        // been seen to end the webview, since it takes an interrupted system call of another thread for its own (GLib 2.74).
        let bus = if setup.bus.is_none() { Some(Daemon::start().await?) } else { None };
        let address = setup.bus.as_deref().or(bus.as_ref().map(Daemon::address));
        let mut environment = environment(setup, &screen, &data, port);
        for name in ["DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS"] {
            environment.extend(address.map(|address| (name.to_owned(), address.into())));
        }
        command.arg(format!("--port={driver_port}")).env_remove("WAYLAND_DISPLAY").envs(environment.iter().cloned());
        let driver = Process::spawn("WebKitWebDriver", &mut command)?;
        let (url, door) = match &setup.namespace {
            Some(namespace) => {
                namespace.listening(driver_port).await?;
                let door = namespace.expose(driver_port).await?;
                (format!("http://{}", door.address()), Some(door))
            }
            None => {
                timeout(START, listening(driver_port)).await.context("WebKitWebDriver does not listen")?;
                (format!("http://127.0.0.1:{driver_port}"), None)
            }
        };
        let mut capabilities = Map::new();
        capabilities.insert("webkitgtk:browserOptions".to_owned(), json!({ "binary": app, "args": setup.arguments }));
        let session = browser::session(&url, capabilities.into()).await;
        let window = session.with_context(|| format!("starting the app\n{}", driver.log().text()))?;
        let page = Page::in_webview(name, window.clone()).await?;
        Ok(Self { window, page, port, driver, screen, app, environment, _bus: bus, _door: door, _data: temporary })
    }

    /// What its window shows.
    #[must_use]
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// The address of its embedded server on its machine, if it got the port that it was to have.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it wrote so far.
    #[must_use]
    pub fn log(&self) -> &Log {
        self.driver.log()
    }

    /// The app's processes with those of its webview, without the driver's.
    ///
    /// # Errors
    ///
    /// When there are none.
    pub fn processes(&self) -> Result<Vec<Pid>> {
        let driver = self.driver.pid().context("the app has ended")?;
        let app: Vec<Pid> = process::tree(driver).into_iter().filter(|pid| *pid != driver).collect();
        ensure!(!app.is_empty(), "the app has ended:\n{}", self.log().text());
        Ok(app)
    }

    /// What the app and its webview use of the machine.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn usage(&self) -> Result<Usage> {
        Ok(Usage::of(&self.processes()?))
    }

    /// Hides its window, as minimising does, and waits until its page knows.
    ///
    /// # Errors
    ///
    /// When there is no window, or the page does not come to know.
    pub async fn hide(&self) -> Result<()> {
        self.screen.hide_windows().await?;
        self.page.until("being hidden", START, r#"return document.visibilityState === "hidden""#).await
    }

    /// Shows its window again, and waits until its page knows.
    ///
    /// # Errors
    ///
    /// When the page does not come to know.
    pub async fn show(&self) -> Result<()> {
        self.screen.show_windows().await?;
        self.page.until("being visible", START, r#"return document.visibilityState === "visible""#).await
    }

    /// Asks its window to close, as the cross in its corner does.
    ///
    /// # Errors
    ///
    /// When there is no window.
    pub async fn close(&self) -> Result<()> {
        self.screen.close_windows().await
    }

    /// Waits until its page knows that its window is hidden, or that it is not.
    ///
    /// # Errors
    ///
    /// When that is not so in time.
    pub async fn until_visibility(&self, state: &str) -> Result<()> {
        let script = format!("return document.visibilityState === {}", json!(state));
        self.page.until(&format!("being {state}"), START, &script).await
    }

    /// Has the person turn to another program.
    ///
    /// # Errors
    ///
    /// When the screen does not answer.
    pub async fn unfocus(&self) -> Result<()> {
        self.screen.unfocus().await
    }

    /// Gives its window this size, in pixels.
    ///
    /// # Errors
    ///
    /// When there is no window.
    pub async fn resize(&self, width: u32, height: u32) -> Result<()> {
        self.screen.resize_windows(width, height).await
    }

    /// Starts the program once more as the same person would, and waits for it to end by itself.
    ///
    /// # Errors
    ///
    /// When it does not end, or says that it failed.
    pub async fn start_again(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.app);
        command.args(arguments).env_remove("WAYLAND_DISPLAY").envs(self.environment.iter().cloned());
        let mut process = Process::spawn("the app, started again", &mut command)?;
        process.ends_well(START).await
    }

    /// Asks the app's first process to end, as the system does, and waits until all of it has.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn quit(&self) -> Result<()> {
        let app = self.processes()?;
        let first = app.first().context("the app has ended")?;
        rustix::process::kill_process(*first, rustix::process::Signal::INT)?;
        self.until_ended().await
    }

    /// Waits until the app has ended.
    ///
    /// # Errors
    ///
    /// When it has not in time.
    pub async fn until_ended(&self) -> Result<()> {
        let ended = async {
            let mut attempts = interval(Duration::from_millis(20));
            while self.processes().is_ok() {
                attempts.tick().await;
            }
        };
        timeout(START, ended).await.with_context(|| format!("the app does not end\n{}", self.log().text()))
    }

    /// Kills the app's first process alone: its webview's processes find out by themselves, as after a crash.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn crash(&self) -> Result<()> {
        let app = self.processes()?;
        let first = app.first().context("the app has ended")?;
        rustix::process::kill_process(*first, rustix::process::Signal::KILL)?;
        Ok(())
    }

    /// Kills the process of its page, as a fault in it does. Its page cannot be spoken to from then on. Returns the length of the
    /// log by then, for [`Self::until_another_page`].
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn crash_page(&self) -> Result<usize> {
        let is_page = |pid: &Pid| process::name(*pid).as_deref() == Some("WebKitWebProces");
        let page = self.processes()?.into_iter().find(is_page).context("the app has no page")?;
        let length = self.log().length();
        rustix::process::kill_process(page, rustix::process::Signal::KILL)?;
        Ok(length)
    }

    /// Waits until the app says that a page is there, past the first lines of its log, and checks that it knew before that the last
    /// one is gone.
    ///
    /// # Errors
    ///
    /// When none is in time, or the app heard of the last one's end by the new one.
    pub async fn until_another_page(&self, after: usize) -> Result<()> {
        let there = "the page is there";
        self.log().wait_for_line(after, START, |line| line.contains(there).then_some(())).await?;
        let said = self.log().since(after);
        let before = said.split(there).next().unwrap_or_default();
        ensure!(before.contains("the last page is gone"), "the new page told that the last one is gone:\n{said}");
        Ok(())
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        browser::leak(&self.window);
    }
}

/// What an app is told by its environment. Nothing of it is the machine's own home.
fn environment(setup: &Setup, screen: &Screen, data: &Path, port: u16) -> Vec<(String, OsString)> {
    let mut variables: Vec<(String, OsString)> = vec![
        ("DISPLAY".into(), screen.display().into()),
        ("GDK_BACKEND".into(), "x11".into()),
        ("TAURI_WEBVIEW_AUTOMATION".into(), "true".into()),
        ("XDG_CONFIG_HOME".into(), data.join("home/.config").into()),
        ("XDG_DATA_HOME".into(), data.join("home/.local/share").into()),
    ];
    if setup.profile == Named::ByVariable {
        variables.push(("HUTONG_DATA_DIR".into(), data.into()));
        variables.push(("HUTONG_PORT".into(), port.to_string().into()));
    }
    // What GStreamer and fontconfig know of the machine is found out once, and not by each app.
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    if let Some(cache) = cache.or_else(|| Some(std::env::home_dir()?.join(".cache"))) {
        variables.push(("XDG_CACHE_HOME".into(), cache.into()));
    }
    variables.push(("HOME".into(), data.join("home").into()));
    if setup.devices == Mock::On {
        variables.push(("HUTONG_MOCK_DEVICES".into(), "1".into()));
    }
    if rustix::process::geteuid().is_root() {
        // WebKit's sandbox does not start as root, as which containers run their tests.
        variables.push(("WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS".into(), "1".into()));
    }
    variables.extend(setup.variables.iter().map(|(name, value)| (name.clone(), value.into())));
    variables
}

/// A port that was free a moment ago, for programs that cannot tell which one they took.
///
/// # Errors
///
/// When there is none.
pub async fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?.port())
}

async fn listening(port: u16) {
    let mut attempts = interval(Duration::from_millis(20));
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
        attempts.tick().await;
    }
}
