//! A test's run: what it started, and what is kept of it when it fails.

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
    Proxy, Result, Server, anyhow,
    browser::{Driver, Profile},
    desktop::{Desktop, Setup},
    network::{Namespace, Network},
    page::Page,
    paths,
    process::Log,
};

/// The longest that any scenario may take: a test that hangs is a failed test.
const LIMIT: Duration = Duration::from_secs(240);

/// What a scenario has started.
#[derive(Debug, Default)]
pub struct World {
    // The order matters: browsers end before their driver, and both before what they are connected to.
    pages: Vec<Page>,
    driver: Option<Driver>,
    drivers_within: Vec<Driver>,
    servers: Vec<Server>,
    desktops: Vec<Rc<Desktop>>,
    logs: Vec<(String, Log)>,
    kept: Vec<Box<dyn Any>>,
}

impl World {
    /// Starts a server on a free port.
    ///
    /// # Errors
    ///
    /// When it is not built or does not start.
    pub async fn server(&mut self) -> Result<Server> {
        self.server_on("127.0.0.1:0").await
    }

    /// Starts a server on this address.
    ///
    /// # Errors
    ///
    /// When it is not built or does not start.
    pub async fn server_on(&mut self, listen: &str) -> Result<Server> {
        self.server_with(listen, &[]).await
    }

    /// Starts a server on this address, with these options.
    ///
    /// # Errors
    ///
    /// When it is not built or does not start.
    pub async fn server_with(&mut self, listen: &str, options: &[&str]) -> Result<Server> {
        let server = Server::start_with(listen, options).await?;
        self.logs.push((format!("server-{}", self.servers.len()), server.log().clone()));
        self.servers.push(server.clone());
        Ok(server)
    }

    /// Starts a server in this process's own network that is reached at the returned addresses: at the first from here, at the
    /// others from the loopback of each namespace.
    ///
    /// # Errors
    ///
    /// When it is not built or does not start, or a namespace cannot be entered.
    pub async fn server_for(&mut self, network: &Network) -> Result<(Server, [Proxy; 2])> {
        let server = self.server().await?;
        let left = network.left.bring(server.address()).await?;
        let right = network.right.bring(server.address()).await?;
        Ok((server, [left, right]))
    }

    /// Starts the desktop app, whose window is to be called so.
    ///
    /// # Errors
    ///
    /// When something that it needs is not installed or built, or does not start.
    pub async fn desktop(&mut self, name: &str) -> Result<Rc<Desktop>> {
        self.desktop_with(name, &Setup::default()).await
    }

    /// Starts the desktop app as [`desktop`](Self::desktop) does, with this setup.
    ///
    /// # Errors
    ///
    /// When something that it needs is not installed or built, or does not start.
    pub async fn desktop_with(&mut self, name: &str, setup: &Setup) -> Result<Rc<Desktop>> {
        let desktop = Rc::new(Desktop::start(name, setup).await?);
        self.logs.push((format!("app-{name}"), desktop.log().clone()));
        self.pages.push(desktop.page().clone());
        self.desktops.push(Rc::clone(&desktop));
        Ok(desktop)
    }

    /// Opens a page at this address, in a fresh browser.
    ///
    /// # Errors
    ///
    /// When there is no browser, or the page does not load.
    pub async fn open(&mut self, name: &str, url: &str) -> Result<Page> {
        let page = self.page(name, &Profile::default()).await?;
        page.open(url).await?;
        Ok(page)
    }

    /// Opens a page as [`open`](Self::open) does, and logs in.
    ///
    /// # Errors
    ///
    /// When there is no browser, or the page does not load, or logging in fails.
    pub async fn log_in(&mut self, name: &str, server: &Server) -> Result<Page> {
        let page = self.open(name, &server.url()).await?;
        page.log_in(name).await?;
        Ok(page)
    }

    /// An empty page in a fresh browser.
    ///
    /// # Errors
    ///
    /// When there is no browser.
    pub async fn page(&mut self, name: &str, profile: &Profile) -> Result<Page> {
        if self.driver.is_none() {
            self.driver = Some(Driver::chrome().await?);
        }
        let driver = self.driver.as_ref().ok_or_else(|| anyhow!("no driver"))?;
        let page = Page::instrumented(name, driver.browser(profile).await?).await?;
        self.pages.push(page.clone());
        Ok(page)
    }

    /// An empty page in a fresh browser in this namespace.
    ///
    /// # Errors
    ///
    /// When there is no browser, or it cannot be reached there.
    pub async fn page_within(&mut self, namespace: &Namespace, name: &str, profile: &Profile) -> Result<Page> {
        let driver = Driver::chrome_within(namespace).await?;
        let page = Page::instrumented(name, driver.browser(profile).await?).await?;
        self.drivers_within.push(driver);
        self.pages.push(page.clone());
        Ok(page)
    }

    /// Keeps something as long as the scenario.
    pub fn keep(&mut self, what: impl Any) {
        self.kept.push(Box::new(what));
    }

    async fn keep_evidence(&self, scenario: &str) {
        let Ok(folder) = paths::folder_in_target(&format!("e2e-failures/{scenario}")) else { return };
        for page in &self.pages {
            // A killed or hanging browser answers nothing.
            let _ = timeout(Duration::from_secs(15), page.keep_evidence(&folder)).await;
        }
        for (name, log) in &self.logs {
            // The failure itself matters more than a full disk.
            let _ = fs::write(folder.join(format!("{name}.log")), log.text());
        }
        println!("pictures, sources and logs: {}", folder.display());
    }
}

/// What a test returns.
pub type Outcome = std::result::Result<(), Failure>;

/// Why a scenario failed, to be read by people: causes in order, and no backtrace of the harness.
pub struct Failure(String);

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs a test's body, and ends everything that it started.
///
/// # Errors
///
/// What the body failed with, or that it took too long.
pub async fn scenario(name: &str, body: impl AsyncFnOnce(&mut World) -> Result<()>) -> Outcome {
    let start = Instant::now();
    let mut world = World::default();
    let outcome = AssertUnwindSafe(timeout(LIMIT, body(&mut world))).catch_unwind().await;
    let outcome: Result<Result<()>, Box<dyn Any + Send>> = match outcome {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(_)) => Ok(Err(anyhow!("not over after {LIMIT:?}"))),
        Err(panic) => Err(panic),
    };
    println!("{name}: {:.1} s", start.elapsed().as_secs_f32());
    if !matches!(outcome, Ok(Ok(()))) {
        world.keep_evidence(name).await;
    }
    join_all(world.pages.iter().map(Page::close_browser)).await;
    match outcome {
        Ok(result) => result.map_err(|error| Failure(format!("{error:#}"))),
        Err(panic) => {
            drop(world);
            resume_unwind(panic)
        }
    }
}
