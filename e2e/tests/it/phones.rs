//! Phone behaviour: safe areas around notches and bars, inline video, and cameras that the system takes away in a call.

use hutong_e2e::{
    BrowserOptions, DevicePermissions, Result, TestPage, TestResult,
    call_steps::{CallKind, MEDIA_TIMEOUT, call, ring, wait_until_connected, wait_until_released},
    ensure,
    page::UI_TIMEOUT,
    paths, scenario,
};
use serde_json::json;

/// Page size and safe area insets (top, right, bottom, left), in CSS pixels: those of a recent iPhone.
struct PhoneScreen {
    name: &'static str,
    size: (u32, u32),
    insets: [u32; 4],
}

const PORTRAIT: PhoneScreen = PhoneScreen { name: "portrait", size: (390, 844), insets: [47, 0, 34, 0] };
const LANDSCAPE: PhoneScreen = PhoneScreen { name: "landscape", size: (844, 390), insets: [0, 47, 21, 47] };

/// Emulates such a screen.
async fn emulate_screen(page: &TestPage, screen: &PhoneScreen) -> Result<()> {
    let (width, height) = screen.size;
    let [top, right, bottom, left] = screen.insets;
    let insets = json!({ "insets": { "top": top, "right": right, "bottom": bottom, "left": left } });
    page.driver()?.cdp().send_raw("Emulation.setSafeAreaInsetsOverride", insets).await?;
    page.set_viewport(width, height, "dark").await?;
    // Checks that the insets took effect: otherwise the test would pass with any style sheet.
    let applied = format!(
        "const probe = document.body.appendChild(document.createElement('div'));
        probe.style.paddingTop = 'env(safe-area-inset-top)';
        probe.style.paddingRight = 'env(safe-area-inset-right)';
        const {{ paddingTop, paddingRight }} = getComputedStyle(probe);
        const insets = [paddingTop, paddingRight].join();
        probe.remove();
        return insets === '{top}px,{right}px'"
    );
    page.wait_until("the safe area insets to apply", UI_TIMEOUT, &applied).await
}

/// Checks that no control and no text is covered, and saves a screenshot.
async fn nothing_is_covered(page: &TestPage, screen: &PhoneScreen, view: &str) -> Result<()> {
    emulate_screen(page, screen).await?;
    let folder = paths::screenshots_dir()?.join("phones");
    std::fs::create_dir_all(&folder)?;
    page.screenshot(&folder.join(format!("{view}-{}.png", screen.name))).await?;
    let [top, right, bottom, left] = screen.insets;
    let script = format!(
        r#"const scope = one("call") || document.querySelector(".page");
        const scrolls = scope !== one("call") && document.documentElement.scrollHeight > innerHeight;
        const words = "button, input, a[href], select, .control-words, .call-hint, .who-name, .self-name, .me-name, h1, h2";
        const seen = [...scope.querySelectorAll(words)].filter((it) => it.checkVisibility({{ opacityProperty: true }}));
        return seen.filter((it) => it.getBoundingClientRect().width > 1).flatMap((it) => {{
            const at = it.getBoundingClientRect();
            const covered = at.top < {top} || at.left < {left} || at.right > innerWidth - {right}
                || (!scrolls && at.bottom > innerHeight - {bottom});
            return covered ? [`${{it.className || it.tagName}} ${{JSON.stringify(at)}}`] : [];
        }})"#
    );
    let covered: Vec<String> = page.run(&script).await?;
    ensure!(covered.is_empty(), "{view}, {}: covered elements: {covered:#?}", screen.name);
    Ok(())
}

#[tokio::test]
async fn no_control_is_covered_by_a_notch_or_a_system_bar() -> TestResult {
    scenario("safe_areas", async |env| {
        let server = env.start_server().await?;
        let bo = env.log_in("Bo", &server).await?;
        let ana = env.open_page("Ana", &server.url()).await?;
        ana.wait_until("the main page", UI_TIMEOUT, "return one('login')").await?;
        let screens = [PORTRAIT, LANDSCAPE];
        for screen in &screens {
            nothing_is_covered(&ana, screen, "login").await?;
        }
        emulate_screen(&ana, &PORTRAIT).await?;
        ana.log_in("Ana").await?;
        ana.wait_for_user_state("Bo", "online", UI_TIMEOUT).await?;
        for screen in &screens {
            nothing_is_covered(&ana, screen, "roster").await?;
        }
        ring(&bo, &ana, CallKind::Video).await?;
        for screen in &screens {
            nothing_is_covered(&ana, screen, "incoming").await?;
        }
        emulate_screen(&ana, &PORTRAIT).await?;
        ana.press("accept-video").await?;
        wait_until_connected(&bo, &ana).await?;
        ana.wait_for_received(20, MEDIA_TIMEOUT).await?;
        ana.wait_until("the video", UI_TIMEOUT, "return one('call').classList.contains('with-picture')").await?;
        for screen in &screens {
            nothing_is_covered(&ana, screen, "call").await?;
        }
        emulate_screen(&ana, &PORTRAIT).await?;
        ana.press("more").await?;
        ana.wait_until("the device list", UI_TIMEOUT, "return one('settings')").await?;
        for screen in &screens {
            nothing_is_covered(&ana, screen, "devices").await?;
        }
        ana.ensure_no_errors().await
    })
    .await
}

#[tokio::test]
async fn videos_play_inline_and_the_local_one_is_muted() -> TestResult {
    scenario("inline", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.log_in("Bo", &server).await?;
        call(&ana, &bo, CallKind::Video).await?;
        ana.wait_for_received(20, MEDIA_TIMEOUT).await?;
        let plays = "return ['local-video', 'remote-video'].every((id) =>
            one(id).playsInline && one(id).autoplay && !one(id).paused) && one('local-video').muted && !one('remote-video').muted";
        ana.wait_until("both videos to play", UI_TIMEOUT, plays).await?;

        // The system pauses the video for a phone call; then the person resumes it.
        ana.run::<()>("one('remote-video').pause()").await?;
        ana.press("hear").await?;
        ana.wait_until("the video to resume", UI_TIMEOUT, "return !one('remote-video').paused && !one('hear')").await?;
        ana.press("hang-up").await?;
        wait_until_released(&ana, &bo).await
    })
    .await
}

/// The other side shows its placeholder for no video.
const NO_VIDEO: &str = "return !one('call').classList.contains('with-picture')";

#[tokio::test]
async fn a_camera_muted_by_the_system_resumes_by_itself() -> TestResult {
    scenario("camera_held", async |env| {
        let server = env.start_server().await?;
        let mut pages = Vec::new();
        for (name, language) in [("Ana", "en-US"), ("Bo", "zh-CN")] {
            let page = env.new_page(name, &BrowserOptions { language, ..BrowserOptions::default() }).await?;
            page.open(&server.url()).await?;
            page.log_in(name).await?;
            pages.push(page);
        }
        let [ana, bo] = [&pages[0], &pages[1]];
        call(ana, bo, CallKind::Video).await?;
        camera_is_muted_and_unmuted(ana, bo, "is using your camera").await?;
        camera_is_muted_and_unmuted(bo, ana, "摄像头正被电话").await
    })
    .await
}

/// The system mutes a camera and unmutes it: its user sees a notice in their language, and the other side sees no video
/// meanwhile.
async fn camera_is_muted_and_unmuted(page: &TestPage, other: &TestPage, notice: &str) -> Result<()> {
    other.wait_for_received(20, MEDIA_TIMEOUT).await?;
    other.wait_until("the video", UI_TIMEOUT, "return one('call').classList.contains('with-picture')").await?;
    // Desktop browsers cannot simulate this: dispatch the events that a phone dispatches.
    let set_muted = |muted: bool| {
        format!(
            "const track = e2e.tracks.find((track) => track.kind === 'video' && track.readyState === 'live');
            Object.defineProperty(track, 'muted', {{ value: {muted}, configurable: true }});
            track.dispatchEvent(new Event('{}'))",
            if muted { "mute" } else { "unmute" }
        )
    };
    page.run::<()>(&set_muted(true)).await?;
    other.wait_until("no video", UI_TIMEOUT, NO_VIDEO).await?;
    let sentence = page.wait_for_value("the notice", UI_TIMEOUT, "return one('camera-held')?.innerText").await?;
    ensure!(sentence.as_str().is_some_and(|text| text.contains(notice)), "{sentence}");
    page.run::<()>(&set_muted(false)).await?;
    page.wait_until("no notice", UI_TIMEOUT, "return !one('camera-held')").await?;
    other.wait_until("the video again", UI_TIMEOUT, "return one('call').classList.contains('with-picture')").await?;
    let before = other.received_totals().await?;
    other.wait_for_received(before.frames + 20, MEDIA_TIMEOUT).await
}

#[tokio::test]
async fn a_camera_ended_by_the_system_restarts_with_one_press() -> TestResult {
    scenario("camera_taken", async |env| {
        let server = env.start_server().await?;
        let ana = env
            .new_page("Ana", &BrowserOptions { permissions: DevicePermissions::Explicit, ..BrowserOptions::default() })
            .await?;
        ana.open(&server.url()).await?;
        ana.log_in("Ana").await?;
        for device in ["camera", "microphone"] {
            ana.set_permission(device, "granted", &server.url()).await?;
        }
        let bo = env.log_in("Bo", &server).await?;
        call(&ana, &bo, CallKind::Video).await?;
        bo.wait_for_received(20, MEDIA_TIMEOUT).await?;

        // Chromium itself ends the track when the permission is revoked.
        ana.set_permission("camera", "denied", &server.url()).await?;
        ana.wait_until("the notice", UI_TIMEOUT, "return one('camera-lost')").await?;
        bo.wait_until("no video", UI_TIMEOUT, NO_VIDEO).await?;
        bo.wait_until("the audio to go on", MEDIA_TIMEOUT, "return (await e2e.receivedTotals()).energy > 0").await?;
        ana.set_permission("camera", "granted", &server.url()).await?;
        ana.press("camera").await?;
        ana.wait_until("no notice", UI_TIMEOUT, "return !one('camera-lost')").await?;
        let before = bo.received_totals().await?;
        bo.wait_for_received(before.frames + 20, MEDIA_TIMEOUT).await?;
        ana.press("hang-up").await?;
        wait_until_released(&ana, &bo).await
    })
    .await
}
