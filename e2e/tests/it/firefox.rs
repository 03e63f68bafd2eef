//! Calls of Firefox, through the real interface: with Chromium in both directions, and with the desktop app.

use std::time::Duration;

use hutong_e2e::{
    Result, TestEnv, TestResult, WindowPlacement,
    call_assertions::{CallMedia, ensure_media_flows, ensure_recovers},
    call_steps::{CallKind, MEDIA_TIMEOUT, call, ring, shows_call, wait_until_connected, wait_until_released},
    clients::{ClientKind, LoggedInClient, MicrophoneSource, log_in_pair},
    ensure,
    network::{EmulatedNetwork, LinkConditions, LinkDirection},
    page::UI_TIMEOUT,
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
async fn firefox_remembers_the_person_and_lists_missed_calls() -> TestResult {
    scenario("firefox_remembers", async |env| {
        let server = env.start_server().await?;
        let bo = env.log_in("Bo", &server).await?;
        let ana = env.new_firefox_page("Ana", None, WindowPlacement::Headless).await?;
        ana.open(&server.url()).await?;
        ana.log_in("Ana").await?;
        let token = "return one('me').dataset.token";
        let before: String = ana.run(token).await?;
        // As if the tab had been closed, and the address opened again.
        ana.open("about:blank").await?;
        bo.wait_until_user_gone("Ana", UI_TIMEOUT).await?;
        ana.open(&server.url()).await?;
        ana.wait_for_own_state("online", UI_TIMEOUT).await?;
        ensure!(ana.run::<String>(token).await? == before, "another user");

        ring(&bo, &ana, CallKind::Voice).await?;
        bo.press("hang-up").await?;
        ana.wait_until("the missed call", UI_TIMEOUT, &shows_call("missed-calls", "Bo", "unanswered")).await?;
        ana.wait_until("the button for calling back", UI_TIMEOUT, "return !one('call-back').disabled").await?;
        ana.press("call-back").await?;
        bo.wait_for_phase("incoming", UI_TIMEOUT).await?;
        bo.press("decline").await?;
        ana.wait_for_notice("declined", UI_TIMEOUT).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn firefox_opens_call_links_mirrors_no_back_camera_and_answers_without_a_microphone() -> TestResult {
    scenario("firefox_people", async |env| {
        let server = env.start_server().await?;
        let bo = env.log_in("Bo", &server).await?;
        let ana = env.new_firefox_page("Ana", None, WindowPlacement::Headless).await?;
        ana.open(&format!("{}#call=Bo", server.url())).await?;
        ana.log_in("Ana").await?;
        ana.wait_until("the question", UI_TIMEOUT, "return one('call-link')?.dataset.step === 'asking'").await?;
        ensure!(bo.run::<bool>("return !one('call')").await?, "the call has started by itself");
        ana.press("call-link-call").await?;
        bo.wait_for_phase("incoming", UI_TIMEOUT).await?;
        bo.press("accept-video").await?;
        wait_until_connected(&ana, &bo).await?;
        // Firefox's fake camera points away from the person.
        let facing =
            "return one('local-video')?.srcObject.getVideoTracks()[0]?.getSettings().facingMode === 'environment'
            && getComputedStyle(one('local-video')).transform === 'none'";
        ana.wait_until("a picture as others see it", UI_TIMEOUT, facing).await?;
        bo.press("hang-up").await?;
        wait_until_released(&ana, &bo).await?;

        // Firefox's fake devices cannot be unplugged.
        ana.run::<()>(
            "const get = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
            navigator.mediaDevices.getUserMedia = (constraints) => constraints.audio
                ? Promise.reject(new DOMException('The object can not be found here.', 'NotFoundError'))
                : get(constraints);",
        )
        .await?;
        ring(&bo, &ana, CallKind::Voice).await?;
        ana.press("accept-voice").await?;
        wait_until_connected(&bo, &ana).await?;
        ana.wait_until("audio", MEDIA_TIMEOUT, "return (await e2e.receivedTotals()).energy > 0").await?;
        let told = "return one('remote-no-microphone')?.textContent.includes('Ana')";
        bo.wait_until("the word about it", UI_TIMEOUT, told).await?;
        bo.press("hang-up").await?;
        wait_until_released(&ana, &bo).await
    })
    .await
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

#[tokio::test]
#[ignore = "more combinations"]
async fn calls_of_firefox_go_on_over_a_lossy_link_and_after_an_outage() -> TestResult {
    for other in [ClientKind::Chromium, ClientKind::App] {
        scenario("firefox_network", async |env| {
            let network = EmulatedNetwork::new().await?;
            network.add_default_route().await?;
            let kinds = [ClientKind::Firefox, other];
            let [firefox, other] = log_in_pair(env, kinds, MicrophoneSource::Fake, Some(&network)).await?;
            firefox.page.use_noise_camera().await?;
            call(&firefox.page, &other.page, CallKind::Video).await?;
            let lossy = LinkConditions { loss: 0.03, delay: Duration::from_millis(50), ..LinkConditions::default() };
            network.link.set_both(lossy);
            ensure_media_flows(&firefox.page, &other.page, CallMedia::VideoAndAudio).await?;
            let lost = network.link.counters(LinkDirection::LeftToRight).packets_lost;
            ensure!(lost > 10, "only {lost} packets were lost");
            network.link.set_both(LinkConditions::default());
            ensure_recovers(&network, &firefox.page, &other.page, 8).await
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
#[ignore = "more combinations"]
async fn firefox_shares_its_screen() -> TestResult {
    scenario("firefox_screen", async |env| {
        let server = env.start_server().await?;
        // A headless Firefox has no screen.
        let ana = env.new_firefox_page("Ana", None, WindowPlacement::OnVirtualDisplay).await?;
        ana.open(&server.url()).await?;
        ana.log_in("Ana").await?;
        let bo = env.log_in("Bo", &server).await?;
        call(&ana, &bo, CallKind::Voice).await?;
        ana.press("screen").await?;
        let shown = "const it = one('remote-video'); return it && it.classList.contains('screen') && it.videoWidth > 0";
        bo.wait_until("Firefox's screen", UI_TIMEOUT, shown).await?;
        let before = bo.received_totals().await?;
        bo.wait_for_received(before.frames + 3, MEDIA_TIMEOUT).await
    })
    .await
}
