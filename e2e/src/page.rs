//! Page object: a web page under `WebDriver` control, with waits for what it shows.

use std::{
    cell::RefCell,
    fmt::Write as _,
    path::Path,
    rc::Rc,
    time::{Duration, Instant},
};

use rustix::process::Pid;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thirtyfour::WebDriver;

use crate::{
    Context, Result, bail,
    browser::{BrowserSession, WindowPlacement},
    ensure,
    firefox::FirefoxBrowser,
    instrument::{Click, FirstFrame, OpenResources, ReceivedTotals, RosterChange, TimelineMark},
    network::Namespace,
    page_control::{PageControl, RunningBrowser},
    process,
};

/// Time limit for reactions that need no other person; generous, because test machines are busy.
pub const UI_TIMEOUT: Duration = Duration::from_secs(10);

const INSTRUMENT: &str = include_str!("instrument.js");

/// A web page in its own browser or in the app's webview. Clones are the same page.
#[derive(Clone, Debug)]
pub struct TestPage {
    name: Rc<str>,
    control: PageControl,
    is_webview: bool,
    /// `None` for a webview, and once the browser is closed or killed.
    browser: Rc<RefCell<Option<RunningBrowser>>>,
}

impl TestPage {
    /// Wraps the page of Chromium and has `instrument.js` injected into each document that it loads from now on.
    ///
    /// # Errors
    ///
    /// Returns an error when the browser refuses the script.
    pub async fn in_browser(name: &str, browser: BrowserSession) -> Result<Self> {
        let driver = browser.driver().clone();
        let cdp = driver.cdp();
        cdp.send_raw("Page.addScriptToEvaluateOnNewDocument", json!({ "source": INSTRUMENT })).await?;
        let browser = Rc::new(RefCell::new(Some(RunningBrowser::Chromium(Box::new(browser)))));
        Ok(Self { name: name.into(), control: PageControl::WebDriver(driver), is_webview: false, browser })
    }

    /// Starts Firefox, in a network namespace if one is given, and wraps its page; `instrument.js` runs in each document that it loads.
    ///
    /// # Errors
    ///
    /// Returns an error when Firefox is not installed or does not start.
    pub async fn in_firefox(name: &str, namespace: Option<&Namespace>, window: WindowPlacement) -> Result<Self> {
        let browser = FirefoxBrowser::start(namespace, window, INSTRUMENT).await?;
        let control = PageControl::Bidi(Rc::clone(&browser.session));
        Ok(Self {
            name: name.into(),
            control,
            is_webview: false,
            browser: Rc::new(RefCell::new(Some(RunningBrowser::Firefox(Box::new(browser))))),
        })
    }

    /// Wraps the page of a webview. No script can be injected there before a page loads: `instrument.js` runs now,
    /// which is early enough for later calls, and is lost at a reload.
    ///
    /// # Errors
    ///
    /// Returns an error when the script fails.
    pub async fn in_webview(name: &str, driver: WebDriver) -> Result<Self> {
        driver.execute(INSTRUMENT, Vec::new()).await.with_context(|| format!("{name}: instrumenting"))?;
        Ok(Self {
            name: name.into(),
            control: PageControl::WebDriver(driver),
            is_webview: true,
            browser: Rc::default(),
        })
    }

    /// The name of the person who uses it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is the app's page.
    #[must_use]
    pub fn is_webview(&self) -> bool {
        self.is_webview
    }

    /// The `WebDriver` session, for commands that this type lacks.
    ///
    /// # Errors
    ///
    /// Returns an error for Firefox.
    pub fn driver(&self) -> Result<&WebDriver> {
        self.control.web_driver()
    }

    /// Runs a script in the loaded page.
    ///
    /// # Errors
    ///
    /// Returns an error when the script fails.
    pub async fn inject(&self, script: &str) -> Result<()> {
        self.control.execute(script).await.with_context(|| format!("{}: injecting a script", self.name))
    }

    /// The browser's process tree, without the driver. Empty for a webview, whose processes the app returns, and once
    /// killed.
    #[must_use]
    pub fn processes(&self) -> Vec<Pid> {
        self.browser.borrow().as_ref().and_then(RunningBrowser::pid).map(process::process_tree).unwrap_or_default()
    }

    /// Kills the browser, as a crash does.
    pub fn kill_browser(&self) {
        self.browser.borrow_mut().take();
    }

    /// Closes the browser.
    pub async fn close_browser(&self) {
        let browser = self.browser.borrow_mut().take();
        if let Some(browser) = browser {
            browser.close().await;
        }
    }

    /// Navigates to a URL.
    ///
    /// # Errors
    ///
    /// Returns an error when loading fails.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.control.open(url).await.with_context(|| format!("{}: opening {url}", self.name))
    }

    /// Reloads the page, as F5 does.
    ///
    /// # Errors
    ///
    /// Returns an error when loading fails.
    pub async fn reload(&self) -> Result<()> {
        self.control.reload().await.with_context(|| format!("{}: reloading", self.name))
    }

    /// Submits a name and waits until the user is logged in.
    ///
    /// # Errors
    ///
    /// Returns an error when the state is not reached in time.
    pub async fn log_in(&self, name: &str) -> Result<()> {
        self.submit_login(name).await?;
        self.wait_until(
            "being logged in",
            UI_TIMEOUT,
            r#"const me = one("me"); return me && me.dataset.state === "online""#,
        )
        .await
    }

    /// Types a name and presses the login button.
    ///
    /// # Errors
    ///
    /// Returns an error when the page has no such field or button.
    pub async fn submit_login(&self, name: &str) -> Result<()> {
        self.wait_until("the name field", UI_TIMEOUT, "return document.querySelector('input#name')").await?;
        self.control.type_into("input#name", name).await?;
        self.press("login").await
    }

    /// Pastes a name, which may have characters that no keyboard types, and presses the login button.
    ///
    /// # Errors
    ///
    /// Returns an error when the page has no such field or button.
    pub async fn paste_name(&self, name: &str) -> Result<()> {
        let script = format!(
            "const field = document.querySelector('input#name');
             if (!field) return false;
             field.focus();
             field.select();
             return document.execCommand('insertText', false, {}) && field.value === {0}",
            json!(name)
        );
        self.wait_until("the name in its field", UI_TIMEOUT, &script).await?;
        self.press("login").await
    }

    /// Clicks the button with this `data-testid`.
    ///
    /// # Errors
    ///
    /// Returns an error when it does not appear in time, or cannot be clicked.
    pub async fn press(&self, id: &str) -> Result<()> {
        self.press_css(&format!("[data-testid={}]", json!(id))).await
    }

    /// Clicks the button with this `data-testid` on a user's tile.
    ///
    /// # Errors
    ///
    /// Returns an error when it does not appear in time, or cannot be clicked.
    pub async fn press_on_tile(&self, user: &str, id: &str) -> Result<()> {
        self.press_css(&tile_button(user, id)).await
    }

    /// Has the page itself click a button on a user's tile at this time ([`now`](Self::now)).
    ///
    /// # Errors
    ///
    /// Returns an error when the script fails.
    pub async fn press_on_tile_at(&self, user: &str, id: &str, at: f64) -> Result<()> {
        self.run(&format!("e2e.pressAt({}, {at})", json!(tile_button(user, id)))).await
    }

    /// Current time in milliseconds; comparable between pages of one machine.
    ///
    /// # Errors
    ///
    /// Returns an error when the script fails.
    pub async fn now(&self) -> Result<f64> {
        self.run("return e2e.now()").await
    }

    /// Clicks what this CSS selector finds.
    ///
    /// # Errors
    ///
    /// Returns an error when it does not appear in time, or cannot be clicked.
    pub async fn press_css(&self, css: &str) -> Result<()> {
        let there = format!(
            "const it = document.querySelector({}); return it && !it.disabled && it.getClientRects().length > 0",
            json!(css)
        );
        self.wait_until(&format!("a button {css}"), UI_TIMEOUT, &there).await?;
        let deadline = Instant::now() + UI_TIMEOUT;
        loop {
            // The page may re-render or move the button between lookup and click: retry.
            match self.control.click(css).await {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    return Err(error).with_context(|| format!("{}: pressing {css}", self.name));
                }
                Err(_) => self.wait_until(&format!("a button {css}"), UI_TIMEOUT, &there).await?,
            }
        }
    }

    /// Waits until a script body returns a truthy value. It may use `one(testid)`, `all(testid)`, `user(name)`, `e2e`
    /// and `await`.
    ///
    /// # Errors
    ///
    /// Returns an error with the page's visible elements when the limit passes.
    pub async fn wait_until(&self, expectation: &str, limit: Duration, script: &str) -> Result<()> {
        self.wait_for_value(expectation, limit, script).await.map(|_| ())
    }

    /// Waits as [`wait_until`](Self::wait_until) does, and returns the script's value.
    ///
    /// # Errors
    ///
    /// Returns an error with the page's visible elements when the limit passes.
    pub async fn wait_for_value(&self, expectation: &str, limit: Duration, script: &str) -> Result<Value> {
        let script = format!(
            r#"{PRELUDE}
            const done = arguments[arguments.length - 1];
            const deadline = performance.now() + {limit};
            const check = async () => {{ {script} }};
            const step = async () => {{
                let found, problem;
                try {{ found = await check(); }} catch (error) {{ problem = String(error); }}
                if (found) return done({{ found: found instanceof Node ? true : found }});
                if (performance.now() > deadline) return done({{ problem }});
                later(step, 15);
            }};
            step();"#,
            limit = limit.as_millis()
        );
        let answer = self.control.execute_async(script).await;
        let answer = answer.with_context(|| format!("{}: waiting for {expectation}", self.name))?;
        match answer.get("found") {
            Some(found) => Ok(found.clone()),
            None => bail!(
                "{}: timed out after {limit:?} waiting for {expectation}\n{}\nvisible elements: {}",
                self.name,
                answer.get("problem").and_then(Value::as_str).unwrap_or_default(),
                self.visible_elements().await
            ),
        }
    }

    /// Runs a script body (see [`wait_until`](Self::wait_until)) once and returns its value.
    ///
    /// # Errors
    ///
    /// Returns an error when the script throws, or its value has another type.
    pub async fn run<T: DeserializeOwned>(&self, script: &str) -> Result<T> {
        let script = format!(
            r#"{PRELUDE}
            const done = arguments[arguments.length - 1];
            (async () => {{ {script} }})().then((value) => done({{ value }}), (error) => done({{ error: String(error) }}));"#
        );
        let answer = self.control.execute_async(script).await?;
        if let Some(error) = answer.get("error") {
            bail!("{}: a script failed: {error}", self.name);
        }
        let value = answer.get("value").cloned().unwrap_or(Value::Null);
        serde_json::from_value(value).with_context(|| format!("{}: unexpected type of the script's value", self.name))
    }

    /// Waits until the roster shows a user in this state.
    ///
    /// # Errors
    ///
    /// Returns an error when the limit passes.
    pub async fn wait_for_user_state(&self, user: &str, state: &str, limit: Duration) -> Result<()> {
        let script = format!("const it = user({}); return it && it.dataset.state === {}", json!(user), json!(state));
        self.wait_until(&format!("{user} to be {state}"), limit, &script).await
    }

    /// Waits until the roster no longer shows a user.
    ///
    /// # Errors
    ///
    /// Returns an error when the limit passes.
    pub async fn wait_until_user_gone(&self, user: &str, limit: Duration) -> Result<()> {
        self.wait_until(&format!("{user} to leave the roster"), limit, &format!("return !user({})", json!(user))).await
    }

    /// Waits until the page's own user is in this state.
    ///
    /// # Errors
    ///
    /// Returns an error when the limit passes.
    pub async fn wait_for_own_state(&self, state: &str, limit: Duration) -> Result<()> {
        let script = format!(r#"const me = one("me"); return me && me.dataset.state === {}"#, json!(state));
        self.wait_until(&format!("being {state}"), limit, &script).await
    }

    /// Waits until the page's call is in this phase.
    ///
    /// # Errors
    ///
    /// Returns an error when the limit passes.
    pub async fn wait_for_phase(&self, phase: &str, limit: Duration) -> Result<()> {
        let script = format!(r#"const call = one("call"); return call && call.dataset.phase === {}"#, json!(phase));
        self.wait_until(&format!("the call to be {phase}"), limit, &script).await
    }

    /// Waits until the page shows no call.
    ///
    /// # Errors
    ///
    /// Returns an error when the limit passes.
    pub async fn wait_until_no_call(&self, limit: Duration) -> Result<()> {
        self.wait_until("no call", limit, r#"return !one("call")"#).await
    }

    /// Waits for the notice with this code and returns its text.
    ///
    /// # Errors
    ///
    /// Returns an error when the limit passes without the notice, or with an empty one.
    pub async fn wait_for_notice(&self, code: &str, limit: Duration) -> Result<String> {
        let script = format!(
            r#"const it = one("notice"); return it && it.dataset.code === {} && it.innerText.trim()"#,
            json!(code)
        );
        let sentence = self.wait_for_value(&format!("the notice {code}"), limit, &script).await?;
        Ok(sentence.as_str().unwrap_or_default().to_owned())
    }

    /// The totals received so far.
    ///
    /// # Errors
    ///
    /// Returns an error when the script fails.
    pub async fn received_totals(&self) -> Result<ReceivedTotals> {
        self.run("return await e2e.receivedTotals()").await
    }

    /// Waits until this many video frames are decoded and some audio energy is received, over the open peer
    /// connections.
    ///
    /// # Errors
    ///
    /// Returns an error when the limit passes.
    pub async fn wait_for_received(&self, frames: u64, limit: Duration) -> Result<()> {
        let script = format!("const got = await e2e.receivedTotals(); return got.frames > {frames} && got.energy > 0");
        let outcome = self.wait_until(&format!("{frames} frames and audio"), limit, &script).await;
        if outcome.is_err()
            && let Ok(got) = self.run::<serde_json::Value>("return e2e.receivedTotals()").await
        {
            println!("{} received {got}", self.name);
        }
        outcome.with_context(|| format!("{}: no video or no audio", self.name))
    }

    /// Starts to record the received totals at this interval.
    ///
    /// # Errors
    ///
    /// Returns an error when the script fails.
    pub async fn start_recording_totals(&self, every: Duration) -> Result<()> {
        self.run(&format!("e2e.startRecordingTotals({})", every.as_millis())).await
    }

    /// Waits for this many records, stops recording and returns all of them.
    ///
    /// # Errors
    ///
    /// Returns an error when the limit passes.
    pub async fn stop_recording_totals(&self, count: usize, limit: Duration) -> Result<Vec<ReceivedTotals>> {
        self.wait_until(&format!("{count} samples"), limit, &format!("return e2e.recordedTotals.length >= {count}"))
            .await?;
        self.run("return e2e.stopRecordingTotals()").await
    }

    /// The media resources and timers that the page holds open.
    ///
    /// # Errors
    ///
    /// Returns an error when the script fails.
    pub async fn open_resources(&self) -> Result<OpenResources> {
        self.run("return e2e.openResources()").await
    }

    /// All roster changes since the page was loaded.
    ///
    /// # Errors
    ///
    /// Returns an error when the script fails.
    pub async fn roster_changes(&self) -> Result<Vec<RosterChange>> {
        self.run("return e2e.rosterChanges").await
    }

    /// All clicks since the page was loaded.
    ///
    /// # Errors
    ///
    /// Returns an error when the script fails.
    pub async fn clicks(&self) -> Result<Vec<Click>> {
        self.run("return e2e.clicks").await
    }

    /// The timeline of this page's calls.
    ///
    /// # Errors
    ///
    /// Returns an error when the script fails.
    pub async fn timeline_marks(&self) -> Result<Vec<TimelineMark>> {
        self.run("return e2e.marks").await
    }

    /// The first presented frame of each remote video since the page was loaded.
    ///
    /// # Errors
    ///
    /// Returns an error when the script fails.
    pub async fn first_frames(&self) -> Result<Vec<FirstFrame>> {
        self.run("return e2e.firstFrames").await
    }

    /// Has the page itself click the button with this `data-testid` as soon as it appears.
    ///
    /// # Errors
    ///
    /// Returns an error when the script fails.
    pub async fn press_when_present(&self, id: &str) -> Result<()> {
        self.run(&format!("e2e.pressWhenPresent({})", json!(id))).await
    }

    /// Checks that the page had no uncaught errors.
    ///
    /// # Errors
    ///
    /// Returns an error that lists them.
    pub async fn ensure_no_errors(&self) -> Result<()> {
        let errors: Vec<String> = self.run("return e2e.errors").await?;
        ensure!(errors.is_empty(), "{}: uncaught errors in the page: {errors:#?}", self.name);
        Ok(())
    }

    /// Saves a screenshot.
    ///
    /// # Errors
    ///
    /// Returns an error when the screenshot or writing the file fails.
    pub async fn screenshot(&self, file: &Path) -> Result<()> {
        self.control.screenshot(file).await.with_context(|| format!("{}: screenshot", self.name))
    }

    /// Saves screenshot, source and log in this folder, as far as the browser still answers.
    pub async fn save_artifacts(&self, folder: &Path) {
        // Best effort: an error here must not hide the scenario's failure.
        let _ = self.control.screenshot(&folder.join(format!("{}.png", self.name))).await;
        let Ok(driver) = self.driver() else { return };
        if let Ok(source) = driver.source().await {
            let _ = std::fs::write(folder.join(format!("{}.html", self.name)), source);
        }
        if let Ok(entries) = driver.browser_log().await {
            let mut log = String::new();
            for entry in entries {
                let _ = writeln!(log, "{entry:?}");
            }
            let _ = std::fs::write(folder.join(format!("{}.log", self.name)), log);
        }
    }

    /// The elements that tests look at, one a line.
    async fn visible_elements(&self) -> String {
        let script = r#"return [...document.querySelectorAll("[data-testid]")].map((it) =>
            it.dataset.testid + " " + JSON.stringify({ ...it.dataset, testid: undefined })
            + (it.children.length ? "" : " " + (it.innerText || "").slice(0, 120))).join("\n")"#;
        self.run(script).await.unwrap_or_else(|error| format!("unavailable: {error}"))
    }
}

/// CSS selector of a button on a user's tile.
fn tile_button(user: &str, id: &str) -> String {
    format!("[data-testid=user][data-name={}] [data-testid={}]", json!(user), json!(id))
}

const PRELUDE: &str = r#"
    const e2e = window.__e2e;
    const later = e2e ? e2e.native.setTimeout : window.setTimeout.bind(window);
    const all = (id) => [...document.querySelectorAll(`[data-testid="${id}"]`)];
    const one = (id) => all(id)[0];
    const user = (name) => all("user").find((it) => it.dataset.name === name);
"#;
