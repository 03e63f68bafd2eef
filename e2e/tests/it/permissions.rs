//! Cameras and microphones that are refused or missing.

use hutong_e2e::{
    Devices, Outcome, Page, Permissions, Profile, Result, Server, World, ensure,
    page::SOON,
    scenario,
    steps::{MEDIA, With, connected, let_go, ring},
};

async fn person(world: &mut World, server: &Server, name: &str, profile: &Profile) -> Result<Page> {
    let page = world.page(name, profile).await?;
    page.open(&server.url()).await?;
    page.log_in(name).await?;
    Ok(page)
}

/// Ana, with the answers to her browser's questions, and Bo.
async fn asked(world: &mut World, server: &Server, camera: &str, microphone: &str) -> Result<(Page, Page)> {
    let profile = Profile { permissions: Permissions::AsSet, ..Profile::default() };
    let ana = person(world, server, "Ana", &profile).await?;
    ana.permit("camera", camera, &server.url()).await?;
    ana.permit("microphone", microphone, &server.url()).await?;
    let bo = world.log_in("Bo", server).await?;
    ana.sees("Bo", "online", SOON).await?;
    Ok((ana, bo))
}

/// Calls, and checks that nothing but a sentence comes of it; gives the sentence.
async fn only_a_sentence(caller: &Page, called: &Page, with: With, code: &str) -> Result<String> {
    caller.press_for(called.name(), with.call()).await?;
    let sentence = caller.notice(code, SOON).await?;
    ensure!(sentence.chars().count() > 10, "no sentence: {sentence}");
    let_go(caller, called).await?;
    let rang = called.roster_changes().await?.iter().any(|it| it.name == caller.name() && it.state == "connecting");
    ensure!(!rang, "{} became connecting", caller.name());
    Ok(sentence)
}

/// Takes the offer to call by voice instead, and checks that it works.
async fn voice_instead(caller: &Page, called: &Page) -> Result<()> {
    caller.press("notice-voice").await?;
    called.phase("incoming", SOON).await?;
    called.press("accept-voice").await?;
    connected(caller, called).await?;
    for page in [caller, called] {
        page.until("sound", MEDIA, "return (await e2e.received()).energy > 0").await?;
    }
    caller.press("hang-up").await?;
    let_go(caller, called).await
}

async fn no_voice_offered(page: &Page) -> Result<()> {
    let offered: bool = page.run(r#"return !!one("notice-voice")"#).await?;
    ensure!(!offered, "a voice call was offered without a microphone");
    Ok(())
}

#[tokio::test]
async fn without_leave_for_the_camera_a_voice_call_is_offered() -> Outcome {
    scenario("camera_denied", async |world| {
        let server = world.server().await?;
        let (ana, bo) = asked(world, &server, "denied", "granted").await?;
        only_a_sentence(&ana, &bo, With::Video, "camera_denied").await?;
        voice_instead(&ana, &bo).await?;

        // Who is called may try the camera, is told, and still takes the call by voice.
        ring(&bo, &ana, With::Video).await?;
        ana.press("accept-video").await?;
        ana.notice("camera_denied", SOON).await?;
        ana.phase("incoming", SOON).await?;
        ana.press("accept-voice").await?;
        connected(&bo, &ana).await?;
        ana.receives(20, MEDIA).await
    })
    .await
}

#[tokio::test]
async fn without_leave_for_the_microphone_there_is_no_call() -> Outcome {
    scenario("microphone_denied", async |world| {
        let server = world.server().await?;
        let (ana, bo) = asked(world, &server, "granted", "denied").await?;
        for with in [With::Video, With::Voice] {
            only_a_sentence(&ana, &bo, with, "microphone_denied").await?;
            no_voice_offered(&ana).await?;
            ana.press("notice-dismiss").await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn without_a_camera_a_voice_call_is_offered_and_a_video_call_can_be_answered() -> Outcome {
    scenario("camera_missing", async |world| {
        let server = world.server().await?;
        let ana = person(world, &server, "Ana", &Profile { devices: Devices::NoCamera, ..Profile::default() }).await?;
        let bo = world.log_in("Bo", &server).await?;
        ana.sees("Bo", "online", SOON).await?;
        only_a_sentence(&ana, &bo, With::Video, "camera_missing").await?;
        voice_instead(&ana, &bo).await?;

        ring(&bo, &ana, With::Video).await?;
        ana.press("accept-voice").await?;
        connected(&bo, &ana).await?;
        ana.receives(20, MEDIA).await
    })
    .await
}

#[tokio::test]
async fn without_a_microphone_there_is_no_call() -> Outcome {
    scenario("microphone_missing", async |world| {
        let server = world.server().await?;
        let ana = person(world, &server, "Ana", &Profile { devices: Devices::None, ..Profile::default() }).await?;
        let bo = world.log_in("Bo", &server).await?;
        ana.sees("Bo", "online", SOON).await?;
        for with in [With::Video, With::Voice] {
            only_a_sentence(&ana, &bo, with, "microphone_missing").await?;
            no_voice_offered(&ana).await?;
            ana.press("notice-dismiss").await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_page_that_is_not_secure_says_so() -> Outcome {
    scenario("not_secure", async |world| {
        let server = world.server().await?;
        let args = vec!["--host-resolver-rules=MAP hutong.test 127.0.0.1".to_owned()];
        let ana = world.page("Ana", &Profile { args, ..Profile::default() }).await?;
        ana.open(&format!("http://hutong.test:{}", server.address().port())).await?;
        ana.log_in("Ana").await?;
        let bo = world.log_in("Bo", &server).await?;
        ana.sees("Bo", "online", SOON).await?;
        let sentence = only_a_sentence(&ana, &bo, With::Video, "not_secure").await?;
        ensure!(sentence.contains("https"), "what to do is not told: {sentence}");
        no_voice_offered(&ana).await
    })
    .await
}
