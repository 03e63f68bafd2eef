//! Chromium under chromedriver, each browser with its own profile directory.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::Pid;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use thirtyfour::{Capabilities, WebDriver};
use tokio::{process::Command, time::timeout};

use crate::{
    Context, Result, SessionBus, bail,
    network::{Namespace, PortForward},
    paths,
    process::{ChildProcess, kill_tree},
    virtual_display::VirtualDisplay,
};

/// Time limit of one `WebDriver` command; longer than any wait inside a page.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(90);

/// Options of a browser: devices, permissions, language and window.
#[derive(Clone, Debug)]
pub struct BrowserOptions {
    /// Available fake devices.
    pub devices: FakeDevices,
    /// Answers to the browser's device permission prompts.
    pub permissions: DevicePermissions,
    /// Preferred language, such as `en-US` or `zh-CN`.
    pub language: &'static str,
    /// Where the window is.
    pub window: WindowPlacement,
    /// Whether it uses multicast DNS.
    pub mdns: Mdns,
    /// Whether the question before leaving a page (`beforeunload`) waits for the test. Otherwise the driver answers it.
    pub asks_before_leaving: bool,
    /// Additional command line arguments.
    pub args: Vec<String>,
}

impl Default for BrowserOptions {
    fn default() -> Self {
        Self {
            devices: FakeDevices::All,
            permissions: DevicePermissions::Granted,
            language: "en-US",
            window: WindowPlacement::Headless,
            mdns: Mdns::Off,
            asks_before_leaving: false,
            args: Vec::new(),
        }
    }
}

/// Whether a browser uses multicast DNS for ICE candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mdns {
    /// No: it offers addresses only, which reach the other browser on this machine, and ignores `.local` names.
    Off,
    /// As by default: it resolves `.local` names, and offers them to pages without access to devices.
    On,
}

/// Where a browser's window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowPlacement {
    /// Headless: no window, and no drawing with OpenGL.
    Headless,
    /// On its own virtual X display. The browser draws as it does for a person.
    OnVirtualDisplay,
}

/// Fake devices of a browser. Chromium's fakes are a moving image and a beep each second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FakeDevices {
    /// Camera and microphone.
    All,
    /// Microphone only.
    NoCamera,
    /// Neither, unless the machine has a camera: no microphone and no fakes.
    None,
}

/// Answers to the browser's device permission prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DevicePermissions {
    /// All granted.
    Granted,
    /// Set with [`TestPage::set_permission`](crate::TestPage::set_permission).
    Explicit,
}

/// A chromedriver process, which starts browsers.
#[derive(Debug)]
pub struct ChromeDriver {
    process: ChildProcess,
    url: String,
    /// Forwards its port, when it runs in a namespace.
    _port_forward: Option<PortForward>,
}

impl ChromeDriver {
    /// Starts chromedriver on a free port.
    ///
    /// # Errors
    ///
    /// Returns an error when it is not installed or does not start.
    pub async fn start() -> Result<Self> {
        let (process, port) = spawn_chromedriver(Command::new(chromedriver_path()?)).await?;
        Ok(Self { process, url: format!("http://127.0.0.1:{port}"), _port_forward: None })
    }

    /// Starts chromedriver in a network namespace, in which its browsers run too.
    ///
    /// # Errors
    ///
    /// Returns an error when it is not installed, does not start, or cannot be reached.
    pub async fn start_in(namespace: &Namespace) -> Result<Self> {
        let (process, port) = spawn_chromedriver(namespace.command(chromedriver_path()?)).await?;
        let forward = namespace.expose_port(port).await?;
        Ok(Self { process, url: format!("http://{}", forward.address()), _port_forward: Some(forward) })
    }

    /// Starts chromedriver on a free port; its browsers use this session bus.
    ///
    /// # Errors
    ///
    /// Returns an error when it is not installed or does not start.
    pub async fn start_on(bus: &SessionBus) -> Result<Self> {
        let mut command = Command::new(chromedriver_path()?);
        command.env("DBUS_SESSION_BUS_ADDRESS", bus.address());
        let (process, port) = spawn_chromedriver(command).await?;
        Ok(Self { process, url: format!("http://127.0.0.1:{port}"), _port_forward: None })
    }

    /// The driver's process; the browsers are its descendants.
    #[must_use]
    pub fn process(&self) -> &ChildProcess {
        &self.process
    }

    /// Starts a browser.
    ///
    /// # Errors
    ///
    /// Returns an error when it is not installed or does not start.
    pub async fn browser(&self, options: &BrowserOptions) -> Result<BrowserSession> {
        let folder = tempfile::Builder::new().prefix("hutong-e2e-").tempdir()?;
        let display = match options.window {
            WindowPlacement::Headless => None,
            WindowPlacement::OnVirtualDisplay => Some(VirtualDisplay::start().await?),
        };
        let driver = open_session(&self.url, chrome_capabilities(options, display.as_ref(), folder.path())?)
            .await
            .with_context(|| format!("starting Chromium\n{}", self.process.log().text()))?;
        let pid = driver.capabilities().get("goog:processID").and_then(Value::as_i64);
        let pid = pid.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(BrowserSession { driver, pid, _display: display, _folder: folder })
    }
}

/// A running browser with its `WebDriver` session. Dropping it kills the browser.
#[derive(Debug)]
pub struct BrowserSession {
    driver: WebDriver,
    pid: Option<Pid>,
    _display: Option<VirtualDisplay>,
    _folder: TempDir,
}

impl BrowserSession {
    /// The `WebDriver` session.
    #[must_use]
    pub fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// The browser's main process.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        self.pid
    }

    /// Closes the browser as closing its last window does, and kills it if that takes more than 5 s.
    pub async fn close(mut self) {
        // A browser that does not answer is killed just below.
        let _ = timeout(Duration::from_secs(5), self.driver.clone().quit()).await;
        self.kill();
    }

    /// Kills the browser, as a crash does. Its page sends nothing more.
    pub fn kill(&mut self) {
        if let Some(pid) = self.pid.take() {
            kill_tree(pid);
        }
    }
}

impl Drop for BrowserSession {
    fn drop(&mut self) {
        self.kill();
        abandon_session(&self.driver);
    }
}

/// Opens a `WebDriver` session.
///
/// # Errors
///
/// Returns an error when the driver refuses it.
pub async fn open_session(url: &str, capabilities: Capabilities) -> Result<WebDriver> {
    let driver = WebDriver::builder(url, capabilities).request_timeout(COMMAND_TIMEOUT).await?;
    driver.set_script_timeout(COMMAND_TIMEOUT).await?;
    Ok(driver)
}

/// Drops a session without a request to its driver, which is killed with its browsers.
pub fn abandon_session(driver: &WebDriver) {
    // It fails only when the session was closed before.
    let _ = driver.clone().leak();
}

fn chromedriver_path() -> Result<PathBuf> {
    paths::installed_program(&["chromedriver"], "`apt-get install chromium chromium-driver`")
}

/// Attempts to start chromedriver before the test fails.
const START_ATTEMPTS: usize = 3;

/// Starts chromedriver on a port that it chooses. It binds that port for IPv6 first, and exits where another socket has
/// the same port for IPv4; the next attempt gets another port.
async fn spawn_chromedriver(mut command: Command) -> Result<(ChildProcess, u16)> {
    command.arg("--port=0");
    for attempts_left in (0..START_ATTEMPTS).rev() {
        let mut process = ChildProcess::spawn("chromedriver", &mut command)?;
        let port = process
            .wait_for_line(Duration::from_secs(10), |line| {
                line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
            })
            .await;
        match port {
            Ok(port) => return Ok((process, port)),
            Err(_) if attempts_left > 0 && process.log().text().contains("port not available") => {}
            Err(error) => return Err(error),
        }
    }
    bail!("chromedriver did not start")
}

fn chrome_capabilities(
    options: &BrowserOptions,
    display: Option<&VirtualDisplay>,
    folder: &Path,
) -> Result<Capabilities> {
    let mut args: Vec<String> = [
        "--no-sandbox",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-extensions",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--window-size=800,600",
        // Invisible windows have to run at full speed.
        "--disable-background-timer-throttling",
        "--disable-backgrounding-occluded-windows",
        "--disable-renderer-backgrounding",
    ]
    .map(str::to_owned)
    .to_vec();
    match display {
        None => args.extend(["--headless=new", "--disable-gpu"].map(str::to_owned)),
        Some(display) => args.extend(["--ozone-platform=x11".to_owned(), format!("--display={}", display.name())]),
    }
    args.push(format!("--user-data-dir={}", folder.display()));
    args.push(format!("--lang={}", options.language));
    args.extend(match options.devices {
        FakeDevices::All => vec!["--use-fake-device-for-media-stream".to_owned()],
        FakeDevices::NoCamera => vec!["--use-fake-device-for-media-stream=device-count=0".to_owned()],
        FakeDevices::None => vec!["--disable-audio-input".to_owned()],
    });
    if options.mdns == Mdns::Off {
        args.push("--disable-features=WebRtcHideLocalIpsWithMdns".to_owned());
    }
    if options.permissions == DevicePermissions::Granted {
        args.push("--use-fake-ui-for-media-stream".to_owned());
    }
    args.extend(options.args.iter().cloned());
    let asks_before_leaving = options.asks_before_leaving;
    let mut options = json!({
        "args": args,
        "prefs": {
            "intl.accept_languages": options.language,
            // Debian's start page is on the web. Without an answer of a name server it delays the first page by 26 s.
            "session.restore_on_startup": 4,
            "session.startup_urls": ["about:blank"],
        },
    });
    let browser = paths::installed_program(&["chromium", "google-chrome", "chrome"], "`apt-get install chromium`")?;
    if let Some(options) = options.as_object_mut() {
        options.insert("binary".to_owned(), json!(browser));
    }
    let mut capabilities = Map::new();
    capabilities.insert("browserName".to_owned(), json!("chrome"));
    capabilities.insert("goog:chromeOptions".to_owned(), options);
    if asks_before_leaving {
        // Without a BiDi connection, chromedriver answers this question by itself, whatever the behaviour.
        capabilities.insert("webSocketUrl".to_owned(), json!(true));
        capabilities.insert("unhandledPromptBehavior".to_owned(), json!({ "beforeUnload": "ignore" }));
    }
    capabilities.insert("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL" }));
    Ok(capabilities.into())
}
