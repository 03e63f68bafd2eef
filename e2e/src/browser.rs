//! Browsers under a driver: chromedriver with Chromium, each browser with a profile of its own.

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
    Context, Result, bail,
    network::{Door, Namespace},
    paths,
    process::{Process, kill_tree},
    screen::Screen,
};

/// How long one command to a driver may take; longer than any wait inside a page.
const COMMAND: Duration = Duration::from_secs(90);

/// What a browser's person has and has allowed.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Which devices there are.
    pub devices: Devices,
    /// What was answered to the browser's questions for devices.
    pub permissions: Permissions,
    /// The language that the browser asks for, such as `en-US` or `zh-CN`.
    pub language: &'static str,
    /// Where its window is.
    pub shown: Shown,
    /// Further command line arguments.
    pub args: Vec<String>,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            devices: Devices::All,
            permissions: Permissions::Granted,
            language: "en-US",
            shown: Shown::Nowhere,
            args: Vec::new(),
        }
    }
}

/// Where a browser's window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Nowhere: the browser is headless, and does not draw with OpenGL.
    Nowhere,
    /// On a screen of its own, an X server's. The browser draws as it does for a person.
    OnScreen,
}

/// Which devices a browser has. They are Chromium's own fakes: a moving picture and a beep each second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Devices {
    /// Camera and microphone.
    All,
    /// A microphone alone.
    NoCamera,
    /// No microphone, and none of the fakes: nothing at all on a machine without a camera.
    None,
}

/// What was answered to the browser's questions for devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permissions {
    /// Yes to all.
    Granted,
    /// By [`Page::permit`](crate::Page::permit).
    AsSet,
}

/// A driver process, through which browsers are started.
#[derive(Debug)]
pub struct Driver {
    process: Process,
    url: String,
    /// The way to it, where it is in a namespace.
    _door: Option<Door>,
}

impl Driver {
    /// Starts chromedriver on a free port.
    ///
    /// # Errors
    ///
    /// When it is not installed or does not start.
    pub async fn chrome() -> Result<Self> {
        let (process, port) = chromedriver(Command::new(program()?)).await?;
        Ok(Self { process, url: format!("http://127.0.0.1:{port}"), _door: None })
    }

    /// Starts chromedriver in a network namespace, where its browsers will be too.
    ///
    /// # Errors
    ///
    /// When it is not installed or does not start, or cannot be reached there.
    pub async fn chrome_within(namespace: &Namespace) -> Result<Self> {
        let (process, port) = chromedriver(namespace.command(program()?)).await?;
        let door = namespace.expose(port).await?;
        Ok(Self { process, url: format!("http://{}", door.address()), _door: Some(door) })
    }

    /// The root of its processes: the browsers are under it.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Starts a browser.
    ///
    /// # Errors
    ///
    /// When it is not installed or does not start.
    pub async fn browser(&self, profile: &Profile) -> Result<Browser> {
        let folder = tempfile::Builder::new().prefix("hutong-e2e-").tempdir()?;
        let screen = match profile.shown {
            Shown::Nowhere => None,
            Shown::OnScreen => Some(Screen::start().await?),
        };
        let driver = session(&self.url, chrome_capabilities(profile, screen.as_ref(), folder.path())?)
            .await
            .with_context(|| format!("starting Chromium\n{}", self.process.log().text()))?;
        let pid = driver.capabilities().get("goog:processID").and_then(Value::as_i64);
        let pid = pid.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Browser { driver, pid, _screen: screen, _folder: folder })
    }
}

/// A running browser. Dropping it kills it.
#[derive(Debug)]
pub struct Browser {
    driver: WebDriver,
    pid: Option<Pid>,
    _screen: Option<Screen>,
    _folder: TempDir,
}

impl Browser {
    /// Its WebDriver session.
    #[must_use]
    pub fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// Its first process.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        self.pid
    }

    /// Ends it as a person closes its last window, or kills it if that takes long.
    pub async fn close(mut self) {
        // A browser that does not answer is killed just below.
        let _ = timeout(Duration::from_secs(5), self.driver.clone().quit()).await;
        self.kill();
    }

    /// Kills it on the spot, as a crash would. Its page can say nothing more.
    pub fn kill(&mut self) {
        if let Some(pid) = self.pid.take() {
            kill_tree(pid);
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.kill();
        leak(&self.driver);
    }
}

/// Opens a WebDriver session.
///
/// # Errors
///
/// When the driver refuses it.
pub async fn session(url: &str, capabilities: Capabilities) -> Result<WebDriver> {
    let driver = WebDriver::builder(url, capabilities).request_timeout(COMMAND).await?;
    driver.set_script_timeout(COMMAND).await?;
    Ok(driver)
}

/// Ends a session without talking to its driver, which is killed with its browsers.
pub fn leak(driver: &WebDriver) {
    // It fails only where the session was ended already.
    let _ = driver.clone().leak();
}

fn program() -> Result<PathBuf> {
    paths::installed(&["chromedriver"], "`apt-get install chromium chromium-driver`")
}

/// How often chromedriver is started before the test fails.
const DRIVER_STARTS: usize = 3;

/// Starts chromedriver on a port that it chooses. It binds that port for IPv6 first and gives up where another socket has the same one
/// for IPv4, which another start does not meet again.
async fn chromedriver(mut command: Command) -> Result<(Process, u16)> {
    command.arg("--port=0");
    for starts_left in (0..DRIVER_STARTS).rev() {
        let mut process = Process::spawn("chromedriver", &mut command)?;
        let port = process
            .wait_for_line(Duration::from_secs(10), |line| {
                line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
            })
            .await;
        match port {
            Ok(port) => return Ok((process, port)),
            Err(_) if starts_left > 0 && process.log().text().contains("port not available") => {}
            Err(error) => return Err(error),
        }
    }
    bail!("chromedriver was not started")
}

fn chrome_capabilities(profile: &Profile, screen: Option<&Screen>, folder: &Path) -> Result<Capabilities> {
    let mut args: Vec<String> = [
        "--no-sandbox",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-extensions",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--window-size=800,600",
        // No multicast: the other browser is on this machine, and finds plain host candidates.
        "--disable-features=WebRtcHideLocalIpsWithMdns",
        // Nobody looks at these windows, and they are to work all the same.
        "--disable-background-timer-throttling",
        "--disable-backgrounding-occluded-windows",
        "--disable-renderer-backgrounding",
    ]
    .map(str::to_owned)
    .to_vec();
    match screen {
        None => args.extend(["--headless=new", "--disable-gpu"].map(str::to_owned)),
        Some(screen) => args.extend(["--ozone-platform=x11".to_owned(), format!("--display={}", screen.display())]),
    }
    args.push(format!("--user-data-dir={}", folder.display()));
    args.push(format!("--lang={}", profile.language));
    args.extend(match profile.devices {
        Devices::All => vec!["--use-fake-device-for-media-stream".to_owned()],
        Devices::NoCamera => vec!["--use-fake-device-for-media-stream=device-count=0".to_owned()],
        Devices::None => vec!["--disable-audio-input".to_owned()],
    });
    if profile.permissions == Permissions::Granted {
        args.push("--use-fake-ui-for-media-stream".to_owned());
    }
    args.extend(profile.args.iter().cloned());
    let mut options = json!({
        "args": args,
        "prefs": { "intl.accept_languages": profile.language },
    });
    let browser = paths::installed(&["chromium", "google-chrome", "chrome"], "`apt-get install chromium`")?;
    if let Some(options) = options.as_object_mut() {
        options.insert("binary".to_owned(), json!(browser));
    }
    let mut capabilities = Map::new();
    capabilities.insert("browserName".to_owned(), json!("chrome"));
    capabilities.insert("goog:chromeOptions".to_owned(), options);
    capabilities.insert("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL" }));
    Ok(capabilities.into())
}
