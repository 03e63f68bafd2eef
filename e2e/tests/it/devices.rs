//! Changing, losing and adding cameras, microphones and speakers in a call; the call's statistics.

use hutong_e2e::{
    BrowserOptions, Result, ServerProcess, TestEnv, TestPage, TestResult,
    call_steps::{CallKind, MEDIA_TIMEOUT, call, wait_until_released},
    ensure,
    page::UI_TIMEOUT,
    scenario,
};

/// Logs in with several cameras, microphones and speakers. Chromium's second fake camera is a depth camera without
/// video; the third has video.
async fn log_in_with_several_devices(env: &mut TestEnv, server: &ServerProcess, name: &str) -> Result<TestPage> {
    let args = vec!["--use-fake-device-for-media-stream=device-count=3".to_owned()];
    let page = env.new_page(name, &BrowserOptions { args, ..BrowserOptions::default() }).await?;
    page.open(&server.url()).await?;
    page.log_in(name).await?;
    Ok(page)
}

/// Chooses the last device that is not chosen yet in the list with this data-testid; returns its ID.
pub(crate) async fn choose_another(page: &TestPage, list: &str) -> Result<String> {
    let filled = format!("const it = one('{list}'); return it && !it.disabled && it.options.length > 1");
    page.wait_until("devices to choose from", UI_TIMEOUT, &filled).await?;
    page.run(&format!(
        r#"const it = one("{list}");
        const other = [...it.options].map((option) => option.value).filter((value) => value !== it.value).pop();
        it.value = other;
        it.dispatchEvent(new Event("change", {{ bubbles: true }}));
        return other;"#
    ))
    .await
}

/// Waits until this device is the source of the only live local track of this kind.
async fn wait_for_source_device(page: &TestPage, kind: &str, device: &str) -> Result<()> {
    let script = format!(
        r#"const live = e2e.tracks.filter((track) => track.kind === "{kind}" && track.readyState === "live");
        return live.length === 1 && live[0].getSettings().deviceId === "{device}""#
    );
    page.wait_until(&format!("one {kind} track, from the chosen device"), UI_TIMEOUT, &script).await
}

#[tokio::test]
async fn a_chosen_camera_and_microphone_take_over_in_the_call_and_are_remembered() -> TestResult {
    scenario("devices", async |env| {
        let server = env.start_server().await?;
        let ana = log_in_with_several_devices(env, &server, "Ana").await?;
        let bo = env.log_in("Bo", &server).await?;
        call(&ana, &bo, CallKind::Video).await?;
        bo.wait_for_received(20, MEDIA_TIMEOUT).await?;

        ana.press("more").await?;
        let camera = choose_another(&ana, "choose-camera").await?;
        wait_for_source_device(&ana, "video", &camera).await?;
        let microphone = choose_another(&ana, "choose-microphone").await?;
        wait_for_source_device(&ana, "audio", &microphone).await?;
        let before = bo.received_totals().await?;
        bo.wait_for_received(before.frames + 20, MEDIA_TIMEOUT).await?;
        bo.wait_until(
            "audio",
            MEDIA_TIMEOUT,
            &format!("return (await e2e.receivedTotals()).energy > {}", before.energy),
        )
        .await?;
        let negotiated: usize = ana
            .run("return e2e.marks.filter((mark) => mark.what === 'signalingState have-local-offer').length")
            .await?;
        ensure!(negotiated <= 1, "changing devices took {negotiated} offers");

        let shown = format!("return one('choose-camera').value === '{camera}'");
        ana.wait_until("the camera in use in the list", UI_TIMEOUT, &shown).await?;
        ana.run::<()>(
            "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }))",
        )
        .await?;
        ana.wait_until("the device list to close", UI_TIMEOUT, "return !one('settings')").await?;
        ana.wait_until("the focus back", UI_TIMEOUT, "return document.activeElement.dataset.testid === 'more'").await?;
        ana.press("hang-up").await?;
        wait_until_released(&ana, &bo).await?;

        call(&bo, &ana, CallKind::Video).await?;
        wait_for_source_device(&ana, "video", &camera).await?;
        wait_for_source_device(&ana, "audio", &microphone).await?;
        for page in [&ana, &bo] {
            page.ensure_no_errors().await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn remote_audio_plays_on_the_chosen_speaker() -> TestResult {
    scenario("speaker", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.log_in("Bo", &server).await?;
        call(&ana, &bo, CallKind::Voice).await?;
        ana.press("more").await?;
        let speaker = choose_another(&ana, "choose-speaker").await?;
        let plays = format!("return one('remote-video').sinkId === '{speaker}'");
        ana.wait_until("Bo to be played on the chosen speaker", UI_TIMEOUT, &plays).await?;
        ana.press("hang-up").await?;
        wait_until_released(&ana, &bo).await?;
        call(&ana, &bo, CallKind::Voice).await?;
        ana.wait_until("Bo to be played on the chosen speaker again", UI_TIMEOUT, &plays).await
    })
    .await
}

#[tokio::test]
async fn each_chosen_device_stands_for_itself_and_comes_back() -> TestResult {
    scenario("chosen_devices", async |env| {
        let server = env.start_server().await?;
        let ana = log_in_with_several_devices(env, &server, "Ana").await?;
        let bo = env.log_in("Bo", &server).await?;
        call(&ana, &bo, CallKind::Video).await?;
        ana.press("more").await?;
        let camera = choose_another(&ana, "choose-camera").await?;
        wait_for_source_device(&ana, "video", &camera).await?;
        let microphone = choose_another(&ana, "choose-microphone").await?;
        wait_for_source_device(&ana, "audio", &microphone).await?;
        ana.press("hang-up").await?;
        wait_until_released(&ana, &bo).await?;

        // Without the chosen camera, the chosen microphone is used nevertheless.
        unplug(&ana, &camera).await?;
        call(&ana, &bo, CallKind::Video).await?;
        wait_for_source_device(&ana, "audio", &microphone).await?;
        let other_camera = format!(
            "const live = e2e.tracks.filter((track) => track.kind === 'video' && track.readyState === 'live');
            return live.length === 1 && live[0].getSettings().deviceId !== '{camera}'"
        );
        ana.wait_until("another camera", UI_TIMEOUT, &other_camera).await?;
        // It is used as soon as it is back.
        ana.run::<()>("window.plugIn()").await?;
        wait_for_source_device(&ana, "video", &camera).await?;
        wait_for_source_device(&ana, "audio", &microphone).await?;
        ana.ensure_no_errors().await
    })
    .await
}

#[tokio::test]
async fn a_chosen_speaker_is_used_again_once_it_is_plugged_in_again() -> TestResult {
    scenario("speaker_back", async |env| {
        let server = env.start_server().await?;
        let ana = log_in_with_several_devices(env, &server, "Ana").await?;
        let bo = env.log_in("Bo", &server).await?;
        call(&ana, &bo, CallKind::Voice).await?;
        ana.press("more").await?;
        let speaker = choose_another(&ana, "choose-speaker").await?;
        let plays_on = |sink: &str| format!("return one('remote-video').sinkId === '{sink}'");
        ana.wait_until("the chosen speaker", UI_TIMEOUT, &plays_on(&speaker)).await?;
        unplug(&ana, &speaker).await?;
        ana.wait_until("the default speaker", UI_TIMEOUT, &plays_on("")).await?;
        ana.run::<()>("window.plugIn()").await?;
        ana.wait_until("the chosen speaker again", UI_TIMEOUT, &plays_on(&speaker)).await
    })
    .await
}

#[tokio::test]
async fn the_own_picture_is_mirrored_unless_the_camera_points_away_or_the_person_wants_it_so() -> TestResult {
    scenario("mirror", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.log_in("Bo", &server).await?;
        call(&ana, &bo, CallKind::Video).await?;
        let flipped = |is: bool| {
            format!("return (getComputedStyle(one('local-video')).transform === 'matrix(-1, 0, 0, 1, 0, 0)') === {is}")
        };
        ana.wait_until("a mirrored picture", UI_TIMEOUT, &flipped(true)).await?;
        ana.press("more").await?;
        ana.press("mirror").await?;
        ana.wait_until("a picture as others see it", UI_TIMEOUT, &flipped(false)).await?;
        ana.press("hang-up").await?;
        wait_until_released(&ana, &bo).await?;
        ana.reload().await?;
        call(&ana, &bo, CallKind::Video).await?;
        ana.wait_until("a picture as others see it", UI_TIMEOUT, &flipped(false)).await?;
        ana.press("more").await?;
        ana.press("mirror").await?;
        ana.wait_until("a mirrored picture", UI_TIMEOUT, &flipped(true)).await?;

        // A phone's back camera: Chromium's fake ones have no direction.
        bo.run::<()>(
            "const settings = MediaStreamTrack.prototype.getSettings;
            MediaStreamTrack.prototype.getSettings = function () {
                return { ...settings.call(this), ...(this.kind === 'video' && { facingMode: 'environment' }) };
            };",
        )
        .await?;
        bo.press("hang-up").await?;
        wait_until_released(&ana, &bo).await?;
        call(&ana, &bo, CallKind::Video).await?;
        bo.wait_until("a readable picture", UI_TIMEOUT, &flipped(false)).await
    })
    .await
}

/// Takes a device away until `window.plugIn()`: fake devices of a browser cannot be unplugged.
async fn unplug(page: &TestPage, id: &str) -> Result<()> {
    page.run(&format!(
        "const devices = navigator.mediaDevices;
        const {{ enumerateDevices, getUserMedia }} = devices;
        const names = (constraint) => constraint?.deviceId?.exact === '{id}';
        devices.enumerateDevices = async () => (await enumerateDevices.call(devices)).filter((it) => it.deviceId !== '{id}');
        devices.getUserMedia = async (constraints) => {{
            if (names(constraints.video) || names(constraints.audio)) {{
                throw new OverconstrainedError('deviceId', 'unplugged');
            }}
            return getUserMedia.call(devices, constraints);
        }};
        window.plugIn = () => {{
            delete devices.enumerateDevices;
            delete devices.getUserMedia;
            devices.dispatchEvent(new Event('devicechange'));
        }};
        devices.dispatchEvent(new Event('devicechange'));"
    ))
    .await
}

#[tokio::test]
async fn a_lost_device_is_replaced_and_a_muted_microphone_stays_muted() -> TestResult {
    scenario("device_lost", async |env| {
        let server = env.start_server().await?;
        let ana = log_in_with_several_devices(env, &server, "Ana").await?;
        let bo = env.log_in("Bo", &server).await?;
        call(&ana, &bo, CallKind::Video).await?;
        bo.wait_for_received(20, MEDIA_TIMEOUT).await?;
        ana.press("mute").await?;
        // The events of a browser when a device is unplugged.
        ana.run::<()>(
            "for (const track of e2e.tracks) { track.stop(); track.dispatchEvent(new Event('ended')); }
            e2e.lost = e2e.tracks.length;",
        )
        .await?;
        let replaced = "const live = e2e.tracks.slice(e2e.lost).filter((track) => track.readyState === 'live');
            const of = (kind) => live.filter((track) => track.kind === kind);
            return of('video').length === 1 && of('audio').length === 1 && !of('audio')[0].enabled
                && !one('camera-lost') && !one('microphone-lost')";
        ana.wait_until("replacement devices, still muted", UI_TIMEOUT, replaced).await?;
        let muted: String = ana.run("return one('mute').getAttribute('aria-pressed')").await?;
        ensure!(muted == "true", "the button shows Ana as not muted");
        let before = bo.received_totals().await?;
        bo.wait_for_received(before.frames + 20, MEDIA_TIMEOUT).await?;

        // Without a replacement device the page shows a notice.
        ana.run::<()>(
            "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotFoundError'));
            for (const track of e2e.tracks.filter((track) => track.readyState === 'live')) {
                track.stop();
                track.dispatchEvent(new Event('ended'));
            }",
        )
        .await?;
        ana.wait_until("two notices", UI_TIMEOUT, "return one('camera-lost') && one('microphone-lost')").await?;
        ana.run::<()>("delete navigator.mediaDevices.getUserMedia").await?;
        ana.run::<()>("navigator.mediaDevices.dispatchEvent(new Event('devicechange'))").await?;
        ana.wait_until("a microphone again", UI_TIMEOUT, "return !one('microphone-lost')").await?;
        ana.press("camera").await?;
        ana.wait_until("a camera again", UI_TIMEOUT, "return !one('camera-lost')").await?;
        let before = bo.received_totals().await?;
        bo.wait_for_received(before.frames + 20, MEDIA_TIMEOUT).await
    })
    .await
}

#[tokio::test]
async fn either_side_can_turn_a_voice_call_into_a_video_call() -> TestResult {
    scenario("voice_to_video", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.log_in("Bo", &server).await?;
        call(&ana, &bo, CallKind::Voice).await?;
        for page in [&ana, &bo] {
            page.wait_until("audio", MEDIA_TIMEOUT, "return (await e2e.receivedTotals()).energy > 0").await?;
            let open = page.open_resources().await?;
            ensure!(open.tracks == 1, "{} uses a camera: {open:?}", page.name());
            let shown: bool = page.run("return one('call').classList.contains('with-picture')").await?;
            ensure!(!shown, "{} shows video that nobody sends", page.name());
        }
        for (one, other) in [(&ana, &bo), (&bo, &ana)] {
            one.press("camera").await?;
            other.wait_for_received(20, MEDIA_TIMEOUT).await?;
            other
                .wait_until(
                    "the remote video to be shown",
                    UI_TIMEOUT,
                    "return one('call').classList.contains('with-picture') && one('remote-video').videoWidth > 0",
                )
                .await?;
        }
        ana.press("camera").await?;
        bo.wait_until("Ana's video to be hidden", UI_TIMEOUT, "return !one('call').classList.contains('with-picture')")
            .await?;
        ana.press("hang-up").await?;
        wait_until_released(&ana, &bo).await
    })
    .await
}

#[tokio::test]
async fn call_statistics_are_shown_and_hidden() -> TestResult {
    scenario("details", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.log_in("Bo", &server).await?;
        call(&ana, &bo, CallKind::Video).await?;
        ana.wait_for_received(20, MEDIA_TIMEOUT).await?;
        ana.run::<()>("one('call').focus()").await?;
        ana.driver()?.action_chain().send_keys("i").perform().await?;
        let statistics = r"const text = (id) => one(id).innerText;
            return ['received', 'sent'].every((way) => /^\d+ × \d+$/.test(text(`${way}-size`))
                && Number(text(`${way}-frames`)) > 0 && parseFloat(text(`${way}-bitrate`)) > 0)
                && /^[\d.]+ %$/.test(text('received-loss')) && /^[\d.]+ ms$/.test(text('round-trip'))
                && text('path') === 'Direct, over UDP'";
        ana.wait_until("the statistics", MEDIA_TIMEOUT, statistics).await?;
        ana.driver()?.action_chain().send_keys("i").perform().await?;
        ana.wait_until("the statistics to close", UI_TIMEOUT, "return !one('details')").await?;

        ana.press("more").await?;
        ana.press("details-toggle").await?;
        ana.wait_until("the statistics", MEDIA_TIMEOUT, statistics).await?;
        ana.press("details-close").await?;
        ana.press("more").await?;
        ana.wait_until("the lists to close", UI_TIMEOUT, "return !one('settings') && !one('details')").await?;
        ana.press("hang-up").await?;
        wait_until_released(&ana, &bo).await?;
        let mut timers = ana.open_resources().await?.timer_sources;
        timers.retain(|timer| timer.starts_with("every"));
        ensure!(timers.is_empty(), "timers still poll the statistics: {timers:#?}");
        Ok(())
    })
    .await
}
