//! Leaving the page by mistake: in a call the browser asks first, by Back, reload and closing the tab; otherwise it does not.

use std::time::{Duration, Instant};

use hutong_e2e::{
    BrowserOptions, Context, Result, TestPage, TestResult,
    call_steps::{CallKind, call, ring, wait_until_released},
    ensure,
    page::UI_TIMEOUT,
    scenario,
};

/// Ways to leave the page.
#[derive(Clone, Copy, Debug)]
enum Way {
    Reload,
    Back,
    CloseTab,
}

/// Leaves the page in this way, and waits for the browser's question. Answers that the page stays.
async fn is_asked_and_stays(page: &TestPage, way: Way) -> Result<()> {
    match way {
        Way::Reload => page.inject("setTimeout(() => location.reload(), 0)").await?,
        Way::Back => page.inject("setTimeout(() => history.back(), 0)").await?,
        Way::CloseTab => drop(page.driver()?.cdp().send_raw("Page.close", serde_json::json!({})).await?),
    }
    let deadline = Instant::now() + UI_TIMEOUT;
    // The dialog blocks scripts, so it can only be polled.
    while page.driver()?.get_alert_text().await.is_err() {
        ensure!(Instant::now() < deadline, "{}: the browser does not ask before {way:?}", page.name());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    page.driver()?.dismiss_alert().await.with_context(|| format!("{}: staying at {way:?}", page.name()))
}

/// Reloads the page, and checks that the browser does not ask.
async fn reloads_unasked(page: &TestPage) -> Result<()> {
    page.inject("window.isOldPage = true; setTimeout(() => location.reload(), 0)").await?;
    page.wait_until("the reloaded page", UI_TIMEOUT, r#"return !window.isOldPage && (one("me") || one("login"))"#).await
}

#[tokio::test]
async fn the_browser_asks_before_leaving_only_during_a_call() -> TestResult {
    scenario("leaving", async |env| {
        let server = env.start_server().await?;
        let asking = BrowserOptions { asks_before_leaving: true, ..BrowserOptions::default() };
        let ana = env.new_page("Ana", &asking).await?;
        let bo = env.log_in("Bo", &server).await?;
        ana.open(&server.url()).await?;
        ana.log_in("Ana").await?;
        reloads_unasked(&ana).await?;
        ana.wait_for_own_state("online", UI_TIMEOUT).await?;

        call(&ana, &bo, CallKind::Voice).await?;
        for way in [Way::Reload, Way::Back, Way::CloseTab] {
            is_asked_and_stays(&ana, way).await?;
            ana.wait_for_phase("connected", UI_TIMEOUT).await?;
        }
        ana.press("hang-up").await?;
        wait_until_released(&ana, &bo).await?;
        reloads_unasked(&ana).await?;
        ana.wait_for_own_state("online", UI_TIMEOUT).await?;

        // Also while the own call rings there, but not while another's rings here.
        ring(&ana, &bo, CallKind::Voice).await?;
        is_asked_and_stays(&ana, Way::Reload).await?;
        ana.press("hang-up").await?;
        wait_until_released(&ana, &bo).await?;
        ring(&bo, &ana, CallKind::Voice).await?;
        reloads_unasked(&ana).await?;
        wait_until_released(&ana, &bo).await?;
        bo.ensure_no_errors().await
    })
    .await
}
