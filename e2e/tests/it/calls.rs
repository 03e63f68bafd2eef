//! Calls between two people in two browsers, as they and others see them.

use std::time::Duration;

use hutong_e2e::{
    Context, Outcome, Page, Result, ensure,
    page::SOON,
    scenario,
    steps::{LET_GO, MEDIA, With, call, connected, let_go, ring, sounding},
};

/// Presses hang-up in one page, and checks in a third when both were online again.
async fn hang_up(one: &Page, other: &Page, third: &Page) -> Result<()> {
    one.press("hang-up").await?;
    let_go(one, other).await?;
    let clicks = one.clicks().await?;
    let pressed = clicks.iter().rfind(|click| click.id == "hang-up").context("no click on hang-up")?.at;
    for page in [one, other] {
        third.sees(page.name(), "online", LET_GO).await?;
        let changes = third.roster_changes().await?;
        let online = changes.iter().rfind(|change| change.name == page.name()).context("no change")?;
        let took = online.at - pressed;
        println!("{} hung up: {} {} for others after {took:.0} ms", one.name(), page.name(), online.state);
        ensure!(online.state == "online" && took < 3_000.0, "{online:?} after {took} ms");
    }
    Ok(())
}

#[tokio::test]
async fn a_call_is_seen_and_heard_on_both_sides_until_either_hangs_up() -> Outcome {
    scenario("call", async |world| {
        let server = world.server().await?;
        let ana = world.log_in("Ana", &server).await?;
        let bo = world.log_in("Bo", &server).await?;
        let cai = world.log_in("Cai", &server).await?;

        ring(&ana, &bo, With::Video).await?;
        cai.sees("Ana", "connecting", SOON).await?;
        cai.sees("Bo", "connecting", SOON).await?;
        bo.press("accept-video").await?;
        connected(&ana, &bo).await?;
        for page in [&ana, &bo] {
            cai.sees(page.name(), "in_call", SOON).await?;
            page.receives(60, MEDIA).await?;
            let before = page.received().await?;
            page.until("more sound", SOON, &format!("return (await e2e.received()).energy > {}", before.energy))
                .await?;
            page.until(
                "the remote picture on the screen",
                SOON,
                "const it = one('remote-video'); return it && it.videoWidth > 0",
            )
            .await?;
            page.until(
                "the own picture on the screen",
                SOON,
                "const it = one('local-video'); return it && it.videoWidth > 0",
            )
            .await?;
        }
        hang_up(&ana, &bo, &cai).await?;

        call(&ana, &bo, With::Video).await?;
        hang_up(&bo, &ana, &cai).await?;
        for page in [&ana, &bo, &cai] {
            page.ensure_no_errors().await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_declined_call_ends_with_a_word_to_the_caller() -> Outcome {
    scenario("decline", async |world| {
        let server = world.server().await?;
        let ana = world.log_in("Ana", &server).await?;
        let bo = world.log_in("Bo", &server).await?;
        ring(&ana, &bo, With::Video).await?;
        for page in [&ana, &bo] {
            sounding(page, 1).await?;
            // As when the end of the tone before takes effect after this one has begun.
            page.run::<()>("await window.__e2e.sounds[0].suspend(); return null").await?;
            sounding(page, 1).await?;
        }
        bo.press("decline").await?;
        let sentence = ana.notice("declined", SOON).await?;
        ensure!(sentence.contains("Bo"), "who declined is not told: {sentence}");
        let_go(&ana, &bo).await?;
        for page in [&ana, &bo] {
            sounding(page, 0).await?;
        }
        ana.sees("Bo", "online", LET_GO).await?;
        bo.sees("Ana", "online", LET_GO).await
    })
    .await
}

#[tokio::test]
async fn a_call_given_up_while_it_rings_stops_ringing() -> Outcome {
    scenario("cancel", async |world| {
        let server = world.server().await?;
        let ana = world.log_in("Ana", &server).await?;
        let bo = world.log_in("Bo", &server).await?;
        ring(&ana, &bo, With::Video).await?;
        ana.press("hang-up").await?;
        let sentence = bo.notice("cancelled", SOON).await?;
        ensure!(sentence.contains("Ana"), "who called is not told: {sentence}");
        let_go(&ana, &bo).await?;
        ana.sees("Bo", "online", LET_GO).await?;
        bo.sees("Ana", "online", LET_GO).await
    })
    .await
}

#[tokio::test]
async fn whoever_is_connecting_or_in_a_call_cannot_be_called() -> Outcome {
    scenario("busy", async |world| {
        let server = world.server().await?;
        let ana = world.log_in("Ana", &server).await?;
        let bo = world.log_in("Bo", &server).await?;
        let cai = world.log_in("Cai", &server).await?;

        ring(&ana, &bo, With::Voice).await?;
        for name in ["Ana", "Bo"] {
            refused(&cai, name, "connecting").await?;
        }
        bo.press("accept-voice").await?;
        connected(&ana, &bo).await?;
        for name in ["Ana", "Bo"] {
            refused(&cai, name, "in_call").await?;
        }
        ana.phase("connected", SOON).await?;
        bo.phase("connected", SOON).await?;
        cai.is("online", SOON).await
    })
    .await
}

async fn refused(caller: &Page, called: &str, state: &str) -> Result<()> {
    caller.sees(called, state, SOON).await?;
    caller.press_for(called, "call-voice").await?;
    let sentence = caller.notice("cannot_call", SOON).await?;
    ensure!(sentence.contains(called), "who cannot be called is not told: {sentence}");
    caller.no_call(SOON).await?;
    caller.press("notice-dismiss").await?;
    caller.until("the sentence to go", SOON, r#"return !one("notice")"#).await
}

#[tokio::test]
async fn a_video_call_can_be_answered_by_voice() -> Outcome {
    scenario("voice_answer", async |world| {
        let server = world.server().await?;
        let ana = world.log_in("Ana", &server).await?;
        let bo = world.log_in("Bo", &server).await?;
        ring(&ana, &bo, With::Video).await?;
        bo.press("accept-voice").await?;
        connected(&ana, &bo).await?;
        bo.receives(60, MEDIA).await?;
        ana.until("sound", MEDIA, "return (await e2e.received()).energy > 0").await?;
        let (at_ana, at_bo) = (ana.received().await?, bo.leftovers().await?);
        ensure!(at_ana.frames == 0 && at_bo.tracks == 1, "Bo has no camera on: {at_ana:?} {at_bo:?}");
        ana.press("hang-up").await?;
        let_go(&ana, &bo).await
    })
    .await
}

#[tokio::test]
async fn whose_camera_is_off_before_the_call_is_taken_is_heard_all_the_same() -> Outcome {
    scenario("camera_off_early", async |world| {
        let server = world.server().await?;
        let ana = world.log_in("Ana", &server).await?;
        let bo = world.log_in("Bo", &server).await?;
        ring(&ana, &bo, With::Video).await?;
        ana.press("camera").await?;
        let off = "return e2e.tracks.some((track) => track.kind === 'video' && track.readyState === 'ended')";
        ana.until("the camera to be off", SOON, off).await?;
        bo.press("accept-video").await?;
        connected(&ana, &bo).await?;
        // A video element plays no sound before it has seen the first frame of a picture that it was given.
        let plays = "const it = one('remote-video'); return it && !it.paused && it.readyState === it.HAVE_ENOUGH_DATA";
        bo.until("Ana to be played", SOON, plays).await?;
        ana.press("camera").await?;
        bo.receives(20, MEDIA).await?;
        bo.until("Ana's picture", SOON, "return one('remote-video').videoWidth > 0").await
    })
    .await
}

#[tokio::test]
async fn two_who_call_each_other_at_once_get_one_call() -> Outcome {
    scenario("crossing", async |world| {
        let server = world.server().await?;
        let ana = world.log_in("Ana", &server).await?;
        let bo = world.log_in("Bo", &server).await?;
        ana.sees("Bo", "online", SOON).await?;
        bo.sees("Ana", "online", SOON).await?;

        let at = ana.now().await? + 500.0;
        ana.press_for_at("Bo", "call-video", at).await?;
        bo.press_for_at("Ana", "call-video", at).await?;
        connected(&ana, &bo).await?;
        for page in [&ana, &bo] {
            page.receives(20, MEDIA).await?;
            let held = page.leftovers().await?;
            ensure!((held.peers, held.tracks) == (1, 2), "{}: {held:?}", page.name());
        }
        ana.sees("Bo", "in_call", SOON).await?;
        bo.sees("Ana", "in_call", SOON).await?;
        bo.press("hang-up").await?;
        let_go(&ana, &bo).await
    })
    .await
}

#[tokio::test]
async fn muting_and_switching_the_camera_off_are_shown_and_felt() -> Outcome {
    scenario("mute", async |world| {
        let server = world.server().await?;
        let ana = world.log_in("Ana", &server).await?;
        let bo = world.log_in("Bo", &server).await?;
        call(&ana, &bo, With::Video).await?;
        bo.receives(20, MEDIA).await?;
        for button in ["mute", "camera"] {
            let pressed = format!("return one('{button}').getAttribute('aria-pressed')");
            let before: String = ana.run(&pressed).await?;
            ana.press(button).await?;
            ana.until(
                "the button to change",
                SOON,
                &format!("return one('{button}').getAttribute('aria-pressed') !== '{before}'"),
            )
            .await?;
        }
        let off = "return e2e.tracks.every((track) => !track.enabled || track.readyState === 'ended')";
        ana.until("microphone and camera to be off", SOON, off).await?;
        // The beeps of the fake microphone are a second apart: two such seconds without one are silence.
        bo.start_sampling(Duration::from_secs(2)).await?;
        let samples = bo.samples(3, MEDIA).await?;
        let (before, after) = (samples[1], samples[2]);
        ensure!(after.energy - before.energy < 1e-4, "Bo still hears Ana: {samples:?}");
        Ok(())
    })
    .await
}
