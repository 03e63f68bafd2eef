//! Ringing while another tab is in front: notifications on a real session bus, of the service worker and, under a certificate
//! that was only waved through, of the page; and what the service worker serves.

use hutong_e2e::{
    BrowserOptions, Result, SessionBus, TestPage, TestResult, WindowPlacement,
    call_steps::{CallKind, ring, shows_call, wait_until_connected, wait_until_released},
    dbus::{NotificationState, RecordedNotification, TraySupport},
    ensure,
    page::UI_TIMEOUT,
    scenario,
};
use serde_json::json;

/// On a virtual display: only there Chromium uses the session bus.
fn options() -> BrowserOptions {
    BrowserOptions { window: WindowPlacement::OnVirtualDisplay, ..BrowserOptions::default() }
}

async fn grant_notifications(page: &TestPage, url: &str) -> Result<()> {
    let permissions = ["notifications", "audioCapture", "videoCapture"];
    let permission = json!({ "origin": url.trim_end_matches('/'), "permissions": permissions });
    page.driver()?.cdp().send_raw("Browser.grantPermissions", permission).await?;
    Ok(())
}

/// Opens another tab in front of the page.
async fn put_behind(page: &TestPage) -> Result<()> {
    let first = page.tab().await?;
    let other = page.open_tab().await?;
    // This brings the tab to the front, although only to control it.
    page.switch_to(&first).await?;
    page.driver()?.cdp().send_raw("Target.activateTarget", json!({ "targetId": other.to_string() })).await?;
    page.wait_until("the page to be hidden", UI_TIMEOUT, "return document.hidden").await
}

async fn notification(bus: &SessionBus, after: usize) -> Result<RecordedNotification> {
    let is_new = |it: &RecordedNotification| it.id as usize > after && it.title == "Bo is calling";
    bus.wait_for_notification(UI_TIMEOUT, is_new).await
}

/// The identifier of the button with this caption.
fn button<'a>(notification: &'a RecordedNotification, caption: &str) -> Option<&'a str> {
    let mut pairs = notification.actions.chunks(2);
    pairs.find_map(|pair| (pair.get(1)? == caption).then_some(pair[0].as_str()))
}

#[tokio::test]
async fn a_call_rings_as_a_notification_that_answers_and_declines() -> TestResult {
    scenario("notification", async |env| {
        let server = env.start_server().await?;
        let bus = SessionBus::start(TraySupport::Absent).await?;
        let bo = env.log_in("Bo", &server).await?;
        let ana = env.new_page_on(&bus, "Ana", &options()).await?;
        ana.open(&server.url()).await?;
        ana.log_in("Ana").await?;
        let asks = "return one('ring-hint')?.dataset.permission === 'default' && one('allow-notifications')";
        ana.wait_until("the word about notifications", UI_TIMEOUT, asks).await?;
        grant_notifications(&ana, &server.url()).await?;
        ana.press("allow-notifications").await?;
        ana.wait_until("no more word about it", UI_TIMEOUT, "return !one('ring-hint')").await?;
        // The session resumes, and nobody touches the page.
        ana.reload().await?;
        ana.wait_for_own_state("online", UI_TIMEOUT).await?;
        let is_active = "return (await navigator.serviceWorker.getRegistration())?.active";
        ana.wait_until("the service worker", UI_TIMEOUT, is_active).await?;

        // In front, the page itself rings.
        ring(&bo, &ana, CallKind::Voice).await?;
        bo.press("hang-up").await?;
        wait_until_released(&ana, &bo).await?;
        ensure!(bus.notification_count() == 0, "a notification over the ringing page");

        put_behind(&ana).await?;
        ring(&bo, &ana, CallKind::Voice).await?;
        let missed = notification(&bus, 0).await?;
        ensure!(button(&missed, "Answer").is_some() && button(&missed, "Decline").is_some(), "{missed:?}");
        bo.press("hang-up").await?;
        let is_closed = |it: &RecordedNotification| it.id == missed.id && it.state == NotificationState::Closed;
        bus.wait_for_notification(UI_TIMEOUT, is_closed).await?;
        ana.wait_until("the missed call", UI_TIMEOUT, &shows_call("missed-calls", "Bo", "unanswered")).await?;
        wait_until_released(&ana, &bo).await?;

        let before = bus.notification_count();
        ring(&bo, &ana, CallKind::Voice).await?;
        let declined = notification(&bus, before).await?;
        bus.invoke_action(&declined, button(&declined, "Decline").unwrap_or_default()).await?;
        bo.wait_for_notice("declined", UI_TIMEOUT).await?;
        wait_until_released(&ana, &bo).await?;
        ensure!(ana.run::<bool>("return document.hidden").await?, "declining brings the page to the front");

        let before = bus.notification_count();
        ring(&bo, &ana, CallKind::Voice).await?;
        let answered = notification(&bus, before).await?;
        bus.invoke_action(&answered, button(&answered, "Answer").unwrap_or_default()).await?;
        wait_until_connected(&ana, &bo).await?;
        ana.wait_until("the page in front", UI_TIMEOUT, "return !document.hidden").await?;
        bo.press("hang-up").await?;
        wait_until_released(&ana, &bo).await
    })
    .await
}

#[tokio::test]
async fn under_a_waved_through_certificate_a_click_on_the_notification_brings_the_page_to_the_front() -> TestResult {
    scenario("notification_self_signed", async |env| {
        let folder = tempfile::tempdir()?;
        let path = folder.path().to_string_lossy();
        let server = env.start_server_with("127.0.0.1:0", &["--self-signed", &path]).await?;
        let url = server.url().replace("http://", "https://");
        let bus = SessionBus::start(TraySupport::Absent).await?;
        let bo = env.log_in("Bo", &server).await?;
        let ana = env.new_page_on(&bus, "Ana", &options()).await?;
        // The warning has no test ID: typed as people do who know it.
        ana.open(&url).await.ok();
        for character in "thisisunsafe".chars() {
            let key = json!({ "type": "char", "text": character.to_string() });
            ana.driver()?.cdp().send_raw("Input.dispatchKeyEvent", key).await?;
        }
        ana.log_in("Ana").await?;
        grant_notifications(&ana, &url).await?;
        ana.reload().await?;
        ana.wait_for_own_state("online", UI_TIMEOUT).await?;
        let has_worker = "return (await navigator.serviceWorker.getRegistration()) !== undefined";
        ensure!(!ana.run::<bool>(has_worker).await?, "the browser allows a service worker");

        put_behind(&ana).await?;
        ring(&bo, &ana, CallKind::Voice).await?;
        let shown = notification(&bus, 0).await?;
        bus.invoke_action(&shown, "default").await?;
        ana.wait_until("the page in front", UI_TIMEOUT, "return !document.hidden").await?;
        ana.wait_for_phase("incoming", UI_TIMEOUT).await?;
        bo.press("hang-up").await?;
        wait_until_released(&ana, &bo).await
    })
    .await
}

#[tokio::test]
async fn an_installed_page_says_what_is_wrong_when_the_server_is_away() -> TestResult {
    scenario("offline", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let is_active = "return (await navigator.serviceWorker.getRegistration())?.active";
        ana.wait_until("the service worker", UI_TIMEOUT, is_active).await?;
        let stored = "const stored = [];
            for (const name of await caches.keys()) {
                for (const request of await (await caches.open(name)).keys()) stored.push(new URL(request.url).pathname);
            }
            return stored.sort().join()";
        let stored: String = ana.run(stored).await?;
        ensure!(stored == "/offline.css,/offline.html", "the worker stores {stored}");
        let worker: String = ana.run("return (await fetch('sw.js')).headers.get('cache-control')").await?;
        ensure!(worker == "no-cache", "{worker}");
        let manifest = ana.driver()?.cdp().send_raw("Page.getInstallabilityErrors", json!({})).await?;
        ensure!(manifest["installabilityErrors"] == json!([]), "{manifest}");

        server.kill().await?;
        ana.open(&server.url()).await?;
        let text = "return document.body.innerText";
        let text = ana.wait_for_value("the offline page", UI_TIMEOUT, text).await?;
        let text = text.as_str().unwrap_or_default();
        ensure!(text.contains("cannot be reached") && text.contains("连接不上"), "{text}");
        Ok(())
    })
    .await
}
