//! The desktop app in its real window on a virtual display, driven through `WebKitWebDriver`.

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
    Context, Result, SessionBus, TestPage, browser,
    dbus::BusDaemon,
    ensure,
    network::{Namespace, PortForward},
    paths,
    process::{self, ChildProcess, ProcessLog},
    usage::ResourceUsage,
    virtual_display::VirtualDisplay,
    window_manager::WindowManager,
};

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Options to start the desktop app with.
#[derive(Clone, Debug, Default)]
pub struct AppOptions {
    /// Port for its embedded server; by default a free one.
    pub port: Option<u16>,
    /// Camera and microphone.
    pub devices: TestDevices,
    /// What orders the windows of its display.
    pub windows: WindowManagement,
    /// Address of the server that it is set to use; by default its embedded one.
    pub server_url: Option<String>,
    /// Network namespace that it runs in.
    pub namespace: Option<Rc<Namespace>>,
    /// Address of its session bus; by default a new one without services.
    pub bus_address: Option<String>,
    /// Additional environment variables.
    pub env_vars: Vec<(String, String)>,
    /// Command line arguments.
    pub arguments: Vec<String>,
    /// Data directory that outlives the app; by default a temporary one.
    pub data_dir: Option<PathBuf>,
    /// How the data directory is passed to it.
    pub profile_source: ProfileSource,
}

/// How an app gets its profile directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProfileSource {
    /// By environment variables, which also set the port.
    #[default]
    Environment,
    /// By [`arguments`](AppOptions::arguments); the app chooses its port.
    Argument,
    /// It gets none, and uses the default one in its home. The environment sets the port.
    None,
}

/// Camera and microphone of an app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TestDevices {
    /// The machine's devices, if any.
    #[default]
    Off,
    /// `WebKit`'s mock devices: a moving test image, and a beep each second.
    On,
}

/// What orders the windows of an app's display.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WindowManagement {
    /// Nothing.
    #[default]
    None,
    /// A window manager, with a window of another program.
    WindowManager,
}

impl AppOptions {
    /// Options with test devices, for this server.
    #[must_use]
    pub fn with_test_devices(server: &str) -> Self {
        Self { devices: TestDevices::On, server_url: Some(server.to_owned()), ..Self::default() }
    }

    /// Sets the session bus.
    #[must_use]
    pub fn on_bus(mut self, bus: &SessionBus) -> Self {
        self.bus_address = Some(bus.address().to_owned());
        self
    }

    /// Sets the network namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: &Rc<Namespace>) -> Self {
        self.namespace = Some(Rc::clone(namespace));
        self
    }
}

/// A running app. Dropping it kills the app with its driver.
#[derive(Debug)]
pub struct DesktopApp {
    window: WebDriver,
    page: TestPage,
    port: u16,
    // The app is a child of WebKitWebDriver and is killed with it.
    driver: ChildProcess,
    window_manager: Option<WindowManager>,
    display: VirtualDisplay,
    app: PathBuf,
    environment: Vec<(String, OsString)>,
    _bus_daemon: Option<BusDaemon>,
    _port_forward: Option<PortForward>,
    _data: TempDir,
}

impl DesktopApp {
    /// Starts the app with an empty data directory, but for what the options set.
    ///
    /// # Errors
    ///
    /// Returns an error when something that it needs is not installed or built, or does not start.
    pub async fn start(name: &str, options: &AppOptions) -> Result<Self> {
        let app = paths::workspace_program("HUTONG_APP_BIN", "hutong-app")?;
        let program = paths::installed_program(&["WebKitWebDriver"], "`apt-get install webkit2gtk-driver`")?;
        let display = VirtualDisplay::start().await?;
        let window_manager = match options.windows {
            WindowManagement::None => None,
            WindowManagement::WindowManager => Some(WindowManager::start(&display).await?),
        };
        let temporary = tempfile::Builder::new().prefix("hutong-e2e-").tempdir()?;
        let data = options.data_dir.clone().unwrap_or_else(|| temporary.path().to_owned());
        if let Some(address) = &options.server_url {
            let settings = json!({ "server": { "is": "other", "address": address } });
            fs::write(data.join("settings.json"), settings.to_string())?;
        }
        let (mut command, driver_port, port) = match &options.namespace {
            Some(namespace) => (namespace.command(program), namespace.free_port().await?, namespace.free_port().await?),
            None => (Command::new(program), free_port().await?, free_port().await?),
        };
        let port = options.port.unwrap_or(port);
        // Without a bus address WebKit asks for one each time that it starts audio, and GLib then checks whether the
        // program is setuid. That was observed to crash the web process: GLib 2.74 mistakes another thread's
        // interrupted system call for its own.
        let bus = if options.bus_address.is_none() { Some(BusDaemon::start().await?) } else { None };
        let address = options.bus_address.as_deref().or(bus.as_ref().map(BusDaemon::address));
        let mut environment = environment(options, &display, &data, port);
        for name in ["DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS"] {
            environment.extend(address.map(|address| (name.to_owned(), address.into())));
        }
        command.arg(format!("--port={driver_port}")).env_remove("WAYLAND_DISPLAY").envs(environment.iter().cloned());
        let driver = ChildProcess::spawn("WebKitWebDriver", &mut command)?;
        let (url, forward) = match &options.namespace {
            Some(namespace) => {
                namespace.wait_for_listener(driver_port).await?;
                let forward = namespace.expose_port(driver_port).await?;
                (format!("http://{}", forward.address()), Some(forward))
            }
            None => {
                timeout(START_TIMEOUT, port_listens(driver_port)).await.context("WebKitWebDriver does not listen")?;
                (format!("http://127.0.0.1:{driver_port}"), None)
            }
        };
        let mut capabilities = Map::new();
        capabilities.insert("webkitgtk:browserOptions".to_owned(), json!({ "binary": app, "args": options.arguments }));
        let session = browser::open_session(&url, capabilities.into()).await;
        let window = session.with_context(|| format!("starting the app\n{}", driver.log().text()))?;
        let page = TestPage::in_webview(name, window.clone()).await?;
        Ok(Self {
            window,
            page,
            port,
            driver,
            window_manager,
            display,
            app,
            environment,
            _bus_daemon: bus,
            _port_forward: forward,
            _data: temporary,
        })
    }

    /// The page in its window.
    #[must_use]
    pub fn page(&self) -> &TestPage {
        &self.page
    }

    /// URL of its embedded server, if that got the requested port.
    #[must_use]
    pub fn embedded_server_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Captured output.
    #[must_use]
    pub fn log(&self) -> &ProcessLog {
        self.driver.log()
    }

    /// Processes of the app and its webview, without the driver.
    ///
    /// # Errors
    ///
    /// Returns an error when the app has exited.
    pub fn processes(&self) -> Result<Vec<Pid>> {
        let driver = self.driver.pid().context("the app has exited")?;
        let app: Vec<Pid> = process::process_tree(driver).into_iter().filter(|pid| *pid != driver).collect();
        ensure!(!app.is_empty(), "the app has exited:\n{}", self.log().text());
        Ok(app)
    }

    /// Resource usage of the app and its webview.
    ///
    /// # Errors
    ///
    /// Returns an error when the app has exited.
    pub fn usage(&self) -> Result<ResourceUsage> {
        Ok(ResourceUsage::of(&self.processes()?))
    }

    /// Hides the window, as minimizing does, and waits until the page is hidden.
    ///
    /// # Errors
    ///
    /// Returns an error when there is no window, or the page's visibility does not change in time.
    pub async fn hide_window(&self) -> Result<()> {
        self.display.hide_windows().await?;
        self.page.wait_until("being hidden", START_TIMEOUT, r#"return document.visibilityState === "hidden""#).await
    }

    /// Shows the window again and waits until the page is visible.
    ///
    /// # Errors
    ///
    /// Returns an error when there is no window, or the page's visibility does not change in time.
    pub async fn show_window(&self) -> Result<()> {
        self.display.show_windows().await?;
        self.page.wait_until("being visible", START_TIMEOUT, r#"return document.visibilityState === "visible""#).await
    }

    /// Asks the window to close, as its close button does.
    ///
    /// # Errors
    ///
    /// Returns an error when there is no window.
    pub async fn close_window(&self) -> Result<()> {
        self.display.close_windows().await
    }

    /// Waits until the page's visibility is `hidden` or `visible`.
    ///
    /// # Errors
    ///
    /// Returns an error when the limit passes.
    pub async fn wait_for_visibility(&self, state: &str) -> Result<()> {
        let script = format!("return document.visibilityState === {}", json!(state));
        self.page.wait_until(&format!("being {state}"), START_TIMEOUT, &script).await
    }

    /// Takes the input focus from the window, as when the person switches to another program.
    ///
    /// # Errors
    ///
    /// Returns an error when the display does not answer.
    pub async fn unfocus_window(&self) -> Result<()> {
        self.display.unfocus().await
    }

    /// The display's window manager.
    ///
    /// # Errors
    ///
    /// Returns an error when the options started none.
    pub fn window_manager(&self) -> Result<&WindowManager> {
        self.window_manager.as_ref().context("the app's display has no window manager")
    }

    /// Resizes the window, in pixels.
    ///
    /// # Errors
    ///
    /// Returns an error when there is no window.
    pub async fn resize_window(&self, width: u32, height: u32) -> Result<()> {
        self.display.resize_windows(width, height).await
    }

    /// The environment variables that it got, for other programs of its user.
    #[must_use]
    pub fn environment(&self) -> &[(String, OsString)] {
        &self.environment
    }

    /// Starts a second instance for the same user and waits for its exit.
    ///
    /// # Errors
    ///
    /// Returns an error when it does not exit in time, or fails.
    pub async fn start_second_instance(&self, arguments: &[&str]) -> Result<()> {
        self.start_second_instance_with(arguments, &[]).await
    }

    /// The same as [`start_second_instance`](Self::start_second_instance), with additional environment variables.
    ///
    /// # Errors
    ///
    /// Returns an error when it does not exit in time, or fails.
    pub async fn start_second_instance_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Result<()> {
        let mut command = Command::new(&self.app);
        command.args(arguments).env_remove("WAYLAND_DISPLAY").envs(self.environment.iter().cloned());
        command.envs(variables.iter().copied());
        let mut process = ChildProcess::spawn("the app's second instance", &mut command)?;
        process.wait_for_success(START_TIMEOUT).await
    }

    /// Sends SIGINT to the app's main process and waits until all its processes have exited.
    ///
    /// # Errors
    ///
    /// Returns an error when the limit passes.
    pub async fn quit(&self) -> Result<()> {
        let app = self.processes()?;
        let first = app.first().context("the app has exited")?;
        rustix::process::kill_process(*first, rustix::process::Signal::INT)?;
        self.wait_until_exited().await
    }

    /// Waits until all processes of the app have exited.
    ///
    /// # Errors
    ///
    /// Returns an error with the log when the limit passes.
    pub async fn wait_until_exited(&self) -> Result<()> {
        let ended = async {
            let mut attempts = interval(Duration::from_millis(20));
            while self.processes().is_ok() {
                attempts.tick().await;
            }
        };
        timeout(START_TIMEOUT, ended).await.with_context(|| format!("the app does not exit\n{}", self.log().text()))
    }

    /// Kills the app's main process alone. The webview's processes notice it by themselves, as after a crash.
    ///
    /// # Errors
    ///
    /// Returns an error when the app has exited.
    pub fn kill_main_process(&self) -> Result<()> {
        let app = self.processes()?;
        let first = app.first().context("the app has exited")?;
        rustix::process::kill_process(*first, rustix::process::Signal::KILL)?;
        Ok(())
    }

    /// Kills the web process, as a fault in it does. The page's `WebDriver` session is unusable from then on. Returns the
    /// log's line count at that time, for [`Self::wait_for_new_page`].
    ///
    /// # Errors
    ///
    /// Returns an error when no port is free.
    pub fn kill_web_process(&self) -> Result<usize> {
        let is_web_process = |pid: &Pid| process::process_name(*pid).as_deref() == Some("WebKitWebProces");
        let pid = self.processes()?.into_iter().find(is_web_process).context("the app has no web process")?;
        let length = self.log().line_count();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
        Ok(length)
    }

    /// Waits until the app logs a new page, after the first `after` lines of its log, and checks that it logged the old
    /// page's end before.
    ///
    /// # Errors
    ///
    /// Returns an error when the limit passes, or the app noticed the old page's end only by the new one.
    pub async fn wait_for_new_page(&self, after: usize) -> Result<()> {
        let attached = "page attached";
        self.log().wait_for_line(after, START_TIMEOUT, |line| line.contains(attached).then_some(())).await?;
        let log = self.log().text_since(after);
        let before = log.split(attached).next().unwrap_or_default();
        ensure!(
            before.contains("page closed or reloaded"),
            "the old page was not detached before the new one attached:\n{log}"
        );
        Ok(())
    }
}

impl Drop for DesktopApp {
    fn drop(&mut self) {
        browser::abandon_session(&self.window);
    }
}

/// Environment of the app. Its home is not the developer's.
fn environment(options: &AppOptions, display: &VirtualDisplay, data: &Path, port: u16) -> Vec<(String, OsString)> {
    let mut variables: Vec<(String, OsString)> = vec![
        ("DISPLAY".into(), display.name().into()),
        ("GDK_BACKEND".into(), "x11".into()),
        ("TAURI_WEBVIEW_AUTOMATION".into(), "true".into()),
        ("XDG_CONFIG_HOME".into(), data.join("home/.config").into()),
        ("XDG_DATA_HOME".into(), data.join("home/.local/share").into()),
    ];
    if options.profile_source == ProfileSource::Environment {
        variables.push(("HUTONG_DATA_DIR".into(), data.into()));
    }
    if options.profile_source != ProfileSource::Argument {
        variables.push(("HUTONG_PORT".into(), port.to_string().into()));
    }
    // Share the caches of GStreamer and fontconfig: filling them takes seconds for each app.
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    if let Some(cache) = cache.or_else(|| Some(std::env::home_dir()?.join(".cache"))) {
        variables.push(("XDG_CACHE_HOME".into(), cache.into()));
    }
    variables.push(("HOME".into(), data.join("home").into()));
    if options.devices == TestDevices::On {
        variables.push(("HUTONG_MOCK_DEVICES".into(), "1".into()));
    }
    if rustix::process::geteuid().is_root() {
        // WebKit's sandbox does not start as root, which is the user in many test containers.
        variables.push(("WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS".into(), "1".into()));
    }
    variables.extend(options.env_vars.iter().map(|(name, value)| (name.clone(), value.into())));
    variables
}

/// A port that was free a moment ago, for programs that cannot report the port that they chose.
///
/// # Errors
///
/// Returns an error when no port is free.
pub async fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?.port())
}

async fn port_listens(port: u16) {
    let mut attempts = interval(Duration::from_millis(20));
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
        attempts.tick().await;
    }
}
