//! How a page is controlled: by `WebDriver` (Chromium, the app's webview) or by `WebDriver` `BiDi` (Firefox).

use std::{path::Path, rc::Rc};

use serde_json::{Value, json};
use thirtyfour::{By, WebDriver};

use crate::{Context, Result, anyhow, bidi::BidiSession, browser::BrowserSession, firefox::FirefoxBrowser};

/// Control of one page.
#[derive(Clone, Debug)]
pub(crate) enum PageControl {
    /// A session of chromedriver or `WebKitWebDriver`.
    WebDriver(WebDriver),
    /// A session of Firefox.
    Bidi(Rc<BidiSession>),
}

/// A running browser. Dropping it kills the browser.
#[derive(Debug)]
pub(crate) enum RunningBrowser {
    /// Chromium.
    Chromium(Box<BrowserSession>),
    /// Firefox.
    Firefox(Box<FirefoxBrowser>),
}

impl RunningBrowser {
    pub(crate) fn pid(&self) -> Option<rustix::process::Pid> {
        match self {
            Self::Chromium(browser) => browser.pid(),
            Self::Firefox(browser) => browser.pid(),
        }
    }

    pub(crate) async fn close(self) {
        match self {
            Self::Chromium(browser) => browser.close().await,
            Self::Firefox(browser) => browser.close().await,
        }
    }
}

impl PageControl {
    /// The `WebDriver` session.
    pub(crate) fn web_driver(&self) -> Result<&WebDriver> {
        match self {
            Self::WebDriver(driver) => Ok(driver),
            Self::Bidi(_) => Err(anyhow!("this command needs WebDriver, which Firefox has no program for here")),
        }
    }

    pub(crate) async fn open(&self, url: &str) -> Result<()> {
        match self {
            Self::WebDriver(driver) => Ok(driver.goto(url).await?),
            Self::Bidi(session) => session.navigate(url).await,
        }
    }

    pub(crate) async fn reload(&self) -> Result<()> {
        match self {
            Self::WebDriver(driver) => Ok(driver.refresh().await?),
            Self::Bidi(session) => session.reload().await,
        }
    }

    /// Runs a script body.
    pub(crate) async fn execute(&self, script: &str) -> Result<()> {
        match self {
            Self::WebDriver(driver) => drop(driver.execute(script, Vec::new()).await?),
            Self::Bidi(session) => {
                // As with `WebDriver`, the script may return early.
                session.execute_async(&format!("(function () {{\n{script}\n}})();\narguments[0](null);")).await?;
            }
        }
        Ok(())
    }

    /// Runs a script body that passes its result to its last argument.
    pub(crate) async fn execute_async(&self, script: String) -> Result<Value> {
        match self {
            Self::WebDriver(driver) => Ok(driver.execute_async(script, Vec::new()).await?.json().clone()),
            Self::Bidi(session) => session.execute_async(&script).await,
        }
    }

    /// Clicks an element.
    pub(crate) async fn click(&self, css: &str) -> Result<()> {
        match self {
            Self::WebDriver(driver) => Ok(driver.find(By::Css(css)).await?.click().await?),
            Self::Bidi(session) => session.click(css).await,
        }
    }

    /// Replaces the text of a field.
    pub(crate) async fn type_into(&self, css: &str, text: &str) -> Result<()> {
        match self {
            Self::WebDriver(driver) => {
                let field = driver.find(By::Css(css)).await?;
                field.clear().await?;
                Ok(field.send_keys(text).await?)
            }
            Self::Bidi(session) => {
                session.click(css).await?;
                let select = format!("document.querySelector({}).select(); arguments[0](null);", json!(css));
                session.execute_async(&select).await?;
                session.type_text(text).await
            }
        }
    }

    pub(crate) async fn screenshot(&self, file: &Path) -> Result<()> {
        match self {
            Self::WebDriver(driver) => Ok(driver.screenshot(file).await?),
            Self::Bidi(session) => {
                let image = session.screenshot().await?;
                std::fs::write(file, image).with_context(|| file.display().to_string())
            }
        }
    }
}
