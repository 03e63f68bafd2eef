//! Calls between two browsers, as both sides and a third user see them.

use std::time::Duration;

use hutong_e2e::{
    Context, Result, TestPage, TestResult,
    call_steps::{
        CallKind, MEDIA_TIMEOUT, RELEASE_TIMEOUT, call, ring, shows_call, wait_for_running_audio_contexts,
        wait_until_connected, wait_until_released,
    },
    ensure,
    page::UI_TIMEOUT,
    scenario,
};

/// Hangs up on one page and checks that a third page shows both users online within 3 s.
async fn hang_up(one: &TestPage, other: &TestPage, third: &TestPage) -> Result<()> {
    one.press("hang-up").await?;
    wait_until_released(one, other).await?;
    let clicks = one.clicks().await?;
    let pressed = clicks.iter().rfind(|click| click.id == "hang-up").context("no click on hang-up")?.at;
    for page in [one, other] {
        third.wait_for_user_state(page.name(), "online", RELEASE_TIMEOUT).await?;
        let changes = third.roster_changes().await?;
        let online = changes.iter().rfind(|change| change.name == page.name()).context("no change")?;
        let took = online.at - pressed;
        println!("{} hung up: {} is {} for others after {took:.0} ms", one.name(), page.name(), online.state);
        ensure!(online.state == "online" && took < 3_000.0, "{online:?} after {took} ms");
    }
    Ok(())
}

#[tokio::test]
async fn video_and_audio_flow_both_ways_until_either_side_hangs_up() -> TestResult {
    scenario("call", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.log_in("Bo", &server).await?;
        let cai = env.log_in("Cai", &server).await?;

        ring(&ana, &bo, CallKind::Video).await?;
        cai.wait_for_user_state("Ana", "connecting", UI_TIMEOUT).await?;
        cai.wait_for_user_state("Bo", "connecting", UI_TIMEOUT).await?;
        bo.press("accept-video").await?;
        wait_until_connected(&ana, &bo).await?;
        for page in [&ana, &bo] {
            cai.wait_for_user_state(page.name(), "in_call", UI_TIMEOUT).await?;
            page.wait_for_received(60, MEDIA_TIMEOUT).await?;
            let before = page.received_totals().await?;
            page.wait_until(
                "more audio",
                UI_TIMEOUT,
                &format!("return (await e2e.receivedTotals()).energy > {}", before.energy),
            )
            .await?;
            page.wait_until(
                "the remote video to be shown",
                UI_TIMEOUT,
                "const it = one('remote-video'); return it && it.videoWidth > 0",
            )
            .await?;
            page.wait_until(
                "the local video to be shown",
                UI_TIMEOUT,
                "const it = one('local-video'); return it && it.videoWidth > 0",
            )
            .await?;
        }
        hang_up(&ana, &bo, &cai).await?;

        call(&ana, &bo, CallKind::Video).await?;
        hang_up(&bo, &ana, &cai).await?;
        for page in [&ana, &bo, &cai] {
            page.ensure_no_errors().await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_caller_is_notified_when_the_call_is_declined() -> TestResult {
    scenario("decline", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.log_in("Bo", &server).await?;
        ring(&ana, &bo, CallKind::Video).await?;
        for page in [&ana, &bo] {
            wait_for_running_audio_contexts(page, 1).await?;
            // As when the previous tone's end takes effect only after this tone has begun.
            page.run::<()>("await window.__e2e.audioContexts[0].suspend(); return null").await?;
            wait_for_running_audio_contexts(page, 1).await?;
        }
        bo.press("decline").await?;
        let sentence = ana.wait_for_notice("declined", UI_TIMEOUT).await?;
        ensure!(sentence.contains("Bo"), "the notice does not name who declined: {sentence}");
        wait_until_released(&ana, &bo).await?;
        for page in [&ana, &bo] {
            wait_for_running_audio_contexts(page, 0).await?;
        }
        ana.wait_for_user_state("Bo", "online", RELEASE_TIMEOUT).await?;
        bo.wait_for_user_state("Ana", "online", RELEASE_TIMEOUT).await
    })
    .await
}

#[tokio::test]
async fn cancelling_a_ringing_call_stops_the_ringing() -> TestResult {
    scenario("cancel", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.log_in("Bo", &server).await?;
        ring(&ana, &bo, CallKind::Video).await?;
        ana.press("hang-up").await?;
        bo.wait_until("the missed call", UI_TIMEOUT, &shows_call("missed-calls", "Ana", "unanswered")).await?;
        wait_until_released(&ana, &bo).await?;
        ana.wait_for_user_state("Bo", "online", RELEASE_TIMEOUT).await?;
        bo.wait_for_user_state("Ana", "online", RELEASE_TIMEOUT).await
    })
    .await
}

#[tokio::test]
async fn users_who_are_connecting_or_in_a_call_cannot_be_called() -> TestResult {
    scenario("busy", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.log_in("Bo", &server).await?;
        let cai = env.log_in("Cai", &server).await?;

        ring(&ana, &bo, CallKind::Voice).await?;
        for name in ["Ana", "Bo"] {
            call_is_refused(&cai, name, "connecting").await?;
        }
        bo.press("accept-voice").await?;
        wait_until_connected(&ana, &bo).await?;
        for name in ["Ana", "Bo"] {
            call_is_refused(&cai, name, "in_call").await?;
        }
        ana.wait_for_phase("connected", UI_TIMEOUT).await?;
        bo.wait_for_phase("connected", UI_TIMEOUT).await?;
        cai.wait_for_own_state("online", UI_TIMEOUT).await
    })
    .await
}

async fn call_is_refused(caller: &TestPage, called: &str, state: &str) -> Result<()> {
    caller.wait_for_user_state(called, state, UI_TIMEOUT).await?;
    caller.press_on_tile(called, "call-voice").await?;
    let sentence = caller.wait_for_notice("cannot_call", UI_TIMEOUT).await?;
    ensure!(sentence.contains(called), "the notice does not name the busy user: {sentence}");
    caller.wait_until_no_call(UI_TIMEOUT).await?;
    caller.press("notice-dismiss").await?;
    caller.wait_until("the notice to be dismissed", UI_TIMEOUT, r#"return !one("notice")"#).await
}

#[tokio::test]
async fn a_video_call_can_be_answered_with_audio_only() -> TestResult {
    scenario("voice_answer", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.log_in("Bo", &server).await?;
        ring(&ana, &bo, CallKind::Video).await?;
        bo.press("accept-voice").await?;
        wait_until_connected(&ana, &bo).await?;
        bo.wait_for_received(60, MEDIA_TIMEOUT).await?;
        ana.wait_until("audio", MEDIA_TIMEOUT, "return (await e2e.receivedTotals()).energy > 0").await?;
        let (at_ana, at_bo) = (ana.received_totals().await?, bo.open_resources().await?);
        ensure!(at_ana.frames == 0 && at_bo.tracks == 1, "Bo sends video:  {at_ana:?} {at_bo:?}");
        ana.press("hang-up").await?;
        wait_until_released(&ana, &bo).await
    })
    .await
}

#[tokio::test]
async fn audio_plays_when_the_caller_switches_the_camera_off_before_the_answer() -> TestResult {
    scenario("camera_off_early", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.log_in("Bo", &server).await?;
        ring(&ana, &bo, CallKind::Video).await?;
        ana.press("camera").await?;
        let off = "return e2e.tracks.some((track) => track.kind === 'video' && track.readyState === 'ended')";
        ana.wait_until("the camera to be off", UI_TIMEOUT, off).await?;
        bo.press("accept-video").await?;
        wait_until_connected(&ana, &bo).await?;
        // A video element plays no audio before the first frame of its video track.
        let plays = "const it = one('remote-video'); return it && !it.paused && it.readyState === it.HAVE_ENOUGH_DATA";
        bo.wait_until("Ana's audio to be played", UI_TIMEOUT, plays).await?;
        ana.press("camera").await?;
        bo.wait_for_received(20, MEDIA_TIMEOUT).await?;
        bo.wait_until("Ana's video", UI_TIMEOUT, "return one('remote-video').videoWidth > 0").await
    })
    .await
}

#[tokio::test]
async fn simultaneous_calls_between_two_users_become_one_call() -> TestResult {
    scenario("crossing", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.log_in("Bo", &server).await?;
        ana.wait_for_user_state("Bo", "online", UI_TIMEOUT).await?;
        bo.wait_for_user_state("Ana", "online", UI_TIMEOUT).await?;

        let at = ana.now().await? + 500.0;
        ana.press_on_tile_at("Bo", "call-video", at).await?;
        bo.press_on_tile_at("Ana", "call-video", at).await?;
        wait_until_connected(&ana, &bo).await?;
        for page in [&ana, &bo] {
            page.wait_for_received(20, MEDIA_TIMEOUT).await?;
            let open = page.open_resources().await?;
            ensure!((open.peers, open.tracks) == (1, 2), "{}: {open:?}", page.name());
        }
        ana.wait_for_user_state("Bo", "in_call", UI_TIMEOUT).await?;
        bo.wait_for_user_state("Ana", "in_call", UI_TIMEOUT).await?;
        bo.press("hang-up").await?;
        wait_until_released(&ana, &bo).await
    })
    .await
}

#[tokio::test]
async fn mute_and_camera_off_update_the_buttons_and_stop_the_media() -> TestResult {
    scenario("mute", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.log_in("Bo", &server).await?;
        call(&ana, &bo, CallKind::Video).await?;
        bo.wait_for_received(20, MEDIA_TIMEOUT).await?;
        for button in ["mute", "camera"] {
            let pressed = format!("return one('{button}').getAttribute('aria-pressed')");
            let before: String = ana.run(&pressed).await?;
            ana.press(button).await?;
            ana.wait_until(
                "the button to change",
                UI_TIMEOUT,
                &format!("return one('{button}').getAttribute('aria-pressed') !== '{before}'"),
            )
            .await?;
        }
        let off = "return e2e.tracks.every((track) => !track.enabled || track.readyState === 'ended')";
        ana.wait_until("microphone and camera to be off", UI_TIMEOUT, off).await?;
        // The fake microphone beeps once a second: two seconds without a beep are silence.
        bo.start_recording_totals(Duration::from_secs(2)).await?;
        let samples = bo.stop_recording_totals(3, MEDIA_TIMEOUT).await?;
        let (before, after) = (samples[1], samples[2]);
        ensure!(after.energy - before.energy < 1e-4, "Bo still hears Ana: {samples:?}");
        Ok(())
    })
    .await
}
