//! The desktop app with its embedded server, and a browser that comes to it.

use hutong_e2e::{
    By, Outcome, Page, Result, Setup, ensure,
    page::SOON,
    scenario,
    steps::{With, ring},
};

#[tokio::test]
async fn the_app_and_a_browser_see_each_other_on_the_embedded_server() -> Outcome {
    scenario("desktop", async |world| {
        let app = world.desktop("Ana").await?;
        let ana = app.page();
        ana.log_in("Ana").await?;

        let bo = world.open("Bo", &app.url()).await?;
        bo.log_in("Bo").await?;
        ana.sees("Bo", "online", SOON).await?;
        bo.sees("Ana", "online", SOON).await?;

        // WebKitGTK has no RTCPeerConnection; the app brings a peer of its own (native_calls.rs).
        let callable = r#"return ["call-video", "call-voice"].every((id) => one(id) && !one(id).disabled)"#;
        ana.until("a call to be possible", SOON, callable).await?;
        ensure!(!ana.run::<bool>(r#"return !!one("no-calls")"#).await?, "the app says that it cannot call");

        ring(&bo, ana, With::Voice).await?;
        let accept: bool = ana.run(r#"return !!one("accept-voice")"#).await?;
        ensure!(accept, "a call cannot be accepted");
        ana.press("decline").await?;
        bo.notice("declined", SOON).await?;
        ana.no_call(SOON).await?;
        bo.sees("Ana", "online", SOON).await?;

        let before_reload = bo.now().await?;
        let token = r#"return one("me").dataset.token"#;
        let before: String = ana.run(token).await?;
        ana.reload().await?;
        ana.until("its own name again", SOON, r#"const me = one("me"); return me && me.dataset.name === "Ana""#)
            .await?;
        ana.is("online", SOON).await?;
        ana.sees("Bo", "online", SOON).await?;
        ensure!(ana.run::<String>(token).await? == before, "the reloaded window is somebody else");
        let left = bo.roster_changes().await?.into_iter().any(|it| it.name == "Ana" && it.at > before_reload);
        ensure!(!left, "the reload was felt by others");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_taken_port_is_told_and_another_server_can_be_used() -> Outcome {
    scenario("desktop_server", async |world| {
        let server = world.server().await?;
        let bo = world.log_in("Bo", &server).await?;
        let taken = server.address().port();
        let app = world.desktop_with("Ana", &Setup { port: Some(taken), ..Setup::default() }).await?;
        let ana = app.page();
        let told = format!(r#"const it = one("app-server"); return it && it.innerText.includes("{taken}")"#);
        ana.until("the word that the port is taken", SOON, &told).await?;
        ana.log_in("Ana").await?;
        let seen: bool = ana.run(r#"return !!user("Bo")"#).await?;
        ensure!(!seen, "the embedded server has the users of another");

        use_server(ana, "no address at all").await?;
        let problem = r#"const it = one("app-problem"); return it && it.dataset.code === "address_invalid" && it.innerText.trim()"#;
        ana.until("the sentence that this is no address", SOON, problem).await?;
        // Under the same name, without being asked for it again.
        use_server(ana, &server.url()).await?;
        ana.sees("Bo", "online", SOON).await?;
        ana.is("online", SOON).await?;
        bo.sees("Ana", "online", SOON).await
    })
    .await
}

#[tokio::test]
async fn a_missing_codec_is_told_with_the_package_that_brings_it() -> Outcome {
    scenario("desktop_codec", async |world| {
        let server = world.server().await?;
        let bo = world.log_in("Bo", &server).await?;
        // What GStreamer ranks so it does not offer.
        let without = ("GST_PLUGIN_FEATURE_RANK".to_owned(), "vp8enc:NONE".to_owned());
        let setup = Setup { variables: vec![without], ..Setup::calling(&server.url()) };
        let app = world.desktop_with("Ana", &setup).await?;
        let ana = app.page();
        ana.log_in("Ana").await?;
        ana.sees("Bo", "online", SOON).await?;
        ana.press_for("Bo", "call-video").await?;
        let sentence = ana.notice("picture_codec_missing", SOON).await?;
        ensure!(sentence.contains("gstreamer1.0-plugins-good"), "{sentence}");
        ana.no_call(SOON).await?;
        bo.sees("Ana", "online", SOON).await
    })
    .await
}

/// Enters the address of a server.
async fn use_server(page: &Page, address: &str) -> Result<()> {
    let field = page.driver().find(By::Css("[data-testid=server-address]")).await?;
    field.clear().await?;
    field.send_keys(address).await?;
    page.press("server-use").await
}
