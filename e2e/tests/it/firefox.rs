//! Calls of Firefox, through the real interface: with Chromium in both directions, and with the desktop app.

use hutong_e2e::{
    Result, TestEnv, TestResult,
    call_assertions::{CallMedia, ensure_media_flows},
    call_steps::{CallKind, call, wait_until_released},
    clients::{ClientKind, LoggedInClient, MicrophoneSource, log_in_pair},
    scenario,
};

/// Which side calls.
#[derive(Clone, Copy)]
enum Caller {
    Firefox,
    Other,
}

/// Calls between Firefox and another client, one after the other, in each of which media has to flow both ways.
async fn ensure_calls(env: &mut TestEnv, kind: ClientKind, calls: &[(Caller, CallKind)]) -> Result<()> {
    let [firefox, other]: [LoggedInClient; 2] =
        log_in_pair(env, [ClientKind::Firefox, kind], MicrophoneSource::Fake, None).await?;
    // Firefox's fake camera shows one colour, which looks like no video.
    firefox.page.use_noise_camera().await?;
    if kind == ClientKind::Firefox {
        other.page.use_noise_camera().await?;
    }
    for &(caller, kind) in calls {
        let (caller, callee) = match caller {
            Caller::Firefox => (&firefox.page, &other.page),
            Caller::Other => (&other.page, &firefox.page),
        };
        call(caller, callee, kind).await?;
        let media = if kind == CallKind::Video { CallMedia::VideoAndAudio } else { CallMedia::Audio };
        ensure_media_flows(caller, callee, media).await?;
        callee.press("hang-up").await?;
        wait_until_released(caller, callee).await?;
    }
    firefox.page.ensure_no_errors().await
}

#[tokio::test]
async fn firefox_and_chromium_call_each_other() -> TestResult {
    scenario("firefox_chromium", async |env| {
        let calls = [(Caller::Firefox, CallKind::Video), (Caller::Other, CallKind::Video)];
        ensure_calls(env, ClientKind::Chromium, &calls).await
    })
    .await
}

#[tokio::test]
async fn firefox_calls_the_app() -> TestResult {
    scenario("firefox_app", async |env| ensure_calls(env, ClientKind::App, &[(Caller::Firefox, CallKind::Video)]).await)
        .await
}

#[tokio::test]
#[ignore = "more combinations"]
async fn firefox_makes_and_takes_calls_of_each_kind() -> TestResult {
    for other in [ClientKind::Firefox, ClientKind::Chromium, ClientKind::App] {
        scenario("firefox_matrix", async |env| {
            let voice = [(Caller::Firefox, CallKind::Voice), (Caller::Other, CallKind::Voice)];
            let calls = [voice[0], voice[1], (Caller::Other, CallKind::Video)];
            ensure_calls(env, other, &calls).await
        })
        .await?;
    }
    Ok(())
}
