//! A page, as the person before it sees and uses it.

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
use thirtyfour::{By, WebDriver};

use crate::{
    Context, Result, bail,
    browser::Browser,
    ensure,
    media::{Click, FirstFrame, Leftovers, Mark, Received, RosterChange},
    process,
};

/// How long the page may take for what needs no other person: generous, because machines that run tests are busy.
pub const SOON: Duration = Duration::from_secs(10);

const INSTRUMENT: &str = include_str!("instrument.js");

/// A page in a browser of its own. Clones are the same page.
#[derive(Clone, Debug)]
pub struct Page {
    name: Rc<str>,
    driver: WebDriver,
    /// Gone once killed.
    browser: Rc<RefCell<Option<Browser>>>,
}

impl Page {
    /// The page of a browser, instrumented from the next load on.
    ///
    /// # Errors
    ///
    /// When the browser takes no script.
    pub async fn instrumented(name: &str, browser: Browser) -> Result<Self> {
        let driver = browser.driver().clone();
        let cdp = driver.cdp();
        cdp.send_raw("Page.addScriptToEvaluateOnNewDocument", json!({ "source": INSTRUMENT })).await?;
        Ok(Self { name: name.into(), driver, browser: Rc::new(RefCell::new(Some(browser))) })
    }

    /// The page of a webview. Nothing can be injected there before a page loads: it is instrumented from now on, which is in
    /// time for whatever it does later, and as long as it is not loaded anew.
    ///
    /// # Errors
    ///
    /// When it runs no script.
    pub async fn in_webview(name: &str, driver: WebDriver) -> Result<Self> {
        driver.execute(INSTRUMENT, Vec::new()).await.with_context(|| format!("{name}: instrumenting"))?;
        Ok(Self { name: name.into(), driver, browser: Rc::default() })
    }

    /// Whose it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its WebDriver session, for what is not here.
    #[must_use]
    pub fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// The processes of its browser, without its driver's; none for a webview, whose app tells them, and once it is killed.
    #[must_use]
    pub fn processes(&self) -> Vec<Pid> {
        self.browser.borrow().as_ref().and_then(Browser::pid).map(process::tree).unwrap_or_default()
    }

    /// Kills its browser as a crash would.
    pub fn kill_browser(&self) {
        self.browser.borrow_mut().take();
    }

    /// Closes its browser.
    pub async fn close_browser(&self) {
        let browser = self.browser.borrow_mut().take();
        if let Some(browser) = browser {
            browser.close().await;
        }
    }

    /// Loads an address.
    ///
    /// # Errors
    ///
    /// When it cannot be loaded.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.driver.goto(url).await.with_context(|| format!("{}: opening {url}", self.name))
    }

    /// Loads its address anew, as F5 does.
    ///
    /// # Errors
    ///
    /// When it cannot be loaded.
    pub async fn reload(&self) -> Result<()> {
        self.driver.refresh().await.with_context(|| format!("{}: reloading", self.name))
    }

    /// Types a name, presses the button, and waits until the person is logged in.
    ///
    /// # Errors
    ///
    /// When that does not come about.
    pub async fn log_in(&self, name: &str) -> Result<()> {
        self.try_log_in(name).await?;
        self.until("being logged in", SOON, r#"const me = one("me"); return me && me.dataset.state === "online""#).await
    }

    /// Types a name and presses the button.
    ///
    /// # Errors
    ///
    /// When the page has no such field or button.
    pub async fn try_log_in(&self, name: &str) -> Result<()> {
        self.until("the name field", SOON, "return document.querySelector('input#name')").await?;
        let field = self.driver.find(By::Css("input#name")).await?;
        field.clear().await?;
        field.send_keys(name).await?;
        self.press("login").await
    }

    /// Presses a button, by its data-testid.
    ///
    /// # Errors
    ///
    /// When it does not appear, or cannot be pressed.
    pub async fn press(&self, id: &str) -> Result<()> {
        self.press_css(&format!("[data-testid={}]", json!(id))).await
    }

    /// Presses a button on a user's tile.
    ///
    /// # Errors
    ///
    /// When it does not appear, or cannot be pressed.
    pub async fn press_for(&self, user: &str, id: &str) -> Result<()> {
        self.press_css(&on_tile(user, id)).await
    }

    /// Has a button on a user's tile pressed by the page itself, at this time (see [`now`](Self::now)).
    ///
    /// # Errors
    ///
    /// When the page does not.
    pub async fn press_for_at(&self, user: &str, id: &str, at: f64) -> Result<()> {
        self.run(&format!("e2e.pressAt({}, {at})", json!(on_tile(user, id)))).await
    }

    /// The time, in milliseconds; comparable between pages of one machine.
    ///
    /// # Errors
    ///
    /// When the page does not tell.
    pub async fn now(&self) -> Result<f64> {
        self.run("return e2e.now()").await
    }

    async fn press_css(&self, css: &str) -> Result<()> {
        let there = format!(
            "const it = document.querySelector({}); return it && !it.disabled && it.getClientRects().length > 0",
            json!(css)
        );
        self.until(&format!("a button {css}"), SOON, &there).await?;
        let deadline = Instant::now() + SOON;
        loop {
            // Between finding and pressing, the page may have drawn the button anew or moved it: then once more.
            let pressed = async { self.driver.find(By::Css(css)).await?.click().await }.await;
            match pressed {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    return Err(error).with_context(|| format!("{}: pressing {css}", self.name));
                }
                Err(_) => self.until(&format!("a button {css}"), SOON, &there).await?,
            }
        }
    }

    /// Waits until a script's body returns something true. It may use `one(testid)`, `all(testid)`, `user(name)`, `e2e`
    /// and `await`.
    ///
    /// # Errors
    ///
    /// When it has not by then, with what the page showed.
    pub async fn until(&self, what: &str, limit: Duration, script: &str) -> Result<()> {
        self.until_some(what, limit, script).await.map(|_| ())
    }

    /// Like [`until`](Self::until), and gives what the script returned.
    ///
    /// # Errors
    ///
    /// When it has returned nothing true by then, with what the page showed.
    pub async fn until_some(&self, what: &str, limit: Duration, script: &str) -> Result<Value> {
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
        let answer = self.driver.execute_async(script, Vec::new()).await;
        let answer = answer.with_context(|| format!("{}: waiting for {what}", self.name))?;
        match answer.json().get("found") {
            Some(found) => Ok(found.clone()),
            None => bail!(
                "{}: waited {limit:?} for {what}\n{}\nshown: {}",
                self.name,
                answer.json().get("problem").and_then(Value::as_str).unwrap_or_default(),
                self.shown().await
            ),
        }
    }

    /// Runs a script's body (see [`until`](Self::until)) once, and gives what it returns.
    ///
    /// # Errors
    ///
    /// When it throws, or returns something else.
    pub async fn run<T: DeserializeOwned>(&self, script: &str) -> Result<T> {
        let script = format!(
            r#"{PRELUDE}
            const done = arguments[arguments.length - 1];
            (async () => {{ {script} }})().then((value) => done({{ value }}), (error) => done({{ error: String(error) }}));"#
        );
        let answer = self.driver.execute_async(script, Vec::new()).await?;
        if let Some(error) = answer.json().get("error") {
            bail!("{}: a script failed: {error}", self.name);
        }
        let value = answer.json().get("value").cloned().unwrap_or(Value::Null);
        serde_json::from_value(value).with_context(|| format!("{}: what the script gave", self.name))
    }

    /// Waits until somebody in the roster is in this state.
    ///
    /// # Errors
    ///
    /// When they are not by then.
    pub async fn sees(&self, user: &str, state: &str, limit: Duration) -> Result<()> {
        let script = format!("const it = user({}); return it && it.dataset.state === {}", json!(user), json!(state));
        self.until(&format!("{user} to be {state}"), limit, &script).await
    }

    /// Waits until somebody is not in the roster.
    ///
    /// # Errors
    ///
    /// When they still are by then.
    pub async fn misses(&self, user: &str, limit: Duration) -> Result<()> {
        self.until(&format!("{user} to be gone"), limit, &format!("return !user({})", json!(user))).await
    }

    /// Waits until this person is in this state.
    ///
    /// # Errors
    ///
    /// When they are not by then.
    pub async fn is(&self, state: &str, limit: Duration) -> Result<()> {
        let script = format!(r#"const me = one("me"); return me && me.dataset.state === {}"#, json!(state));
        self.until(&format!("being {state}"), limit, &script).await
    }

    /// Waits until the call is this far.
    ///
    /// # Errors
    ///
    /// When it is not by then.
    pub async fn phase(&self, phase: &str, limit: Duration) -> Result<()> {
        let script = format!(r#"const call = one("call"); return call && call.dataset.phase === {}"#, json!(phase));
        self.until(&format!("the call to be {phase}"), limit, &script).await
    }

    /// Waits until no call is shown.
    ///
    /// # Errors
    ///
    /// When one still is by then.
    pub async fn no_call(&self, limit: Duration) -> Result<()> {
        self.until("the call to be gone", limit, r#"return !one("call")"#).await
    }

    /// Waits for a notice, and gives its sentence.
    ///
    /// # Errors
    ///
    /// When there is none by then, or it is empty.
    pub async fn notice(&self, code: &str, limit: Duration) -> Result<String> {
        let script = format!(
            r#"const it = one("notice"); return it && it.dataset.code === {} && it.innerText.trim()"#,
            json!(code)
        );
        let sentence = self.until_some(&format!("the notice {code}"), limit, &script).await?;
        Ok(sentence.as_str().unwrap_or_default().to_owned())
    }

    /// What came in so far.
    ///
    /// # Errors
    ///
    /// When the page does not tell.
    pub async fn received(&self) -> Result<Received> {
        self.run("return await e2e.received()").await
    }

    /// Waits until that many frames have been decoded and sound has been heard, over the open peer connections.
    ///
    /// # Errors
    ///
    /// When they have not by then.
    pub async fn receives(&self, frames: u64, limit: Duration) -> Result<()> {
        let script = format!("const got = await e2e.received(); return got.frames > {frames} && got.energy > 0");
        let outcome = self.until(&format!("{frames} frames and sound"), limit, &script).await;
        if outcome.is_err()
            && let Ok(got) = self.run::<serde_json::Value>("return e2e.received()").await
        {
            println!("{} received {got}", self.name);
        }
        outcome.with_context(|| format!("{}: no picture or no sound", self.name))
    }

    /// Notes what comes in, every so often.
    ///
    /// # Errors
    ///
    /// When the page does not.
    pub async fn start_sampling(&self, every: Duration) -> Result<()> {
        self.run(&format!("e2e.startSampling({})", every.as_millis())).await
    }

    /// Waits for that many samples and gives all of them.
    ///
    /// # Errors
    ///
    /// When they do not come.
    pub async fn samples(&self, count: usize, limit: Duration) -> Result<Vec<Received>> {
        self.until(&format!("{count} samples"), limit, &format!("return e2e.samples.length >= {count}")).await?;
        self.run("return e2e.stopSampling()").await
    }

    /// What the page holds open.
    ///
    /// # Errors
    ///
    /// When the page does not tell.
    pub async fn leftovers(&self) -> Result<Leftovers> {
        self.run("return e2e.leftovers()").await
    }

    /// Every change of the roster since the page was loaded.
    ///
    /// # Errors
    ///
    /// When the page does not tell.
    pub async fn roster_changes(&self) -> Result<Vec<RosterChange>> {
        self.run("return e2e.roster").await
    }

    /// Every click since the page was loaded.
    ///
    /// # Errors
    ///
    /// When the page does not tell.
    pub async fn clicks(&self) -> Result<Vec<Click>> {
        self.run("return e2e.clicks").await
    }

    /// The steps that this page's calls took.
    ///
    /// # Errors
    ///
    /// When the page does not tell.
    pub async fn marks(&self) -> Result<Vec<Mark>> {
        self.run("return e2e.marks").await
    }

    /// The first frame of each remote video since the page was loaded.
    ///
    /// # Errors
    ///
    /// When the page does not tell.
    pub async fn first_frames(&self) -> Result<Vec<FirstFrame>> {
        self.run("return e2e.firstFrames").await
    }

    /// Has a button pressed by the page itself as soon as it appears.
    ///
    /// # Errors
    ///
    /// When the page does not.
    pub async fn press_once_there(&self, id: &str) -> Result<()> {
        self.run(&format!("e2e.pressOnceThere({})", json!(id))).await
    }

    /// Checks that the page had no errors that it did not catch.
    ///
    /// # Errors
    ///
    /// When it had.
    pub async fn ensure_no_errors(&self) -> Result<()> {
        let errors: Vec<String> = self.run("return e2e.errors").await?;
        ensure!(errors.is_empty(), "{}: errors in the page: {errors:#?}", self.name);
        Ok(())
    }

    /// Answers the browser's questions for a device (`camera`, `microphone`) beforehand: `granted` or `denied`.
    ///
    /// # Errors
    ///
    /// When the browser does not take the answer.
    pub async fn permit(&self, device: &str, answer: &str, origin: &str) -> Result<()> {
        let answer = json!({ "permission": { "name": device }, "setting": answer, "origin": origin });
        self.driver.cdp().send_raw("Browser.setPermission", answer).await?;
        Ok(())
    }

    /// Makes the page this large, in the browser's own pixels, and light or dark, and waits until it is drawn so.
    ///
    /// # Errors
    ///
    /// When the browser does not.
    pub async fn look(&self, width: u32, height: u32, scheme: &str) -> Result<()> {
        let cdp = self.driver.cdp();
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        cdp.send_raw("Emulation.setDeviceMetricsOverride", size).await?;
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        cdp.send_raw("Emulation.setEmulatedMedia", scheme).await?;
        let settled = "
            await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
            const passing = document.getAnimations().filter((it) => it.effect.getComputedTiming().endTime < Infinity);
            await Promise.allSettled(passing.map((it) => it.finished));
            return true";
        self.until("everything to be drawn", SOON, settled).await
    }

    /// Takes its picture.
    ///
    /// # Errors
    ///
    /// When the browser or the disk does not.
    pub async fn picture(&self, file: &Path) -> Result<()> {
        self.driver.screenshot(file).await.with_context(|| format!("{}: a picture", self.name))
    }

    /// Keeps picture, source and log in this folder, as far as they are to be had.
    pub async fn keep_evidence(&self, folder: &Path) {
        // Called for a failed scenario: what cannot be had must not hide the failure.
        let _ = self.driver.screenshot(&folder.join(format!("{}.png", self.name))).await;
        if let Ok(source) = self.driver.source().await {
            let _ = std::fs::write(folder.join(format!("{}.html", self.name)), source);
        }
        if let Ok(entries) = self.driver.browser_log().await {
            let mut log = String::new();
            for entry in entries {
                let _ = writeln!(log, "{entry:?}");
            }
            let _ = std::fs::write(folder.join(format!("{}.log", self.name)), log);
        }
    }

    /// The parts of the page that tests look at, in a line each.
    async fn shown(&self) -> String {
        let script = r#"return [...document.querySelectorAll("[data-testid]")].map((it) =>
            it.dataset.testid + " " + JSON.stringify({ ...it.dataset, testid: undefined })
            + (it.children.length ? "" : " " + (it.innerText || "").slice(0, 120))).join("\n")"#;
        self.run(script).await.unwrap_or_else(|error| format!("nothing: {error}"))
    }
}

/// A button on a user's tile.
fn on_tile(user: &str, id: &str) -> String {
    format!("[data-testid=user][data-name={}] [data-testid={}]", json!(user), json!(id))
}

const PRELUDE: &str = r#"
    const e2e = window.__e2e;
    const later = e2e ? e2e.native.setTimeout : window.setTimeout.bind(window);
    const all = (id) => [...document.querySelectorAll(`[data-testid="${id}"]`)];
    const one = (id) => all(id)[0];
    const user = (name) => all("user").find((it) => it.dataset.name === name);
"#;
