//! A server that shows a part of who is online: people are searched for, found, called, and kept as favourites.

use hutong_e2e::{
    Outcome, Page, Result, ensure,
    page::SOON,
    scenario,
    steps::{LET_GO, MEDIA},
};

/// Fills the roster with people who do nothing.
async fn crowd(page: &Page, names: impl IntoIterator<Item = String>) -> Result<()> {
    for name in names {
        come(page, &name).await?;
    }
    Ok(())
}

async fn come(page: &Page, name: &str) -> Result<()> {
    let hello = format!(
        r#"const socket = new WebSocket(location.origin.replace("http", "ws") + "/ws", "hutong.v1");
        (window.crowd ||= {{}})["{name}"] = socket;
        await new Promise((done) => {{ socket.onmessage = done; socket.onopen = () =>
            socket.send(JSON.stringify({{ type: "hello", name: "{name}" }})); }});"#
    );
    page.run(&hello).await
}

async fn search(page: &Page, text: &str) -> Result<()> {
    let script = format!(
        r#"const field = one("search");
        Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(field, "{text}");
        field.dispatchEvent(new InputEvent("input", {{ bubbles: true }})); return null"#
    );
    page.run::<Option<()>>(&script).await.map(drop)
}

#[tokio::test]
async fn on_a_large_server_people_are_found_called_and_kept_as_favourites() -> Outcome {
    scenario("roster", async |world| {
        let server = world.server_with("127.0.0.1:0", &["--whole-roster", "5"]).await?;
        let bo = world.log_in("Bo Findling", &server).await?;
        let others = world.open("others", &server.url()).await?;
        crowd(&others, (0..30).map(|number| format!("Guest {number}"))).await?;
        let ana = world.log_in("Ana", &server).await?;

        ana.until("the number of all", SOON, r#"return one("roster").innerText.includes("31")"#).await?;
        ensure!(!ana.run::<bool>(r#"return !!user("Bo Findling")"#).await?, "Bo was there before all the others");
        search(&ana, "find").await?;
        ana.sees("Bo Findling", "online", SOON).await?;
        ana.press_for("Bo Findling", "favourite").await?;
        ana.until("a star", SOON, r#"return user("Bo Findling").querySelector("[aria-pressed=true]") !== null"#)
            .await?;
        search(&ana, "").await?;
        ana.sees("Bo Findling", "online", SOON).await?;

        ana.press_for("Bo Findling", "call-video").await?;
        bo.phase("incoming", SOON).await?;
        bo.press("accept-video").await?;
        for page in [&ana, &bo] {
            page.phase("connected", MEDIA).await?;
        }
        ana.press("hang-up").await?;
        ana.no_call(LET_GO).await?;
        bo.no_call(LET_GO).await?;

        // Whoever is a favourite is seen coming and going, whatever is searched for.
        bo.press("log-out").await?;
        ana.misses("Bo Findling", SOON).await?;
        come(&others, "Bo Findling").await?;
        ana.sees("Bo Findling", "online", SOON).await?;
        for page in [&ana, &bo] {
            page.ensure_no_errors().await?;
        }
        Ok(())
    })
    .await
}
