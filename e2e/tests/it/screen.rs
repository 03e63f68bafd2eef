//! The own screen in a call.

use hutong_e2e::{
    Outcome, Page, Profile, Result, Server, World, ensure,
    page::SOON,
    scenario,
    steps::{MEDIA, With, call, let_go},
};

/// Somebody whose browser shares a made-up screen without asking.
async fn sharer(world: &mut World, server: &Server, name: &str) -> Result<Page> {
    let args = vec!["--auto-select-desktop-capture-source=Entire screen".to_owned()];
    let page = world.page(name, &Profile { args, ..Profile::default() }).await?;
    page.open(&server.url()).await?;
    page.log_in(name).await?;
    Ok(page)
}

/// The live own tracks of pictures, as `displaySurface` or `camera`.
const PICTURES: &str = "const pictures = e2e.tracks
    .filter((track) => track.kind === 'video' && track.readyState === 'live')
    .map((track) => track.getSettings().displaySurface || 'camera');";

async fn sends(page: &Page, what: &str, expected: &str) -> Result<()> {
    let script = format!("{PICTURES} return pictures.join() === {expected:?}");
    page.until(what, SOON, &script).await
}

/// Waits until the other side's picture is there, and shown whole as a screen or not.
async fn sees(page: &Page, screen: bool) -> Result<()> {
    let fit = if screen { "contain" } else { "cover" };
    let script = format!(
        "const it = one('remote-video');
        return one('call').classList.contains('with-picture') && it.videoWidth > 0
            && it.classList.contains('screen') === {screen} && getComputedStyle(it).objectFit === '{fit}'"
    );
    page.until(&format!("the picture, as a screen: {screen}"), MEDIA, &script).await?;
    let before = page.received().await?;
    page.receives(before.frames + 3, MEDIA).await
}

#[tokio::test]
async fn a_screen_takes_the_cameras_place_until_it_is_ended_by_either_button() -> Outcome {
    scenario("screen", async |world| {
        let server = world.server().await?;
        let ana = sharer(world, &server, "Ana").await?;
        let bo = world.log_in("Bo", &server).await?;
        call(&ana, &bo, With::Video).await?;
        sees(&bo, false).await?;

        ana.press("screen").await?;
        sends(&ana, "the screen beside the waiting camera", "camera,monitor").await?;
        sees(&bo, true).await?;
        let shows = "const it = one('local-video');
            return it.classList.contains('screen') && it.srcObject.getVideoTracks().length === 1
                && it.srcObject.getVideoTracks()[0].getSettings().displaySurface === 'monitor'";
        ana.until("the own screen in the corner", SOON, shows).await?;
        ana.press("screen").await?;
        sends(&ana, "the camera alone", "camera").await?;
        sees(&bo, false).await?;

        // As the browser says it when its own button ends the sharing.
        ana.press("screen").await?;
        sees(&bo, true).await?;
        ana.run::<()>(
            "const screen = e2e.tracks.findLast((track) => track.kind === 'video');
            screen.stop();
            screen.dispatchEvent(new Event('ended'));",
        )
        .await?;
        sees(&bo, false).await?;
        let pressed: String = ana.run("return one('screen').getAttribute('aria-pressed')").await?;
        ensure!(pressed == "false", "the button says that the screen is shared");

        // With the camera off, nothing follows the screen; and what is shared at the end is let go.
        ana.press("camera").await?;
        ana.press("screen").await?;
        sends(&ana, "the screen alone", "monitor").await?;
        sees(&bo, true).await?;
        ana.press("screen").await?;
        bo.until("the picture to go", SOON, "return !one('call').classList.contains('with-picture')").await?;
        ana.press("screen").await?;
        sees(&bo, true).await?;
        ana.press("hang-up").await?;
        let_go(&ana, &bo).await?;
        for page in [&ana, &bo] {
            page.ensure_no_errors().await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_screen_is_shared_in_a_voice_call_from_either_side() -> Outcome {
    scenario("screen_voice", async |world| {
        let server = world.server().await?;
        let ana = sharer(world, &server, "Ana").await?;
        let bo = sharer(world, &server, "Bo").await?;
        call(&ana, &bo, With::Voice).await?;
        for (one, other) in [(&ana, &bo), (&bo, &ana)] {
            one.press("screen").await?;
            sees(other, true).await?;
        }
        ana.press("screen").await?;
        bo.until("the picture to go", SOON, "return !one('call').classList.contains('with-picture')").await?;
        let silent = ana.received().await?.energy;
        ana.until("sound all the while", MEDIA, &format!("return (await e2e.received()).energy > {silent}")).await?;
        bo.press("hang-up").await?;
        let_go(&ana, &bo).await
    })
    .await
}

#[tokio::test]
async fn whoever_thinks_better_of_sharing_is_told_nothing() -> Outcome {
    scenario("screen_cancelled", async |world| {
        let server = world.server().await?;
        let ana = world.log_in("Ana", &server).await?;
        let bo = world.log_in("Bo", &server).await?;
        call(&ana, &bo, With::Video).await?;
        for (message, told) in [("Permission denied", false), ("Permission denied by system", true)] {
            ana.run::<()>(&format!(
                "e2e.asked = 0;
                navigator.mediaDevices.getDisplayMedia = () => {{
                    e2e.asked += 1;
                    return Promise.reject(new DOMException('{message}', 'NotAllowedError'));
                }};"
            ))
            .await?;
            ana.press("screen").await?;
            ana.until("the question", SOON, "return e2e.asked === 1").await?;
            let script = format!("return !!one('screen-lost') === {told} && !one('notice')");
            ana.until("what is said", SOON, &script).await?;
        }
        ana.phase("connected", SOON).await?;
        sees(&bo, false).await?;
        ana.press("hang-up").await?;
        let_go(&ana, &bo).await
    })
    .await
}

#[tokio::test]
async fn where_there_is_no_screen_to_share_nothing_is_offered() -> Outcome {
    scenario("screen_missing", async |world| {
        let server = world.server().await?;
        let ana = world.page("Ana", &Profile::default()).await?;
        let gone = "delete MediaDevices.prototype.getDisplayMedia; delete HTMLMediaElement.prototype.setSinkId;";
        let script = serde_json::json!({ "source": gone });
        ana.driver().cdp().send_raw("Page.addScriptToEvaluateOnNewDocument", script).await?;
        ana.open(&server.url()).await?;
        ana.log_in("Ana").await?;
        let bo = world.log_in("Bo", &server).await?;
        call(&ana, &bo, With::Video).await?;
        ana.press("more").await?;
        ana.until("cameras to choose from", SOON, "return one('choose-camera')").await?;
        let hidden: bool = ana.run("return !one('screen') && !one('choose-speaker')").await?;
        ensure!(hidden, "something is offered that is not there");
        Ok(())
    })
    .await
}
