//! Cameras, microphones and loudspeakers that are changed, lost or added in the middle of a call, and the call in figures.

use hutong_e2e::{
    Outcome, Page, Profile, Result, Server, World, ensure,
    page::SOON,
    scenario,
    steps::{MEDIA, With, call, let_go},
};

/// Somebody with several cameras, microphones and loudspeakers. Chromium's second fake camera measures depth and gives no
/// picture; the third does.
async fn with_several_devices(world: &mut World, server: &Server, name: &str) -> Result<Page> {
    let args = vec!["--use-fake-device-for-media-stream=device-count=3".to_owned()];
    let page = world.page(name, &Profile { args, ..Profile::default() }).await?;
    page.open(&server.url()).await?;
    page.log_in(name).await?;
    Ok(page)
}

/// Chooses, in the list with this data-testid, the last device that is not chosen yet; gives its id.
async fn choose_another(page: &Page, list: &str) -> Result<String> {
    let filled = format!("const it = one('{list}'); return it && !it.disabled && it.options.length > 1");
    page.until("devices to choose from", SOON, &filled).await?;
    page.run(&format!(
        r#"const it = one("{list}");
        const other = [...it.options].map((option) => option.value).filter((value) => value !== it.value).pop();
        it.value = other;
        it.dispatchEvent(new Event("change", {{ bubbles: true }}));
        return other;"#
    ))
    .await
}

/// Waits until the only live own track of this kind comes from this device.
async fn comes_from(page: &Page, kind: &str, device: &str) -> Result<()> {
    let script = format!(
        r#"const live = e2e.tracks.filter((track) => track.kind === "{kind}" && track.readyState === "live");
        return live.length === 1 && live[0].getSettings().deviceId === "{device}""#
    );
    page.until(&format!("{kind} from the chosen device alone"), SOON, &script).await
}

#[tokio::test]
async fn another_camera_and_another_microphone_take_over_in_the_call_and_are_remembered() -> Outcome {
    scenario("devices", async |world| {
        let server = world.server().await?;
        let ana = with_several_devices(world, &server, "Ana").await?;
        let bo = world.log_in("Bo", &server).await?;
        call(&ana, &bo, With::Video).await?;
        bo.receives(20, MEDIA).await?;

        ana.press("more").await?;
        let camera = choose_another(&ana, "choose-camera").await?;
        comes_from(&ana, "video", &camera).await?;
        let microphone = choose_another(&ana, "choose-microphone").await?;
        comes_from(&ana, "audio", &microphone).await?;
        let before = bo.received().await?;
        bo.receives(before.frames + 20, MEDIA).await?;
        bo.until("sound", MEDIA, &format!("return (await e2e.received()).energy > {}", before.energy)).await?;
        let negotiated: usize = ana
            .run("return e2e.marks.filter((mark) => mark.what === 'signalingState have-local-offer').length")
            .await?;
        ensure!(negotiated <= 1, "changing devices needed {negotiated} offers");

        let shown = format!("return one('choose-camera').value === '{camera}'");
        ana.until("the camera in use in the list", SOON, &shown).await?;
        ana.run::<()>(
            "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }))",
        )
        .await?;
        ana.until("the list to be gone", SOON, "return !one('settings')").await?;
        ana.until("the focus back", SOON, "return document.activeElement.dataset.testid === 'more'").await?;
        ana.press("hang-up").await?;
        let_go(&ana, &bo).await?;

        call(&bo, &ana, With::Video).await?;
        comes_from(&ana, "video", &camera).await?;
        comes_from(&ana, "audio", &microphone).await?;
        for page in [&ana, &bo] {
            page.ensure_no_errors().await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_other_side_is_heard_from_the_chosen_loudspeaker() -> Outcome {
    scenario("speaker", async |world| {
        let server = world.server().await?;
        let ana = world.log_in("Ana", &server).await?;
        let bo = world.log_in("Bo", &server).await?;
        call(&ana, &bo, With::Voice).await?;
        ana.press("more").await?;
        let speaker = choose_another(&ana, "choose-speaker").await?;
        let plays = format!("return one('remote-video').sinkId === '{speaker}'");
        ana.until("Bo to be played there", SOON, &plays).await?;
        ana.press("hang-up").await?;
        let_go(&ana, &bo).await?;
        call(&ana, &bo, With::Voice).await?;
        ana.until("Bo to be played there again", SOON, &plays).await
    })
    .await
}

#[tokio::test]
async fn another_device_stands_in_for_one_that_is_lost_and_muted_stays_muted() -> Outcome {
    scenario("device_lost", async |world| {
        let server = world.server().await?;
        let ana = with_several_devices(world, &server, "Ana").await?;
        let bo = world.log_in("Bo", &server).await?;
        call(&ana, &bo, With::Video).await?;
        bo.receives(20, MEDIA).await?;
        ana.press("mute").await?;
        // As the browser says it when a device is unplugged.
        ana.run::<()>(
            "for (const track of e2e.tracks) { track.stop(); track.dispatchEvent(new Event('ended')); }
            e2e.lost = e2e.tracks.length;",
        )
        .await?;
        let replaced = "const live = e2e.tracks.slice(e2e.lost).filter((track) => track.readyState === 'live');
            const of = (kind) => live.filter((track) => track.kind === kind);
            return of('video').length === 1 && of('audio').length === 1 && !of('audio')[0].enabled
                && !one('camera-lost') && !one('microphone-lost')";
        ana.until("other devices, and still muted", SOON, replaced).await?;
        let muted: String = ana.run("return one('mute').getAttribute('aria-pressed')").await?;
        ensure!(muted == "true", "the button says that Ana is heard");
        let before = bo.received().await?;
        bo.receives(before.frames + 20, MEDIA).await?;

        // And with nothing to stand in, the sentence.
        ana.run::<()>(
            "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotFoundError'));
            for (const track of e2e.tracks.filter((track) => track.readyState === 'live')) {
                track.stop();
                track.dispatchEvent(new Event('ended'));
            }",
        )
        .await?;
        ana.until("two sentences", SOON, "return one('camera-lost') && one('microphone-lost')").await?;
        ana.run::<()>("delete navigator.mediaDevices.getUserMedia").await?;
        ana.run::<()>("navigator.mediaDevices.dispatchEvent(new Event('devicechange'))").await?;
        ana.until("a microphone again", SOON, "return !one('microphone-lost')").await?;
        ana.press("camera").await?;
        ana.until("a camera again", SOON, "return !one('camera-lost')").await?;
        let before = bo.received().await?;
        bo.receives(before.frames + 20, MEDIA).await
    })
    .await
}

#[tokio::test]
async fn a_voice_call_becomes_a_video_call_from_either_side() -> Outcome {
    scenario("voice_to_video", async |world| {
        let server = world.server().await?;
        let ana = world.log_in("Ana", &server).await?;
        let bo = world.log_in("Bo", &server).await?;
        call(&ana, &bo, With::Voice).await?;
        for page in [&ana, &bo] {
            page.until("sound", MEDIA, "return (await e2e.received()).energy > 0").await?;
            let held = page.leftovers().await?;
            ensure!(held.tracks == 1, "{} has a camera on: {held:?}", page.name());
            let shown: bool = page.run("return one('call').classList.contains('with-picture')").await?;
            ensure!(!shown, "{} sees a picture that nobody sends", page.name());
        }
        for (one, other) in [(&ana, &bo), (&bo, &ana)] {
            one.press("camera").await?;
            other.receives(20, MEDIA).await?;
            other
                .until(
                    "the picture on the screen",
                    SOON,
                    "return one('call').classList.contains('with-picture') && one('remote-video').videoWidth > 0",
                )
                .await?;
        }
        ana.press("camera").await?;
        bo.until("Ana's picture to go", SOON, "return !one('call').classList.contains('with-picture')").await?;
        ana.press("hang-up").await?;
        let_go(&ana, &bo).await
    })
    .await
}

#[tokio::test]
async fn a_call_is_told_in_figures() -> Outcome {
    scenario("details", async |world| {
        let server = world.server().await?;
        let ana = world.log_in("Ana", &server).await?;
        let bo = world.log_in("Bo", &server).await?;
        call(&ana, &bo, With::Video).await?;
        ana.receives(20, MEDIA).await?;
        ana.run::<()>("one('call').focus()").await?;
        ana.driver().action_chain().send_keys("i").perform().await?;
        let told = r"const text = (id) => one(id).innerText;
            return ['received', 'sent'].every((way) => /^\d+ × \d+$/.test(text(`${way}-size`))
                && Number(text(`${way}-frames`)) > 0 && parseFloat(text(`${way}-bitrate`)) > 0)
                && /^[\d.]+ %$/.test(text('received-loss')) && /^[\d.]+ ms$/.test(text('round-trip'))";
        ana.until("figures", MEDIA, told).await?;
        ana.driver().action_chain().send_keys("i").perform().await?;
        ana.until("the figures to go", SOON, "return !one('details')").await?;

        ana.press("more").await?;
        ana.press("details-toggle").await?;
        ana.until("figures", MEDIA, told).await?;
        ana.press("details-close").await?;
        ana.press("more").await?;
        ana.until("no list", SOON, "return !one('settings') && !one('details')").await?;
        ana.press("hang-up").await?;
        let_go(&ana, &bo).await?;
        let mut timers = ana.leftovers().await?.timer_sources;
        timers.retain(|timer| timer.starts_with("every"));
        ensure!(timers.is_empty(), "it is measured on: {timers:#?}");
        Ok(())
    })
    .await
}
