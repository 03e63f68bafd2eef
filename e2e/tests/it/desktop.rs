//! The desktop app with its embedded server and a browser on it; a taken port; a missing codec.

use hutong_e2e::{
    AppOptions, By, Result, TestPage, TestResult,
    call_steps::{CallKind, ring},
    ensure,
    page::UI_TIMEOUT,
    scenario,
};

#[tokio::test]
async fn the_app_and_a_browser_see_each_other_on_the_embedded_server() -> TestResult {
    scenario("desktop", async |env| {
        let app = env.start_app("Ana").await?;
        let ana = app.page();
        ana.log_in("Ana").await?;

        let bo = env.open_page("Bo", &app.embedded_server_url()).await?;
        bo.log_in("Bo").await?;
        ana.wait_for_user_state("Bo", "online", UI_TIMEOUT).await?;
        bo.wait_for_user_state("Ana", "online", UI_TIMEOUT).await?;

        // WebKitGTK has no `RTCPeerConnection`; the app uses its native peer (native_calls.rs).
        let callable = r#"return ["call-video", "call-voice"].every((id) => one(id) && !one(id).disabled)"#;
        ana.wait_until("a call to be possible", UI_TIMEOUT, callable).await?;
        ensure!(!ana.run::<bool>(r#"return !!one("no-calls")"#).await?, "the app reports that it cannot call");

        ring(&bo, ana, CallKind::Voice).await?;
        let accept: bool = ana.run(r#"return !!one("accept-voice")"#).await?;
        ensure!(accept, "a call cannot be accepted");
        ana.press("decline").await?;
        bo.wait_for_notice("declined", UI_TIMEOUT).await?;
        ana.wait_until_no_call(UI_TIMEOUT).await?;
        bo.wait_for_user_state("Ana", "online", UI_TIMEOUT).await?;

        let before_reload = bo.now().await?;
        let token = r#"return one("me").dataset.token"#;
        let before: String = ana.run(token).await?;
        ana.reload().await?;
        ana.wait_until(
            "Ana's name again",
            UI_TIMEOUT,
            r#"const me = one("me"); return me && me.dataset.name === "Ana""#,
        )
        .await?;
        ana.wait_for_own_state("online", UI_TIMEOUT).await?;
        ana.wait_for_user_state("Bo", "online", UI_TIMEOUT).await?;
        ensure!(ana.run::<String>(token).await? == before, "the reloaded window has another token");
        let left = bo.roster_changes().await?.into_iter().any(|it| it.name == "Ana" && it.at > before_reload);
        ensure!(!left, "other users saw Ana go offline during the reload");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_app_reports_a_taken_port_and_can_use_another_server() -> TestResult {
    scenario("desktop_server", async |env| {
        let server = env.start_server().await?;
        let bo = env.log_in("Bo", &server).await?;
        let taken = server.address().port();
        let app = env.start_app_with("Ana", &AppOptions { port: Some(taken), ..AppOptions::default() }).await?;
        let ana = app.page();
        let notice = format!(r#"const it = one("app-server"); return it && it.innerText.includes("{taken}")"#);
        ana.wait_until("the notice that the port is taken", UI_TIMEOUT, &notice).await?;
        ana.log_in("Ana").await?;
        let has_user: bool = ana.run(r#"return !!user("Bo")"#).await?;
        ensure!(!has_user, "the embedded server shows a user of the other server");

        use_server(ana, "no address at all").await?;
        let problem = r#"const it = one("app-problem"); return it && it.dataset.code === "address_invalid" && it.innerText.trim()"#;
        ana.wait_until("the error for an invalid address", UI_TIMEOUT, problem).await?;
        // The app logs in there under the same name by itself.
        use_server(ana, &server.url()).await?;
        ana.wait_for_user_state("Bo", "online", UI_TIMEOUT).await?;
        ana.wait_for_own_state("online", UI_TIMEOUT).await?;
        bo.wait_for_user_state("Ana", "online", UI_TIMEOUT).await
    })
    .await
}

#[tokio::test]
async fn a_missing_codec_notice_names_the_package_to_install() -> TestResult {
    scenario("desktop_codec", async |env| {
        let server = env.start_server().await?;
        let bo = env.log_in("Bo", &server).await?;
        // GStreamer does not offer elements of this rank.
        let disabled_encoder = ("GST_PLUGIN_FEATURE_RANK".to_owned(), "vp8enc:NONE".to_owned());
        let options = AppOptions { env_vars: vec![disabled_encoder], ..AppOptions::with_test_devices(&server.url()) };
        let app = env.start_app_with("Ana", &options).await?;
        let ana = app.page();
        ana.log_in("Ana").await?;
        ana.wait_for_user_state("Bo", "online", UI_TIMEOUT).await?;
        ana.press_on_tile("Bo", "call-video").await?;
        let sentence = ana.wait_for_notice("video_codec_missing", UI_TIMEOUT).await?;
        ensure!(sentence.contains("gstreamer1.0-plugins-good"), "{sentence}");
        ana.wait_until_no_call(UI_TIMEOUT).await?;
        bo.wait_for_user_state("Ana", "online", UI_TIMEOUT).await
    })
    .await
}

/// Enters a server's address and applies it.
async fn use_server(page: &TestPage, address: &str) -> Result<()> {
    let field = page.driver()?.find(By::Css("[data-testid=server-address]")).await?;
    field.clear().await?;
    field.send_keys(address).await?;
    page.press("server-use").await
}
