//! State of the browser around a page: permissions, clipboard, life cycle, viewport.

use serde_json::json;

use crate::{Result, TestPage, page::UI_TIMEOUT};

impl TestPage {
    /// Lets the page of this origin read and write the clipboard.
    ///
    /// # Errors
    ///
    /// Returns an error for Firefox.
    pub async fn allow_clipboard(&self, url: &str) -> Result<()> {
        let origin = url.trim_end_matches('/');
        let permissions = json!({ "origin": origin, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
        self.driver()?.cdp().send_raw("Browser.grantPermissions", permissions).await?;
        Ok(())
    }

    /// Sets the browser's permission for a device (`camera`, `microphone`) to `granted` or `denied`.
    ///
    /// # Errors
    ///
    /// Returns an error when the browser refuses.
    pub async fn set_permission(&self, device: &str, answer: &str, origin: &str) -> Result<()> {
        let answer = json!({ "permission": { "name": device }, "setting": answer, "origin": origin });
        self.driver()?.cdp().send_raw("Browser.setPermission", answer).await?;
        Ok(())
    }

    /// Freezes the page (Page Lifecycle), as browsers do to hidden pages: no script of it runs until [`Self::thaw`].
    ///
    /// # Errors
    ///
    /// Returns an error when the browser refuses.
    pub async fn freeze(&self) -> Result<()> {
        self.set_lifecycle_state("frozen").await
    }

    /// Ends [`Self::freeze`].
    ///
    /// # Errors
    ///
    /// Returns an error when the browser refuses.
    pub async fn thaw(&self) -> Result<()> {
        self.set_lifecycle_state("active").await
    }

    async fn set_lifecycle_state(&self, state: &str) -> Result<()> {
        self.driver()?.cdp().send_raw("Page.setWebLifecycleState", json!({ "state": state })).await?;
        Ok(())
    }

    /// Sets viewport size (CSS pixels) and colour scheme, and waits until the page is drawn so.
    ///
    /// # Errors
    ///
    /// Returns an error when the browser refuses, or animations do not end in time.
    pub async fn set_viewport(&self, width: u32, height: u32, scheme: &str) -> Result<()> {
        let cdp = self.driver()?.cdp();
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        cdp.send_raw("Emulation.setDeviceMetricsOverride", size).await?;
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        cdp.send_raw("Emulation.setEmulatedMedia", scheme).await?;
        let settled = "
            await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
            const passing = document.getAnimations().filter((it) => it.effect.getComputedTiming().endTime < Infinity);
            await Promise.allSettled(passing.map((it) => it.finished));
            return true";
        self.wait_until("everything to be drawn", UI_TIMEOUT, settled).await
    }
}
