//! Tabs of one browser: a page object controls the tab that was switched to last.

use thirtyfour::WindowHandle;

use crate::{Context, Result, TestPage};

impl TestPage {
    /// The tab under control.
    ///
    /// # Errors
    ///
    /// Returns an error for Firefox, and when the browser does not answer.
    pub async fn tab(&self) -> Result<WindowHandle> {
        Ok(self.driver()?.window().await?)
    }

    /// Opens an empty tab, and controls it from now on. `instrument.js` does not run in it.
    ///
    /// # Errors
    ///
    /// Returns an error when the browser refuses it.
    pub async fn open_tab(&self) -> Result<WindowHandle> {
        let tab = self.driver()?.new_tab().await?;
        self.switch_to(&tab).await?;
        Ok(tab)
    }

    /// Has the page open this URL in a tab, as a link with `target` or *Duplicate tab* does: with a copy of the page's
    /// `sessionStorage`. Controls the tab from now on.
    ///
    /// # Errors
    ///
    /// Returns an error when the page may not open it.
    pub async fn open_from_page(&self, url: &str) -> Result<WindowHandle> {
        let before = self.driver()?.windows().await?;
        self.run::<serde_json::Value>(&format!("window.open({})", serde_json::json!(url))).await?;
        let after = self.driver()?.windows().await?;
        let tab = after.into_iter().find(|tab| !before.contains(tab)).context("no tab was opened")?;
        self.switch_to(&tab).await?;
        Ok(tab)
    }

    /// Controls this tab from now on.
    ///
    /// # Errors
    ///
    /// Returns an error when it is closed.
    pub async fn switch_to(&self, tab: &WindowHandle) -> Result<()> {
        Ok(self.driver()?.switch_to_window(tab.clone()).await?)
    }

    /// Closes the tab under control, and controls the other one.
    ///
    /// # Errors
    ///
    /// Returns an error when one of them is closed already.
    pub async fn close_tab(&self, other: &WindowHandle) -> Result<()> {
        self.driver()?.close_window().await?;
        self.switch_to(other).await
    }
}
