//! What the app's page does for its person as in browsers: missed calls, own picture, devices, calls without a microphone.

use hutong_e2e::{
    AppOptions, TestResult,
    call_steps::{CallKind, MEDIA_TIMEOUT, call, ring, shows_call, wait_until_connected, wait_until_released},
    desktop::TestDevices,
    ensure,
    page::UI_TIMEOUT,
    scenario,
};

use crate::devices::choose_another;

#[tokio::test]
async fn missed_calls_are_listed_and_recent_ones_outlast_a_restart() -> TestResult {
    scenario("app_missed_calls", async |env| {
        let server = env.start_server().await?;
        let bo = env.log_in("Bo", &server).await?;
        let folder = tempfile::tempdir()?;
        let data_dir = Some(folder.path().to_owned());
        let options = AppOptions { data_dir, ..AppOptions::with_test_devices(&server.url()) };
        let app = env.start_app_with("Ana", &options).await?;
        let ana = app.page();
        ana.log_in("Ana").await?;
        ring(&bo, ana, CallKind::Voice).await?;
        bo.press("hang-up").await?;
        ana.wait_until("the missed call", UI_TIMEOUT, &shows_call("missed-calls", "Bo", "unanswered")).await?;
        ana.wait_until("the button for calling back", UI_TIMEOUT, "return !one('call-back').disabled").await?;
        ana.press("call-back").await?;
        bo.wait_for_phase("incoming", UI_TIMEOUT).await?;
        bo.press("decline").await?;
        ana.wait_for_notice("declined", UI_TIMEOUT).await?;
        app.quit().await?;

        let app = env.start_app_with("Ana", &options).await?;
        let ana = app.page();
        ana.wait_for_own_state("online", UI_TIMEOUT).await?;
        for outcome in ["unanswered", "declined"] {
            ana.wait_until("the recent calls", UI_TIMEOUT, &shows_call("recent-calls", "Bo", outcome)).await?;
        }
        ana.press("forget-device").await?;
        ana.wait_until("the login", UI_TIMEOUT, "return document.querySelector('input#name')?.value === ''").await?;
        app.quit().await?;
        ensure!(!folder.path().join("session.json").exists(), "the session is still stored");
        let app = env.start_app_with("Ana", &options).await?;
        app.page()
            .wait_until("an empty name", UI_TIMEOUT, "return document.querySelector('input#name')?.value === ''")
            .await
    })
    .await
}

#[tokio::test]
async fn the_own_picture_is_mirrored_as_the_person_wants() -> TestResult {
    scenario("app_mirror", async |env| {
        let server = env.start_server().await?;
        let bo = env.log_in("Bo", &server).await?;
        let app = env.start_app_with("Ana", &AppOptions::with_test_devices(&server.url())).await?;
        let ana = app.page();
        ana.log_in("Ana").await?;
        call(ana, &bo, CallKind::Video).await?;
        let flipped = |is: bool| {
            format!("return (getComputedStyle(one('local-video')).transform === 'matrix(-1, 0, 0, 1, 0, 0)') === {is}")
        };
        ana.wait_until("a mirrored picture", UI_TIMEOUT, &flipped(true)).await?;
        ana.press("more").await?;
        ana.press("mirror").await?;
        ana.wait_until("a picture as others see it", UI_TIMEOUT, &flipped(false)).await?;
        ana.press("hang-up").await?;
        wait_until_released(ana, &bo).await?;
        call(ana, &bo, CallKind::Video).await?;
        ana.wait_until("a picture as others see it", UI_TIMEOUT, &flipped(false)).await
    })
    .await
}

#[tokio::test]
async fn a_chosen_camera_is_used_in_the_next_call_too() -> TestResult {
    scenario("app_devices", async |env| {
        let server = env.start_server().await?;
        let bo = env.log_in("Bo", &server).await?;
        let app = env.start_app_with("Ana", &AppOptions::with_test_devices(&server.url())).await?;
        let ana = app.page();
        ana.log_in("Ana").await?;
        call(ana, &bo, CallKind::Video).await?;
        ana.press("more").await?;
        let camera = choose_another(ana, "choose-camera").await?;
        let is_used = format!(
            "const track = one('local-video')?.srcObject?.getVideoTracks()[0];
            return track?.readyState === 'live' && track.getSettings().deviceId === '{camera}'"
        );
        ana.wait_until("the chosen camera", UI_TIMEOUT, &is_used).await?;
        ana.press("hang-up").await?;
        wait_until_released(ana, &bo).await?;
        call(ana, &bo, CallKind::Video).await?;
        ana.wait_until("the chosen camera", UI_TIMEOUT, &is_used).await
    })
    .await
}

#[tokio::test]
async fn a_call_can_be_answered_without_any_device() -> TestResult {
    scenario("app_without_devices", async |env| {
        let server = env.start_server().await?;
        let bo = env.log_in("Bo", &server).await?;
        let options = AppOptions { devices: TestDevices::Off, ..AppOptions::with_test_devices(&server.url()) };
        let app = env.start_app_with("Ana", &options).await?;
        let ana = app.page();
        ana.log_in("Ana").await?;
        ring(&bo, ana, CallKind::Video).await?;
        ana.press("accept-video").await?;
        wait_until_connected(&bo, ana).await?;
        let shown = "const it = one('remote-video'); return it?.videoWidth > 0 && it.currentTime > 1";
        ana.wait_until("Bo's picture", MEDIA_TIMEOUT, shown).await?;
        ana.wait_until("the word about it", UI_TIMEOUT, "return one('no-microphone')").await?;
        let told = "return one('remote-no-microphone')?.textContent.includes('Ana')";
        bo.wait_until("the word about it", UI_TIMEOUT, told).await?;
        bo.press("hang-up").await?;
        wait_until_released(ana, &bo).await?;

        ana.wait_for_user_state("Bo", "online", UI_TIMEOUT).await?;
        ana.press_on_tile("Bo", "call-voice").await?;
        ana.wait_for_notice("microphone_missing", UI_TIMEOUT).await?;
        bo.wait_for_own_state("online", UI_TIMEOUT).await
    })
    .await
}
