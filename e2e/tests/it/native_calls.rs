//! Calls of the desktop app with its native peer (`WebKitGTK` has no peer connections): with Chromium in both directions,
//! and with another app.
//!
//! The default tests assert that media flows, by cheap samples (`hutong_e2e::sampler`). Tests that are ignored by
//! default look for gaps and freezes.

use std::time::Duration;

use futures_util::future::join;
use hutong_e2e::{
    Context, Result, TestEnv, TestPage, TestResult,
    call_assertions::{CallMedia, MEDIA_S, ensure_media_flows},
    call_quality::{QualityBounds, ensure_quality},
    call_steps::{CallKind, RELEASE_TIMEOUT, call, ring, wait_until_connected, wait_until_released},
    clients::{ClientKind, LoggedInClient, MicrophoneSource, log_in_pair},
    ensure,
    page::UI_TIMEOUT,
    process::thread_niceness,
    sampler::{ExpectedMedia, Sample},
    scenario,
};
use tokio::sync::oneshot;

/// How long quality is measured.
const MEASURED: Duration = Duration::from_secs(30);

/// Seconds until the other side notices mute, unmute or the camera switched on. Media flows already, so this is less
/// than [`MEDIA_S`], which includes a call's set-up: a second or two, plus the time for which a busy app's audio stands
/// still.
const SWITCHED_S: usize = 15;

/// Ana calls Bo, media flows both ways, and Ana hangs up.
async fn media_flows_in_a_call(env: &mut TestEnv, kinds: [ClientKind; 2]) -> Result<()> {
    let [ana, bo] = log_in_pair(env, kinds, MicrophoneSource::SyntheticVoice, None).await?;
    call(&ana.page, &bo.page, CallKind::Video).await?;
    ensure_media_flows(&ana.page, &bo.page, CallMedia::VideoAndAudio).await?;
    ana.page.press("hang-up").await?;
    ensure_call_over(&ana, &bo).await
}

/// Ana calls Bo, both sides' media has good quality, and Bo hangs up.
async fn call_has_good_quality(env: &mut TestEnv, kinds: [ClientKind; 2]) -> Result<()> {
    let [ana, bo] = log_in_pair(env, kinds, MicrophoneSource::SyntheticVoice, None).await?;
    call(&ana.page, &bo.page, CallKind::Video).await?;
    // Chromium's side is measured first: measuring the app takes CPU time from what it sends.
    let pages = if bo.app.is_some() { [&ana.page, &bo.page] } else { [&bo.page, &ana.page] };
    ensure_quality(pages, CallMedia::VideoAndAudio, MEASURED, QualityBounds::APP).await?;
    bo.page.press("hang-up").await?;
    ensure_call_over(&ana, &bo).await
}

/// Checks that the call is over on both sides without leaked resources or page errors.
async fn ensure_call_over(ana: &LoggedInClient, bo: &LoggedInClient) -> Result<()> {
    wait_until_released(&ana.page, &bo.page).await?;
    ana.page.wait_for_user_state("Bo", "online", RELEASE_TIMEOUT).await?;
    bo.page.wait_for_user_state("Ana", "online", RELEASE_TIMEOUT).await?;
    for client in [ana, bo] {
        client.page.ensure_no_errors().await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_app_calls_chromium() -> TestResult {
    scenario("native_app_calls", async |env| media_flows_in_a_call(env, [ClientKind::App, ClientKind::Chromium]).await)
        .await
}

#[tokio::test]
async fn chromium_calls_the_app() -> TestResult {
    scenario("native_app_called", async |env| media_flows_in_a_call(env, [ClientKind::Chromium, ClientKind::App]).await)
        .await
}

#[tokio::test]
#[ignore = "quality: a minute and a half"]
async fn the_app_calls_chromium_without_gaps_or_freezes() -> TestResult {
    scenario("native_app_calls_quality", async |env| {
        call_has_good_quality(env, [ClientKind::App, ClientKind::Chromium]).await
    })
    .await
}

#[tokio::test]
#[ignore = "quality: a minute and a half"]
async fn chromium_calls_the_app_without_gaps_or_freezes() -> TestResult {
    scenario("native_app_called_quality", async |env| {
        call_has_good_quality(env, [ClientKind::Chromium, ClientKind::App]).await
    })
    .await
}

/// Two apps that draw and encode in software need more than two processors: there, one of two runs passed and the video
/// of the other froze for seconds.
#[tokio::test]
#[ignore = "wants four processors"]
async fn the_app_calls_another_app() -> TestResult {
    scenario("native_two_apps", async |env| call_has_good_quality(env, [ClientKind::App, ClientKind::App]).await).await
}

#[tokio::test]
async fn video_and_audio_of_the_fake_devices_arrive() -> TestResult {
    scenario("native_devices", async |env| {
        let [ana, bo] = log_in_pair(env, [ClientKind::App, ClientKind::Chromium], MicrophoneSource::Fake, None).await?;
        call(&ana.page, &bo.page, CallKind::Video).await?;
        for page in [&ana.page, &bo.page] {
            // The beeps are a second apart and short, and the app's sampler covers only the last 0.7 s.
            page.wait_for_media(ExpectedMedia::VideoAndAudio, MEDIA_S).await?;
            page.wait_for_media(ExpectedMedia::VideoAndAudio, MEDIA_S).await?;
        }
        let samples = bo.page.sample_for(4).await?;
        ensure!(samples.iter().any(Sample::is_moving), "the video is frozen: {samples:#?}");
        bo.page.press("hang-up").await?;
        ensure_call_over(&ana, &bo).await
    })
    .await
}

#[tokio::test]
async fn a_voice_call_carries_audio_both_ways() -> TestResult {
    scenario("native_voice", async |env| {
        let [ana, bo] =
            log_in_pair(env, [ClientKind::App, ClientKind::Chromium], MicrophoneSource::SyntheticVoice, None).await?;
        for (caller, called) in [(&ana, &bo), (&bo, &ana)] {
            call(&caller.page, &called.page, CallKind::Voice).await?;
            let sampled = ensure_media_flows(&ana.page, &bo.page, CallMedia::Audio).await?;
            let app = ana.app.as_ref().context("an app")?.processes()?;
            let rendering: Vec<i32> = app.into_iter().flat_map(|pid| thread_niceness(pid, "llvmpipe-")).collect();
            ensure!(
                rendering.iter().all(|nice| *nice > 0),
                "software rendering runs at normal priority: {rendering:?}"
            );
            for (page, samples) in [&ana.page, &bo.page].into_iter().zip(sampled) {
                let has_video = samples.iter().any(|sample| sample.frames > 0 || sample.width > 0);
                ensure!(!has_video, "{}: video in a voice call: {samples:#?}", page.name());
                ensure!(page.open_resources().await?.video_tracks == 0, "{} uses a camera", page.name());
            }
            caller.page.press("hang-up").await?;
            ensure_call_over(&ana, &bo).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
#[ignore = "quality: a minute"]
async fn a_voice_call_carries_audio_without_gaps() -> TestResult {
    scenario("native_voice_quality", async |env| {
        let [ana, bo] =
            log_in_pair(env, [ClientKind::App, ClientKind::Chromium], MicrophoneSource::SyntheticVoice, None).await?;
        for (caller, called) in [(&ana, &bo), (&bo, &ana)] {
            call(&caller.page, &called.page, CallKind::Voice).await?;
            ensure_quality([&bo.page, &ana.page], CallMedia::Audio, Duration::from_secs(10), QualityBounds::APP)
                .await?;
            caller.page.press("hang-up").await?;
            ensure_call_over(&ana, &bo).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_caller_is_notified_when_the_call_is_declined() -> TestResult {
    scenario("native_decline", async |env| {
        let [ana, bo] = log_in_pair(env, [ClientKind::App, ClientKind::Chromium], MicrophoneSource::Fake, None).await?;
        for (caller, called) in [(&ana, &bo), (&bo, &ana)] {
            ring(&caller.page, &called.page, CallKind::Video).await?;
            called.page.press("decline").await?;
            caller.page.wait_for_notice("declined", UI_TIMEOUT).await?;
            ensure_call_over(&ana, &bo).await?;
            caller.page.press("notice-dismiss").await?;
        }
        Ok(())
    })
    .await
}

/// Two calls at once, because the server reserves a lost user's call for 30 s in each: the second begins as soon as the
/// first one's other side is killed.
#[tokio::test]
async fn the_call_ends_when_the_other_side_is_killed() -> TestResult {
    let (browser_killed, on_browser_killed) = oneshot::channel::<()>();
    let chromium = scenario("native_killed", async |env| {
        let [ana, bo] = log_in_pair(env, [ClientKind::App, ClientKind::Chromium], MicrophoneSource::Fake, None).await?;
        call(&ana.page, &bo.page, CallKind::Video).await?;
        ana.page.wait_for_media(ExpectedMedia::VideoAndAudio, MEDIA_S).await?;
        bo.page.kill_browser();
        drop(browser_killed);
        ensure_call_ends_without(&ana.page, "Bo").await
    });
    let app = scenario("native_crashed", async |env| {
        // The sender is also dropped when the first scenario fails; the second runs either way.
        let _ = on_browser_killed.await;
        let [ana, bo] = log_in_pair(env, [ClientKind::App, ClientKind::Chromium], MicrophoneSource::Fake, None).await?;
        call(&ana.page, &bo.page, CallKind::Video).await?;
        bo.page.wait_for_media(ExpectedMedia::VideoAndAudio, MEDIA_S).await?;
        ana.app.as_ref().context("Ana has no app")?.kill_main_process()?;
        ensure_call_ends_without(&bo.page, "Ana").await
    });
    let (chromium, app) = join(chromium, app).await;
    chromium.and(app)
}

#[tokio::test]
async fn a_crashed_page_leaves_its_call_and_is_reloaded() -> TestResult {
    scenario("native_page_ends", async |env| {
        let [ana, bo] = log_in_pair(env, [ClientKind::App, ClientKind::Chromium], MicrophoneSource::Fake, None).await?;
        call(&ana.page, &bo.page, CallKind::Video).await?;
        bo.page.wait_for_media(ExpectedMedia::VideoAndAudio, MEDIA_S).await?;
        let app = ana.app.as_ref().context("Ana has no app")?;
        let log_lines = app.kill_web_process()?;
        // The app itself ends the crashed page's call: a new page takes seconds.
        bo.page.wait_until_no_call(UI_TIMEOUT).await?;
        bo.page.wait_for_user_state("Ana", "online", UI_TIMEOUT).await?;
        app.wait_for_new_page(log_lines).await
    })
    .await
}

/// Checks that a page's call ends because the other side is gone, and that nothing leaks.
async fn ensure_call_ends_without(page: &TestPage, other: &str) -> Result<()> {
    // The server reserves the call for a reconnect.
    page.wait_until_no_call(Duration::from_secs(60)).await?;
    page.wait_for_own_state("online", RELEASE_TIMEOUT).await?;
    page.wait_until_user_gone(other, Duration::from_secs(60)).await?;
    let left = page.open_resources().await?;
    ensure!((left.peers, left.tracks) == (0, 0), "{left:?}");
    page.ensure_no_errors().await
}

#[tokio::test]
async fn the_other_side_notices_mute_and_camera_off() -> TestResult {
    scenario("native_mute", async |env| {
        let [ana, bo] =
            log_in_pair(env, [ClientKind::App, ClientKind::Chromium], MicrophoneSource::SyntheticVoice, None).await?;
        call(&ana.page, &bo.page, CallKind::Video).await?;
        for (page, other) in [(&ana.page, &bo.page), (&bo.page, &ana.page)] {
            other.wait_for_media(ExpectedMedia::VideoAndAudio, MEDIA_S).await?;
            page.press("mute").await?;
            let muted = other.wait_for_media(ExpectedMedia::Silence, SWITCHED_S).await?;
            page.press("mute").await?;
            let unmuted = other.wait_for_media(ExpectedMedia::Audio, SWITCHED_S).await?;

            page.press("camera").await?;
            let hidden = r#"const it = one("remote-video"); return it && it.classList.contains("unseen")"#;
            other.wait_until("the video to be hidden", UI_TIMEOUT, hidden).await?;
            page.press("camera").await?;
            let shown = other.wait_for_media(ExpectedMedia::VideoAndAudio, SWITCHED_S).await?;
            let [muted, unmuted, shown] = [muted, unmuted, shown].map(|samples| samples.len());
            println!("{}: silent after {muted} s, audible after {unmuted} s, video after {shown} s", other.name());
            other.wait_until("the video to be shown", UI_TIMEOUT, &hidden.replace("&& it", "&& !it")).await?;
        }
        wait_until_connected(&ana.page, &bo.page).await?;
        bo.page.press("hang-up").await?;
        ensure_call_over(&ana, &bo).await
    })
    .await
}
