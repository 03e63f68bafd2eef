//! Screen sharing in a call.

use hutong_e2e::{
    BrowserOptions, Result, ServerProcess, TestEnv, TestPage, TestResult,
    call_steps::{CallKind, MEDIA_TIMEOUT, call, wait_until_released},
    ensure,
    page::UI_TIMEOUT,
    scenario,
};

/// Logs in with a browser that shares a fake screen without a picker.
async fn log_in_with_fake_screen(env: &mut TestEnv, server: &ServerProcess, name: &str) -> Result<TestPage> {
    let args = vec!["--auto-select-desktop-capture-source=Entire screen".to_owned()];
    let page = env.new_page(name, &BrowserOptions { args, ..BrowserOptions::default() }).await?;
    page.open(&server.url()).await?;
    page.log_in(name).await?;
    Ok(page)
}

/// Script prelude: sources of the live local video tracks, `displaySurface` or `camera`.
const VIDEO_SOURCES: &str = "const sources = e2e.tracks
    .filter((track) => track.kind === 'video' && track.readyState === 'live')
    .map((track) => track.getSettings().displaySurface || 'camera');";

async fn wait_for_sources(page: &TestPage, expectation: &str, expected: &str) -> Result<()> {
    let script = format!("{VIDEO_SOURCES} return sources.join() === {expected:?}");
    page.wait_until(expectation, UI_TIMEOUT, &script).await
}

/// Waits until the remote video is shown, fitted as a screen or as a camera, and more frames arrive.
async fn wait_for_remote_video(page: &TestPage, is_screen: bool) -> Result<()> {
    let fit = if is_screen { "contain" } else { "cover" };
    let script = format!(
        "const it = one('remote-video');
        return one('call').classList.contains('with-picture') && it.videoWidth > 0
            && it.classList.contains('screen') === {is_screen} && getComputedStyle(it).objectFit === '{fit}'"
    );
    page.wait_until(&format!("the remote video, as a screen: {is_screen}"), MEDIA_TIMEOUT, &script).await?;
    let before = page.received_totals().await?;
    page.wait_for_received(before.frames + 3, MEDIA_TIMEOUT).await
}

#[tokio::test]
async fn the_sound_of_a_shared_tab_is_sent_and_mute_takes_the_microphone_alone() -> TestResult {
    scenario("tab_sound", async |env| {
        let server = env.start_server().await?;
        let args = vec![
            "--auto-select-tab-capture-source-by-title=Music".to_owned(),
            "--autoplay-policy=no-user-gesture-required".to_owned(),
        ];
        let ana = env.new_page("Ana", &BrowserOptions { args, ..BrowserOptions::default() }).await?;
        ana.open(&server.url()).await?;
        ana.log_in("Ana").await?;
        let bo = env.log_in("Bo", &server).await?;
        call(&ana, &bo, CallKind::Video).await?;
        let first = ana.tab().await?;
        ana.open_tab().await?;
        ana.open(&format!("{}/healthz", server.url().trim_end_matches('/'))).await?;
        ana.run::<()>(
            "document.title = 'Music';
            const context = window.music = new AudioContext();
            const tone = context.createOscillator();
            tone.connect(context.destination);
            tone.start();",
        )
        .await?;
        ana.switch_to(&first).await?;

        // Muted, Ana is silent until the tab is shared. The energy is a sum, so it must stop growing.
        ana.press("mute").await?;
        let grows = |by: f64| {
            format!(
                "const energy = async () => (await e2e.receivedTotals()).energy;
                const before = await energy();
                const until = performance.now() + 1_000;
                while (performance.now() < until) await new Promise((done) => later(done, 100));
                return (await energy()) - before > {by}"
            )
        };
        let is_silent = grows(0.000_1).replace("> 0.0001", "< 0.0001");
        bo.wait_until("silence", MEDIA_TIMEOUT, &is_silent).await?;
        ana.press("screen").await?;
        wait_for_remote_video(&bo, true).await?;
        bo.wait_until("the tab's sound", MEDIA_TIMEOUT, &grows(0.001)).await?;
        // After it, the plain microphone, which is still muted.
        ana.press("screen").await?;
        wait_for_remote_video(&bo, false).await?;
        bo.wait_until("silence again", MEDIA_TIMEOUT, &is_silent).await?;
        ana.press("mute").await?;
        bo.wait_until("the microphone", MEDIA_TIMEOUT, &grows(0.001)).await?;
        ana.press("hang-up").await?;
        wait_until_released(&ana, &bo).await?;
        ana.ensure_no_errors().await
    })
    .await
}

#[tokio::test]
async fn a_screen_share_replaces_the_camera_until_either_button_ends_it() -> TestResult {
    scenario("screen_share", async |env| {
        let server = env.start_server().await?;
        let ana = log_in_with_fake_screen(env, &server, "Ana").await?;
        let bo = env.log_in("Bo", &server).await?;
        call(&ana, &bo, CallKind::Video).await?;
        wait_for_remote_video(&bo, false).await?;

        ana.press("screen").await?;
        wait_for_sources(&ana, "the screen beside the waiting camera", "camera,monitor").await?;
        wait_for_remote_video(&bo, true).await?;
        let shows = "const it = one('local-video');
            return it.classList.contains('screen') && it.srcObject.getVideoTracks().length === 1
                && it.srcObject.getVideoTracks()[0].getSettings().displaySurface === 'monitor'";
        ana.wait_until("the local screen in the corner", UI_TIMEOUT, shows).await?;
        ana.press("screen").await?;
        wait_for_sources(&ana, "the camera alone", "camera").await?;
        wait_for_remote_video(&bo, false).await?;

        // The browser's own stop button ends the track with this event.
        ana.press("screen").await?;
        wait_for_remote_video(&bo, true).await?;
        ana.run::<()>(
            "const screen = e2e.tracks.findLast((track) => track.kind === 'video');
            screen.stop();
            screen.dispatchEvent(new Event('ended'));",
        )
        .await?;
        wait_for_remote_video(&bo, false).await?;
        let pressed: String = ana.run("return one('screen').getAttribute('aria-pressed')").await?;
        ensure!(pressed == "false", "the button still shows the screen as shared");

        // With the camera off, no video follows the screen share; a screen share is released at the end of the call.
        ana.press("camera").await?;
        ana.press("screen").await?;
        wait_for_sources(&ana, "the screen alone", "monitor").await?;
        wait_for_remote_video(&bo, true).await?;
        ana.press("screen").await?;
        bo.wait_until(
            "the remote video to be hidden",
            UI_TIMEOUT,
            "return !one('call').classList.contains('with-picture')",
        )
        .await?;
        ana.press("screen").await?;
        wait_for_remote_video(&bo, true).await?;
        ana.press("hang-up").await?;
        wait_until_released(&ana, &bo).await?;
        for page in [&ana, &bo] {
            page.ensure_no_errors().await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn either_side_can_share_its_screen_in_a_voice_call() -> TestResult {
    scenario("screen_share_voice", async |env| {
        let server = env.start_server().await?;
        let ana = log_in_with_fake_screen(env, &server, "Ana").await?;
        let bo = log_in_with_fake_screen(env, &server, "Bo").await?;
        call(&ana, &bo, CallKind::Voice).await?;
        for (one, other) in [(&ana, &bo), (&bo, &ana)] {
            one.press("screen").await?;
            wait_for_remote_video(other, true).await?;
        }
        ana.press("screen").await?;
        bo.wait_until(
            "the remote video to be hidden",
            UI_TIMEOUT,
            "return !one('call').classList.contains('with-picture')",
        )
        .await?;
        let before = ana.received_totals().await?.energy;
        ana.wait_until(
            "audio during the screen share",
            MEDIA_TIMEOUT,
            &format!("return (await e2e.receivedTotals()).energy > {before}"),
        )
        .await?;
        bo.press("hang-up").await?;
        wait_until_released(&ana, &bo).await
    })
    .await
}

#[tokio::test]
async fn cancelling_the_screen_picker_shows_no_error() -> TestResult {
    scenario("screen_share_cancelled", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.log_in("Bo", &server).await?;
        call(&ana, &bo, CallKind::Video).await?;
        for (message, is_error_shown) in [("Permission denied", false), ("Permission denied by system", true)] {
            ana.run::<()>(&format!(
                "e2e.asked = 0;
                navigator.mediaDevices.getDisplayMedia = () => {{
                    e2e.asked += 1;
                    return Promise.reject(new DOMException('{message}', 'NotAllowedError'));
                }};"
            ))
            .await?;
            ana.press("screen").await?;
            ana.wait_until("the screen picker to be requested", UI_TIMEOUT, "return e2e.asked === 1").await?;
            let script = format!("return !!one('screen-lost') === {is_error_shown} && !one('notice')");
            ana.wait_until("the error to be shown or not", UI_TIMEOUT, &script).await?;
        }
        ana.wait_for_phase("connected", UI_TIMEOUT).await?;
        wait_for_remote_video(&bo, false).await?;
        ana.press("hang-up").await?;
        wait_until_released(&ana, &bo).await
    })
    .await
}

#[tokio::test]
async fn screen_share_and_speaker_choice_are_hidden_where_unsupported() -> TestResult {
    scenario("screen_share_missing", async |env| {
        let server = env.start_server().await?;
        let ana = env.new_page("Ana", &BrowserOptions::default()).await?;
        let remove_apis = "delete MediaDevices.prototype.getDisplayMedia; delete HTMLMediaElement.prototype.setSinkId;";
        let script = serde_json::json!({ "source": remove_apis });
        ana.driver()?.cdp().send_raw("Page.addScriptToEvaluateOnNewDocument", script).await?;
        ana.open(&server.url()).await?;
        ana.log_in("Ana").await?;
        let bo = env.log_in("Bo", &server).await?;
        call(&ana, &bo, CallKind::Video).await?;
        ana.press("more").await?;
        ana.wait_until("cameras to choose from", UI_TIMEOUT, "return one('choose-camera')").await?;
        let hidden: bool = ana.run("return !one('screen') && !one('choose-speaker')").await?;
        ensure!(hidden, "the page offers an unsupported feature");
        Ok(())
    })
    .await
}
