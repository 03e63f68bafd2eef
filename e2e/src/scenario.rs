//! Scenario runner: runs a test body with a time limit, stops everything it started, and saves artifacts of a failure.

use std::{
    any::Any,
    fmt, fs,
    panic::{AssertUnwindSafe, resume_unwind},
    rc::Rc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::join_all};
use tokio::time::timeout;

use crate::{
    Result, ServerProcess, SessionBus, TcpProxy, anyhow,
    browser::{BrowserOptions, ChromeDriver, WindowPlacement},
    desktop::{AppOptions, DesktopApp},
    network::{EmulatedNetwork, Namespace},
    page::TestPage,
    paths,
    process::ProcessLog,
};

/// Time limit of every scenario: a test that hangs fails.
const SCENARIO_TIMEOUT: Duration = Duration::from_secs(240);

/// Owner of everything that a scenario has started: servers, browsers and apps.
#[derive(Debug, Default)]
pub struct TestEnv {
    // Drop order: browsers before their driver, both before the servers that they are connected to.
    pages: Vec<TestPage>,
    driver: Option<ChromeDriver>,
    more_drivers: Vec<ChromeDriver>,
    servers: Vec<ServerProcess>,
    apps: Vec<Rc<DesktopApp>>,
    logs: Vec<(String, ProcessLog)>,
    kept_alive: Vec<Box<dyn Any>>,
}

impl TestEnv {
    /// Starts a server on a free port.
    ///
    /// # Errors
    ///
    /// Returns an error when the server is not built or does not start.
    pub async fn start_server(&mut self) -> Result<ServerProcess> {
        self.start_server_on("127.0.0.1:0").await
    }

    /// Starts a server on this address.
    ///
    /// # Errors
    ///
    /// Returns an error when the server is not built or does not start.
    pub async fn start_server_on(&mut self, listen: &str) -> Result<ServerProcess> {
        self.start_server_with(listen, &[]).await
    }

    /// Starts a server on this address with these command line options.
    ///
    /// # Errors
    ///
    /// Returns an error when the server is not built or does not start.
    pub async fn start_server_with(&mut self, listen: &str, options: &[&str]) -> Result<ServerProcess> {
        let server = ServerProcess::start_with(listen, options).await?;
        Ok(self.add_server(server))
    }

    /// Starts a server in this network namespace with these command line options.
    ///
    /// # Errors
    ///
    /// Returns an error when the server is not built or does not start.
    pub async fn start_server_in(
        &mut self,
        namespace: &Namespace,
        listen: &str,
        options: &[&str],
    ) -> Result<ServerProcess> {
        let server = ServerProcess::start_in(namespace, listen, options).await?;
        Ok(self.add_server(server))
    }

    fn add_server(&mut self, server: ServerProcess) -> ServerProcess {
        self.logs.push((format!("server-{}", self.servers.len()), server.log().clone()));
        self.servers.push(server.clone());
        server
    }

    /// Starts a server in this process's own network namespace. The proxies make it reachable from the loopback of the
    /// left and the right namespace.
    ///
    /// # Errors
    ///
    /// Returns an error when the server does not start, or a namespace cannot be entered.
    pub async fn start_server_reachable_from(
        &mut self,
        network: &EmulatedNetwork,
    ) -> Result<(ServerProcess, [TcpProxy; 2])> {
        let server = self.start_server().await?;
        let left = network.left.forward_into(server.address()).await?;
        let right = network.right.forward_into(server.address()).await?;
        Ok((server, [left, right]))
    }

    /// Starts the desktop app for the person with this name.
    ///
    /// # Errors
    ///
    /// Returns an error when something that it needs is not installed or built, or does not start.
    pub async fn start_app(&mut self, name: &str) -> Result<Rc<DesktopApp>> {
        self.start_app_with(name, &AppOptions::default()).await
    }

    /// Starts the desktop app with these options.
    ///
    /// # Errors
    ///
    /// Returns an error when something that it needs is not installed or built, or does not start.
    pub async fn start_app_with(&mut self, name: &str, setup: &AppOptions) -> Result<Rc<DesktopApp>> {
        let desktop = Rc::new(DesktopApp::start(name, setup).await?);
        self.logs.push((format!("app-{name}"), desktop.log().clone()));
        self.pages.push(desktop.page().clone());
        self.apps.push(Rc::clone(&desktop));
        Ok(desktop)
    }

    /// Opens a page at this URL in a new browser.
    ///
    /// # Errors
    ///
    /// Returns an error when there is no browser, or the page does not load.
    pub async fn open_page(&mut self, name: &str, url: &str) -> Result<TestPage> {
        let page = self.new_page(name, &BrowserOptions::default()).await?;
        page.open(url).await?;
        Ok(page)
    }

    /// Opens the server's page in a new browser and logs in.
    ///
    /// # Errors
    ///
    /// Returns an error when there is no browser, the page does not load, or logging in fails.
    pub async fn log_in(&mut self, name: &str, server: &ServerProcess) -> Result<TestPage> {
        let page = self.open_page(name, &server.url()).await?;
        page.log_in(name).await?;
        Ok(page)
    }

    /// Opens an empty page in a new browser.
    ///
    /// # Errors
    ///
    /// Returns an error when there is no browser.
    pub async fn new_page(&mut self, name: &str, profile: &BrowserOptions) -> Result<TestPage> {
        if self.driver.is_none() {
            self.driver = Some(ChromeDriver::start().await?);
        }
        let driver = self.driver.as_ref().ok_or_else(|| anyhow!("no chromedriver"))?;
        let page = TestPage::in_browser(name, driver.browser(profile).await?).await?;
        self.pages.push(page.clone());
        Ok(page)
    }

    /// Opens an empty page in a new Firefox, in a network namespace if one is given.
    ///
    /// # Errors
    ///
    /// Returns an error when Firefox is not installed or does not start.
    pub async fn new_firefox_page(
        &mut self,
        name: &str,
        namespace: Option<&Namespace>,
        window: WindowPlacement,
    ) -> Result<TestPage> {
        let page = TestPage::in_firefox(name, namespace, window).await?;
        self.pages.push(page.clone());
        Ok(page)
    }

    /// Opens an empty page in a new browser in this network namespace.
    ///
    /// # Errors
    ///
    /// Returns an error when there is no browser, or its driver cannot be reached.
    pub async fn new_page_in(
        &mut self,
        namespace: &Namespace,
        name: &str,
        profile: &BrowserOptions,
    ) -> Result<TestPage> {
        let driver = ChromeDriver::start_in(namespace).await?;
        let page = TestPage::in_browser(name, driver.browser(profile).await?).await?;
        self.more_drivers.push(driver);
        self.pages.push(page.clone());
        Ok(page)
    }

    /// Opens an empty page in a new browser that uses this session bus.
    ///
    /// # Errors
    ///
    /// Returns an error when there is no browser.
    pub async fn new_page_on(&mut self, bus: &SessionBus, name: &str, profile: &BrowserOptions) -> Result<TestPage> {
        let driver = ChromeDriver::start_on(bus).await?;
        let page = TestPage::in_browser(name, driver.browser(profile).await?).await?;
        self.more_drivers.push(driver);
        self.pages.push(page.clone());
        Ok(page)
    }

    /// Keeps a value alive until the scenario ends.
    pub fn keep_alive(&mut self, value: impl Any) {
        self.kept_alive.push(Box::new(value));
    }

    async fn save_artifacts(&self, scenario: &str) {
        let Ok(folder) = paths::create_target_dir(&format!("e2e-failures/{scenario}")) else { return };
        for page in &self.pages {
            // A killed or hanging browser does not answer.
            let _ = timeout(Duration::from_secs(15), page.save_artifacts(&folder)).await;
        }
        for (name, log) in &self.logs {
            // Best effort: an error here must not hide the scenario's failure.
            let _ = fs::write(folder.join(format!("{name}.log")), log.text());
        }
        println!("screenshots, sources and logs: {}", folder.display());
    }
}

/// Return type of an end-to-end test.
pub type TestResult = std::result::Result<(), ScenarioFailure>;

/// Error of a failed scenario. Its `Debug` output is the chain of causes without the harness's backtrace.
pub struct ScenarioFailure(String);

impl fmt::Debug for ScenarioFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs a test body and stops everything that it started.
///
/// # Errors
///
/// Returns the body's error, or a timeout.
pub async fn scenario(name: &str, body: impl AsyncFnOnce(&mut TestEnv) -> Result<()>) -> TestResult {
    let start = Instant::now();
    let mut env = TestEnv::default();
    let outcome = AssertUnwindSafe(timeout(SCENARIO_TIMEOUT, body(&mut env))).catch_unwind().await;
    let outcome: Result<Result<()>, Box<dyn Any + Send>> = match outcome {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(_)) => Ok(Err(anyhow!("timed out after {SCENARIO_TIMEOUT:?}"))),
        Err(panic) => Err(panic),
    };
    println!("{name}: {:.1} s", start.elapsed().as_secs_f32());
    if !matches!(outcome, Ok(Ok(()))) {
        env.save_artifacts(name).await;
    }
    join_all(env.pages.iter().map(TestPage::close_browser)).await;
    match outcome {
        Ok(result) => result.map_err(|error| ScenarioFailure(format!("{error:#}"))),
        Err(panic) => {
            drop(env);
            resume_unwind(panic)
        }
    }
}
