//! Denied and missing cameras and microphones.

use hutong_e2e::{
    BrowserOptions, DevicePermissions, FakeDevices, Result, ServerProcess, TestEnv, TestPage, TestResult,
    call_steps::{CallKind, MEDIA_TIMEOUT, ring, wait_until_connected, wait_until_released},
    ensure,
    page::UI_TIMEOUT,
    scenario,
};

async fn log_in_with(
    env: &mut TestEnv,
    server: &ServerProcess,
    name: &str,
    profile: &BrowserOptions,
) -> Result<TestPage> {
    let page = env.new_page(name, profile).await?;
    page.open(&server.url()).await?;
    page.log_in(name).await?;
    Ok(page)
}

/// Logs in Ana, with these device permissions, and Bo.
async fn log_in_pair_with_permissions(
    env: &mut TestEnv,
    server: &ServerProcess,
    camera: &str,
    microphone: &str,
) -> Result<(TestPage, TestPage)> {
    let profile = BrowserOptions { permissions: DevicePermissions::Explicit, ..BrowserOptions::default() };
    let ana = log_in_with(env, server, "Ana", &profile).await?;
    ana.set_permission("camera", camera, &server.url()).await?;
    ana.set_permission("microphone", microphone, &server.url()).await?;
    let bo = env.log_in("Bo", server).await?;
    ana.wait_for_user_state("Bo", "online", UI_TIMEOUT).await?;
    Ok((ana, bo))
}

/// Tries to call, checks that only a notice comes of it, and returns its text.
async fn call_fails_with_notice(caller: &TestPage, called: &TestPage, kind: CallKind, code: &str) -> Result<String> {
    caller.press_on_tile(called.name(), kind.call_button()).await?;
    let sentence = caller.wait_for_notice(code, UI_TIMEOUT).await?;
    ensure!(sentence.chars().count() > 10, "the notice has no text: {sentence}");
    wait_until_released(caller, called).await?;
    let rang = called.roster_changes().await?.iter().any(|it| it.name == caller.name() && it.state == "connecting");
    ensure!(!rang, "{} became connecting", caller.name());
    Ok(sentence)
}

/// Accepts the notice's offer of a voice call, and checks that the call works.
async fn voice_call_instead(caller: &TestPage, called: &TestPage) -> Result<()> {
    caller.press("notice-voice").await?;
    called.wait_for_phase("incoming", UI_TIMEOUT).await?;
    called.press("accept-voice").await?;
    wait_until_connected(caller, called).await?;
    for page in [caller, called] {
        page.wait_until("audio", MEDIA_TIMEOUT, "return (await e2e.receivedTotals()).energy > 0").await?;
    }
    caller.press("hang-up").await?;
    wait_until_released(caller, called).await
}

async fn no_voice_call_offered(page: &TestPage) -> Result<()> {
    let offered: bool = page.run(r#"return !!one("notice-voice")"#).await?;
    ensure!(!offered, "a voice call was offered without a microphone");
    Ok(())
}

#[tokio::test]
async fn a_voice_call_is_offered_when_the_camera_is_denied() -> TestResult {
    scenario("camera_denied", async |env| {
        let server = env.start_server().await?;
        let (ana, bo) = log_in_pair_with_permissions(env, &server, "denied", "granted").await?;
        call_fails_with_notice(&ana, &bo, CallKind::Video, "camera_denied").await?;
        voice_call_instead(&ana, &bo).await?;

        // The called side may try video, gets the notice, and can still accept as a voice call.
        ring(&bo, &ana, CallKind::Video).await?;
        ana.press("accept-video").await?;
        ana.wait_for_notice("camera_denied", UI_TIMEOUT).await?;
        ana.wait_for_phase("incoming", UI_TIMEOUT).await?;
        ana.press("accept-voice").await?;
        wait_until_connected(&bo, &ana).await?;
        ana.wait_for_received(20, MEDIA_TIMEOUT).await
    })
    .await
}

#[tokio::test]
async fn no_call_starts_when_the_microphone_is_denied() -> TestResult {
    scenario("microphone_denied", async |env| {
        let server = env.start_server().await?;
        let (ana, bo) = log_in_pair_with_permissions(env, &server, "granted", "denied").await?;
        for kind in [CallKind::Video, CallKind::Voice] {
            call_fails_with_notice(&ana, &bo, kind, "microphone_denied").await?;
            no_voice_call_offered(&ana).await?;
            ana.press("notice-dismiss").await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn without_a_camera_voice_calls_can_be_made_and_video_calls_answered() -> TestResult {
    scenario("camera_missing", async |env| {
        let server = env.start_server().await?;
        let ana = log_in_with(
            env,
            &server,
            "Ana",
            &BrowserOptions { devices: FakeDevices::NoCamera, ..BrowserOptions::default() },
        )
        .await?;
        let bo = env.log_in("Bo", &server).await?;
        ana.wait_for_user_state("Bo", "online", UI_TIMEOUT).await?;
        call_fails_with_notice(&ana, &bo, CallKind::Video, "camera_missing").await?;
        voice_call_instead(&ana, &bo).await?;

        ring(&bo, &ana, CallKind::Video).await?;
        ana.press("accept-voice").await?;
        wait_until_connected(&bo, &ana).await?;
        ana.wait_for_received(20, MEDIA_TIMEOUT).await
    })
    .await
}

#[tokio::test]
async fn no_call_starts_without_a_microphone() -> TestResult {
    scenario("microphone_missing", async |env| {
        let server = env.start_server().await?;
        let ana = log_in_with(
            env,
            &server,
            "Ana",
            &BrowserOptions { devices: FakeDevices::None, ..BrowserOptions::default() },
        )
        .await?;
        let bo = env.log_in("Bo", &server).await?;
        ana.wait_for_user_state("Bo", "online", UI_TIMEOUT).await?;
        for kind in [CallKind::Video, CallKind::Voice] {
            call_fails_with_notice(&ana, &bo, kind, "microphone_missing").await?;
            no_voice_call_offered(&ana).await?;
            ana.press("notice-dismiss").await?;
        }
        Ok(())
    })
    .await
}

/// Has the browser answer its questions about devices as if the person had closed them, and count them.
async fn close_questions(page: &TestPage) -> Result<()> {
    page.run::<()>(
        "window.questions = 0;
        const devices = navigator.mediaDevices;
        window.realGetUserMedia ??= devices.getUserMedia.bind(devices);
        devices.getUserMedia = async (constraints) => {
            window.questions += 1;
            throw new DOMException('Permission dismissed', 'NotAllowedError');
        };",
    )
    .await
}

#[tokio::test]
async fn a_closed_question_is_not_asked_again_until_the_person_presses_a_button() -> TestResult {
    scenario("question_closed", async |env| {
        let server = env.start_server().await?;
        let (ana, bo) = log_in_pair_with_permissions(env, &server, "prompt", "prompt").await?;
        for kind in [CallKind::Video, CallKind::Voice] {
            close_questions(&ana).await?;
            call_fails_with_notice(&ana, &bo, kind, "not_allowed_yet").await?;
            let questions: usize = ana.run("return window.questions").await?;
            ensure!(questions == 1, "{questions} questions for one press");
            ana.press("notice-again").await?;
            let asked = "return window.questions === 2";
            ana.wait_until("the second question", UI_TIMEOUT, asked).await?;
            ana.wait_for_notice("not_allowed_yet", UI_TIMEOUT).await?;
            wait_until_released(&ana, &bo).await?;
            ana.press("notice-dismiss").await?;
        }
        // The person allows it at the next question.
        ana.set_permission("camera", "granted", &server.url()).await?;
        ana.set_permission("microphone", "granted", &server.url()).await?;
        ana.run::<()>("navigator.mediaDevices.getUserMedia = window.realGetUserMedia").await?;
        ring(&ana, &bo, CallKind::Video).await?;
        bo.press("accept-video").await?;
        wait_until_connected(&ana, &bo).await
    })
    .await
}

#[tokio::test]
async fn a_call_can_be_answered_without_any_microphone() -> TestResult {
    scenario("answer_without_microphone", async |env| {
        let server = env.start_server().await?;
        let nothing = BrowserOptions { devices: FakeDevices::None, ..BrowserOptions::default() };
        let ana = log_in_with(env, &server, "Ana", &nothing).await?;
        let bo = env.log_in("Bo", &server).await?;
        for (kind, answer) in [(CallKind::Video, "accept-video"), (CallKind::Voice, "accept-voice")] {
            ring(&bo, &ana, kind).await?;
            ana.press(answer).await?;
            wait_until_connected(&bo, &ana).await?;
            ana.wait_until("audio", MEDIA_TIMEOUT, "return (await e2e.receivedTotals()).energy > 0").await?;
            if kind == CallKind::Video {
                ana.wait_for_received(20, MEDIA_TIMEOUT).await?;
            }
            bo.wait_until(
                "the word about it",
                UI_TIMEOUT,
                "return one('remote-no-microphone')?.textContent.includes('Ana')",
            )
            .await?;
            ana.wait_until("the word about it", UI_TIMEOUT, "return one('no-microphone')").await?;
            ensure!(ana.run::<bool>("return !one('mute')").await?, "a button mutes no microphone");
            bo.press("hang-up").await?;
            wait_until_released(&ana, &bo).await?;
        }
        bo.ensure_no_errors().await
    })
    .await
}

#[tokio::test]
async fn an_insecure_page_explains_that_calls_need_https() -> TestResult {
    scenario("not_secure", async |env| {
        let server = env.start_server_with("127.0.0.1:0", &["--name", "hutong.test"]).await?;
        let args = vec!["--host-resolver-rules=MAP hutong.test 127.0.0.1".to_owned()];
        let ana = env.new_page("Ana", &BrowserOptions { args, ..BrowserOptions::default() }).await?;
        ana.open(&format!("http://hutong.test:{}", server.address().port())).await?;
        ana.log_in("Ana").await?;
        let bo = env.log_in("Bo", &server).await?;
        ana.wait_for_user_state("Bo", "online", UI_TIMEOUT).await?;
        let sentence = call_fails_with_notice(&ana, &bo, CallKind::Video, "not_secure").await?;
        ensure!(sentence.contains("https"), "the notice does not mention https: {sentence}");
        no_voice_call_offered(&ana).await
    })
    .await
}
