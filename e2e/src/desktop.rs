//! The desktop app in its real window, on a screen that nobody sees, driven through WebKitWebDriver.

use std::{net::Ipv4Addr, time::Duration};

use serde_json::{Map, json};
use tempfile::TempDir;
use thirtyfour::WebDriver;
use tokio::{
    net::{TcpListener, TcpStream},
    process::Command,
    time::{interval, timeout},
};

use crate::{
    Context, Page, Result, browser, paths,
    process::{Log, Process},
};

const START: Duration = Duration::from_secs(20);

/// A running app. It ends with this value.
#[derive(Debug)]
pub struct Desktop {
    window: WebDriver,
    page: Page,
    port: u16,
    // The app is WebKitWebDriver's child, and ends with it.
    driver: Process,
    _screen: Process,
    _data: TempDir,
}

impl Desktop {
    /// Starts it with no data of its own, and with its embedded server on this port if that is free.
    ///
    /// # Errors
    ///
    /// When something that it needs is not installed or built, or does not start.
    pub async fn start(name: &str, port: u16) -> Result<Self> {
        let app = paths::program("HUTONG_APP_BIN", "hutong-app")?;
        let xvfb = paths::installed(&["Xvfb"], "`apt-get install xvfb`")?;
        let driver = paths::installed(&["WebKitWebDriver"], "`apt-get install webkit2gtk-driver`")?;

        let mut command = Command::new(xvfb);
        command.args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"]);
        let mut screen = Process::spawn("Xvfb", &mut command)?;
        let display: u32 = screen.wait_for_line(START, |line| line.parse().ok()).await?;

        let data = tempfile::Builder::new().prefix("hutong-e2e-").tempdir()?;
        let driver_port = free_port().await?;
        let mut command = Command::new(driver);
        command
            .arg(format!("--port={driver_port}"))
            .env_remove("WAYLAND_DISPLAY")
            .env("DISPLAY", format!(":{display}"))
            .env("GDK_BACKEND", "x11")
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .env("HUTONG_DATA_DIR", data.path())
            .env("HUTONG_PORT", port.to_string());
        if rustix::process::geteuid().is_root() {
            // WebKit's sandbox does not start as root, as which containers run their tests.
            command.env("WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS", "1");
        }
        let driver = Process::spawn("WebKitWebDriver", &mut command)?;
        timeout(START, listening(driver_port)).await.context("WebKitWebDriver does not listen")?;

        let mut capabilities = Map::new();
        capabilities.insert("webkitgtk:browserOptions".to_owned(), json!({ "binary": app, "args": [] }));
        let session = browser::session(&format!("http://127.0.0.1:{driver_port}"), capabilities.into()).await;
        let window = session.with_context(|| format!("starting the app\n{}", driver.log().text()))?;
        let page = Page::plain(name, window.clone());
        Ok(Self { window, page, port, driver, _screen: screen, _data: data })
    }

    /// What its window shows.
    #[must_use]
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// The address of its embedded server on this machine, if it got the port that it was to have.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it wrote so far.
    #[must_use]
    pub fn log(&self) -> &Log {
        self.driver.log()
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        browser::leak(&self.window);
    }
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
