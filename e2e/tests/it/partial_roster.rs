//! Partial rosters of a large server: search, favourites, and calling users that are found.

use hutong_e2e::{
    Result, TestPage, TestResult,
    call_steps::{MEDIA_TIMEOUT, RELEASE_TIMEOUT},
    ensure,
    page::UI_TIMEOUT,
    scenario,
};

/// Logs idle users in over bare `WebSocket`s.
async fn log_in_idle_users(page: &TestPage, names: impl IntoIterator<Item = String>) -> Result<()> {
    for name in names {
        log_in_idle_user(page, &name).await?;
    }
    Ok(())
}

async fn log_in_idle_user(page: &TestPage, name: &str) -> Result<()> {
    let hello = format!(
        r#"const socket = new WebSocket(location.origin.replace("http", "ws") + "/ws", "hutong.v1");
        (window.idleUsers ||= {{}})["{name}"] = socket;
        await new Promise((done) => {{ socket.onmessage = done; socket.onopen = () =>
            socket.send(JSON.stringify({{ type: "hello", name: "{name}" }})); }});"#
    );
    page.run(&hello).await
}

async fn search(page: &TestPage, text: &str) -> Result<()> {
    let script = format!(
        r#"const field = one("search");
        Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(field, "{text}");
        field.dispatchEvent(new InputEvent("input", {{ bubbles: true }})); return null"#
    );
    page.run::<Option<()>>(&script).await.map(drop)
}

#[tokio::test]
async fn users_of_a_partial_roster_can_be_searched_called_and_kept_as_favourites() -> TestResult {
    scenario("partial_roster", async |env| {
        let server = env.start_server_with("127.0.0.1:0", &["--whole-roster", "5"]).await?;
        let bo = env.log_in("Bo Findling", &server).await?;
        let others = env.open_page("others", &server.url()).await?;
        log_in_idle_users(&others, (0..30).map(|number| format!("Guest {number}"))).await?;
        let ana = env.log_in("Ana", &server).await?;

        ana.wait_until("the number of all users", UI_TIMEOUT, r#"return one("roster").innerText.includes("31")"#)
            .await?;
        ensure!(!ana.run::<bool>(r#"return !!user("Bo Findling")"#).await?, "the partial roster already shows Bo");
        search(&ana, "find").await?;
        ana.wait_for_user_state("Bo Findling", "online", UI_TIMEOUT).await?;
        ana.press_on_tile("Bo Findling", "favourite").await?;
        ana.wait_until(
            "the favourite's star",
            UI_TIMEOUT,
            r#"return user("Bo Findling").querySelector("[aria-pressed=true]") !== null"#,
        )
        .await?;
        search(&ana, "").await?;
        ana.wait_for_user_state("Bo Findling", "online", UI_TIMEOUT).await?;

        ana.press_on_tile("Bo Findling", "call-video").await?;
        bo.wait_for_phase("incoming", UI_TIMEOUT).await?;
        bo.press("accept-video").await?;
        for page in [&ana, &bo] {
            page.wait_for_phase("connected", MEDIA_TIMEOUT).await?;
        }
        ana.press("hang-up").await?;
        ana.wait_until_no_call(RELEASE_TIMEOUT).await?;
        bo.wait_until_no_call(RELEASE_TIMEOUT).await?;

        // Favourites are shown whatever is searched for, and so are their logins and logouts.
        bo.press("log-out").await?;
        ana.wait_until_user_gone("Bo Findling", UI_TIMEOUT).await?;
        log_in_idle_user(&others, "Bo Findling").await?;
        ana.wait_for_user_state("Bo Findling", "online", UI_TIMEOUT).await?;
        for page in [&ana, &bo] {
            page.ensure_no_errors().await?;
        }
        Ok(())
    })
    .await
}
