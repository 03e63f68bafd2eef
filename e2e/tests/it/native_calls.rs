//! Calls of the desktop app, whose webview on Linux has no peer connections, so that the app brings its own: with Chromium, both
//! ways, and with another app.
//!
//! By default it is asserted that picture and voice flow, by samples that cost the app's page little (`hutong_e2e::sampler`). Gaps
//! and freezes are looked for in the tests that are ignored by default.

use std::time::Duration;

use futures_util::future::join;
use hutong_e2e::{
    Context, Outcome, Page, Result, World,
    call_assertions::{MEDIA_S, Media, media_flows},
    call_quality::{Bounds, stays_within},
    ensure,
    page::SOON,
    people::{Microphone, Person, With, two},
    process::niceness,
    sampler::{Arrival, Sample},
    scenario,
    steps::{self, LET_GO, call, connected, let_go, ring},
};
use tokio::sync::oneshot;

/// How long gaps and freezes are looked for.
const LONG: Duration = Duration::from_secs(30);

/// Seconds until the other side perceives mute, unmute or the camera switched on. Media flows already, so that it takes less than
/// [`MEDIA_S`], which has room for a call to be set up: a second or two, and as long as a busy app's audio stands still.
const SWITCHED_S: usize = 15;

/// Ana calls Bo, both see and hear each other, and Ana hangs up.
async fn a_call(world: &mut World, with: [With; 2]) -> Result<()> {
    let [ana, bo] = two(world, with, Microphone::Voice, None).await?;
    call(&ana.page, &bo.page, steps::With::Video).await?;
    media_flows(&ana.page, &bo.page, Media::VideoAndAudio).await?;
    ana.page.press("hang-up").await?;
    over(&ana, &bo).await
}

/// Ana calls Bo, both see and hear each other without a break, and Bo hangs up.
async fn a_good_call(world: &mut World, with: [With; 2]) -> Result<()> {
    let [ana, bo] = two(world, with, Microphone::Voice, None).await?;
    call(&ana.page, &bo.page, steps::With::Video).await?;
    // Who has Chromium is watched first: to watch the app takes processor time from what it sends.
    let pages = if bo.app.is_some() { [&ana.page, &bo.page] } else { [&bo.page, &ana.page] };
    stays_within(pages, Media::VideoAndAudio, LONG, Bounds::APP).await?;
    bo.page.press("hang-up").await?;
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
    scenario("native_app_calls", async |world| a_call(world, [With::App, With::Chromium]).await).await
}

#[tokio::test]
async fn chromium_calls_the_app() -> Outcome {
    scenario("native_app_called", async |world| a_call(world, [With::Chromium, With::App]).await).await
}

#[tokio::test]
#[ignore = "quality: a minute and a half"]
async fn the_app_calls_chromium_without_a_break() -> Outcome {
    scenario("native_app_calls_well", async |world| a_good_call(world, [With::App, With::Chromium]).await).await
}

#[tokio::test]
#[ignore = "quality: a minute and a half"]
async fn chromium_calls_the_app_without_a_break() -> Outcome {
    scenario("native_app_called_well", async |world| a_good_call(world, [With::Chromium, With::App]).await).await
}

/// Two apps that draw and encode without a graphics card take more than two processors: there one of two runs was good, and in the
/// other a picture stood for seconds.
#[tokio::test]
#[ignore = "wants four processors"]
async fn the_app_calls_another_app() -> Outcome {
    scenario("native_two_apps", async |world| a_good_call(world, [With::App, With::App]).await).await
}

#[tokio::test]
async fn the_devices_own_picture_and_sound_arrive() -> Outcome {
    scenario("native_devices", async |world| {
        let [ana, bo] = two(world, [With::App, With::Chromium], Microphone::Fake, None).await?;
        call(&ana.page, &bo.page, steps::With::Video).await?;
        for page in [&ana.page, &bo.page] {
            // The beeps are a second apart, and short: the app's page hears of the last 0.7 s alone.
            page.until_arrival(Arrival::VideoAndAudio, MEDIA_S).await?;
            page.until_arrival(Arrival::VideoAndAudio, MEDIA_S).await?;
        }
        let seen = bo.page.samples_of(4).await?;
        ensure!(seen.iter().any(Sample::is_moving), "the picture stands still: {seen:#?}");
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
            let sampled = media_flows(&ana.page, &bo.page, Media::Audio).await?;
            let app = ana.app.as_ref().context("an app")?.processes()?;
            let drawing: Vec<i32> = app.into_iter().flat_map(|pid| niceness(pid, "llvmpipe-")).collect();
            ensure!(drawing.iter().all(|nice| *nice > 0), "drawing gives way to nothing: {drawing:?}");
            for (page, samples) in [&ana.page, &bo.page].into_iter().zip(sampled) {
                let is_seen = samples.iter().any(|sample| sample.frames > 0 || sample.width > 0);
                ensure!(!is_seen, "{}: a picture: {samples:#?}", page.name());
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
#[ignore = "quality: a minute"]
async fn a_voice_call_has_a_voice_without_a_break() -> Outcome {
    scenario("native_voice_well", async |world| {
        let [ana, bo] = two(world, [With::App, With::Chromium], Microphone::Voice, None).await?;
        for (caller, called) in [(&ana, &bo), (&bo, &ana)] {
            call(&caller.page, &called.page, steps::With::Voice).await?;
            stays_within([&bo.page, &ana.page], Media::Audio, Duration::from_secs(10), Bounds::APP).await?;
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

/// Two calls, since the server holds a place for 30 s in each: the second begins as soon as the first one's other side is killed.
#[tokio::test]
async fn whose_other_side_is_killed_gets_out_of_the_call() -> Outcome {
    let (killed, is_killed) = oneshot::channel::<()>();
    let chromium = scenario("native_killed", async |world| {
        let [ana, bo] = two(world, [With::App, With::Chromium], Microphone::Fake, None).await?;
        call(&ana.page, &bo.page, steps::With::Video).await?;
        ana.page.until_arrival(Arrival::VideoAndAudio, MEDIA_S).await?;
        bo.page.kill_browser();
        drop(killed);
        gone(&ana.page, "Bo").await
    });
    let app = scenario("native_crashed", async |world| {
        // An error when the other has let go of it: it goes on either way.
        let _ = is_killed.await;
        let [ana, bo] = two(world, [With::App, With::Chromium], Microphone::Fake, None).await?;
        call(&ana.page, &bo.page, steps::With::Video).await?;
        bo.page.until_arrival(Arrival::VideoAndAudio, MEDIA_S).await?;
        ana.app.as_ref().context("Ana has no app")?.crash()?;
        gone(&bo.page, "Ana").await
    });
    let (chromium, app) = join(chromium, app).await;
    chromium.and(app)
}

#[tokio::test]
async fn whose_page_ends_in_a_call_is_out_of_it_and_there_again() -> Outcome {
    scenario("native_page_ends", async |world| {
        let [ana, bo] = two(world, [With::App, With::Chromium], Microphone::Fake, None).await?;
        call(&ana.page, &bo.page, steps::With::Video).await?;
        bo.page.until_arrival(Arrival::VideoAndAudio, MEDIA_S).await?;
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
            other.until_arrival(Arrival::VideoAndAudio, MEDIA_S).await?;
            who.press("mute").await?;
            let muted = other.until_arrival(Arrival::Silence, SWITCHED_S).await?;
            who.press("mute").await?;
            let unmuted = other.until_arrival(Arrival::Audio, SWITCHED_S).await?;

            who.press("camera").await?;
            let unseen = r#"const it = one("remote-video"); return it && it.classList.contains("unseen")"#;
            other.until("no picture", SOON, unseen).await?;
            who.press("camera").await?;
            let shown = other.until_arrival(Arrival::VideoAndAudio, SWITCHED_S).await?;
            let [muted, unmuted, shown] = [muted, unmuted, shown].map(|samples| samples.len());
            println!("{}: silent after {muted} s, audible after {unmuted} s, video after {shown} s", other.name());
            other.until("the picture to be shown", SOON, &unseen.replace("&& it", "&& !it")).await?;
        }
        connected(&ana.page, &bo.page).await?;
        bo.page.press("hang-up").await?;
        over(&ana, &bo).await
    })
    .await
}
