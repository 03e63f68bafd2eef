//! Calls of the desktop app, whose webview on Linux has no peer connections, so that the app brings its own: with Chromium, both
//! ways, and with another app.
//!
//! Gaps in the voice are looked for where the voice has no pauses of its own (`hutong_e2e::voice`): there a run of blocks of 10 ms
//! under -60 dB is sound that did not arrive in time. Where the test devices' own beeps are used, only that they arrive is
//! asserted.

use std::time::Duration;

use hutong_e2e::{
    Context, Outcome, Page, Result, World, ensure,
    page::SOON,
    people::{Microphone, Person, With, two},
    process::niceness,
    scenario,
    steps::{self, LET_GO, MEDIA, call, connected, let_go, ring},
    trials::{Bounds, Watched, goes_on},
};

/// How long picture and voice are watched in a call.
const LONG: Duration = Duration::from_secs(30);

/// Ana calls Bo, both see and hear each other without a break, and one of them hangs up.
async fn a_call(world: &mut World, with: [With; 2], (time, bounds): (Duration, Bounds), hangs_up: usize) -> Result<()> {
    let [ana, bo] = two(world, with, Microphone::Voice, None).await?;
    call(&ana.page, &bo.page, steps::With::Video).await?;
    goes_on(&ana.page, &bo.page, Watched::All, time, bounds).await?;
    [&ana, &bo][hangs_up].page.press("hang-up").await?;
    over(&ana, &bo).await
}

/// The call is over on both sides, nothing of it is held, and nothing went wrong on the way.
async fn over(ana: &Person, bo: &Person) -> Result<()> {
    let_go(&ana.page, &bo.page).await?;
    ana.page.sees("Bo", "online", LET_GO).await?;
    bo.page.sees("Ana", "online", LET_GO).await?;
    for person in [ana, bo] {
        person.page.ensure_no_errors().await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_app_calls_chromium() -> Outcome {
    scenario("native_app_calls", async |world| {
        a_call(world, [With::App, With::Chromium], (LONG, Bounds::GOOD), 0).await
    })
    .await
}

#[tokio::test]
async fn chromium_calls_the_app() -> Outcome {
    scenario("native_app_called", async |world| {
        a_call(world, [With::Chromium, With::App], (LONG, Bounds::GOOD), 0).await
    })
    .await
}

/// Two apps that draw and encode without a graphics card take more than two processors: there one of two runs was good, and in the
/// other a picture stood for seconds.
#[tokio::test]
#[ignore = "wants four processors"]
async fn the_app_calls_another_app() -> Outcome {
    scenario("native_two_apps", async |world| a_call(world, [With::App, With::App], (LONG, Bounds::GOOD), 1).await)
        .await
}

#[tokio::test]
async fn the_devices_own_picture_and_sound_arrive() -> Outcome {
    scenario("native_devices", async |world| {
        let [ana, bo] = two(world, [With::App, With::Chromium], Microphone::Fake, None).await?;
        call(&ana.page, &bo.page, steps::With::Video).await?;
        for page in [&ana.page, &bo.page] {
            page.sees_and_hears(MEDIA).await?;
            // The beeps are a second apart.
            let seen = page.seen_for(Duration::from_secs(5)).await?;
            println!("{} saw and heard {}", page.name(), seen.summary());
            seen.ensure_picture(page.name(), Duration::from_secs(1))?;
            ensure!(seen.energy > 1e-5, "{}: {}", page.name(), seen.summary());
        }
        bo.page.press("hang-up").await?;
        over(&ana, &bo).await
    })
    .await
}

#[tokio::test]
async fn a_voice_call_has_a_voice_both_ways() -> Outcome {
    scenario("native_voice", async |world| {
        let [ana, bo] = two(world, [With::App, With::Chromium], Microphone::Voice, None).await?;
        for (caller, called) in [(&ana, &bo), (&bo, &ana)] {
            call(&caller.page, &called.page, steps::With::Voice).await?;
            let time = Duration::from_secs(10);
            let seen = goes_on(&ana.page, &bo.page, Watched::Voice, time, Bounds::GOOD).await?;
            let app = ana.app.as_ref().context("an app")?.processes()?;
            let drawing: Vec<i32> = app.into_iter().flat_map(|pid| niceness(pid, "llvmpipe-")).collect();
            ensure!(drawing.iter().all(|nice| *nice > 0), "drawing gives way to nothing: {drawing:?}");
            for (page, seen) in [&ana.page, &bo.page].into_iter().zip(seen) {
                ensure!(seen.frames == 0 && seen.width == 0, "{}: a picture: {}", page.name(), seen.summary());
                ensure!(page.leftovers().await?.cameras == 0, "{} has a camera on", page.name());
            }
            caller.page.press("hang-up").await?;
            over(&ana, &bo).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_declined_call_ends_with_a_word_to_the_caller() -> Outcome {
    scenario("native_decline", async |world| {
        let [ana, bo] = two(world, [With::App, With::Chromium], Microphone::Fake, None).await?;
        for (caller, called) in [(&ana, &bo), (&bo, &ana)] {
            ring(&caller.page, &called.page, steps::With::Video).await?;
            called.page.press("decline").await?;
            caller.page.notice("declined", SOON).await?;
            over(&ana, &bo).await?;
            caller.page.press("notice-dismiss").await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn whose_other_side_is_killed_gets_out_of_the_call() -> Outcome {
    scenario("native_killed", async |world| {
        let [ana, bo] = two(world, [With::App, With::Chromium], Microphone::Fake, None).await?;
        call(&ana.page, &bo.page, steps::With::Video).await?;
        ana.page.sees_and_hears(MEDIA).await?;
        bo.page.kill_browser();
        gone(&ana.page, "Bo").await
    })
    .await
}

#[tokio::test]
async fn whose_other_side_is_a_crashed_app_gets_out_of_the_call() -> Outcome {
    scenario("native_crashed", async |world| {
        let [ana, bo] = two(world, [With::App, With::Chromium], Microphone::Fake, None).await?;
        call(&ana.page, &bo.page, steps::With::Video).await?;
        bo.page.sees_and_hears(MEDIA).await?;
        if let Some(app) = &ana.app {
            app.crash()?;
        }
        gone(&bo.page, "Ana").await
    })
    .await
}

#[tokio::test]
async fn whose_page_ends_in_a_call_is_out_of_it_and_there_again() -> Outcome {
    scenario("native_page_ends", async |world| {
        let [ana, bo] = two(world, [With::App, With::Chromium], Microphone::Fake, None).await?;
        call(&ana.page, &bo.page, steps::With::Video).await?;
        bo.page.sees_and_hears(MEDIA).await?;
        let app = ana.app.as_ref().context("Ana has no app")?;
        let ended = app.crash_page()?;
        // The app goes on without its page, and ends the call in its stead: a new one takes seconds.
        bo.page.no_call(SOON).await?;
        bo.page.sees("Ana", "online", SOON).await?;
        app.until_another_page(ended).await
    })
    .await
}

/// A page's call ends because the other side is gone, and it holds nothing of it.
async fn gone(page: &Page, other: &str) -> Result<()> {
    // The server holds a place for somebody who may come back.
    page.no_call(Duration::from_secs(60)).await?;
    page.is("online", LET_GO).await?;
    page.misses(other, Duration::from_secs(60)).await?;
    let left = page.leftovers().await?;
    ensure!((left.peers, left.tracks) == (0, 0), "{left:?}");
    page.ensure_no_errors().await
}

#[tokio::test]
async fn muting_and_switching_the_camera_off_are_heard_and_seen_on_the_other_side() -> Outcome {
    scenario("native_mute", async |world| {
        let [ana, bo] = two(world, [With::App, With::Chromium], Microphone::Voice, None).await?;
        call(&ana.page, &bo.page, steps::With::Video).await?;
        for (who, other) in [(&ana.page, &bo.page), (&bo.page, &ana.page)] {
            other.sees_and_hears(MEDIA).await?;
            who.press("mute").await?;
            other.watch_anew().await?;
            let silence = "return window.__watch.seen().longestGap >= 1000";
            other.until("a second of silence", SOON, silence).await?;
            other.watch_anew().await?;
            who.press("mute").await?;
            other.hears(SOON).await?;

            who.press("camera").await?;
            let unseen = r#"const it = one("remote-video"); return it && it.classList.contains("unseen")"#;
            other.until("no picture", SOON, unseen).await?;
            who.press("camera").await?;
            other.watch_anew().await?;
            other.sees_and_hears(SOON).await?;
            other.until("the picture to be shown", SOON, &unseen.replace("&& it", "&& !it")).await?;
        }
        connected(&ana.page, &bo.page).await?;
        bo.page.press("hang-up").await?;
        over(&ana, &bo).await
    })
    .await
}
