//! A server that asks for an access key: the page asks for it once the server has, and not before.

use std::time::Duration;

use hutong_e2e::{By, Context, Outcome, Page, Result, ensure, page::SOON, scenario};

const KEY: &str = "correct horse battery staple";

/// How long a client that lost its server may take to be back, counting the pauses between its attempts.
const BACK: Duration = Duration::from_secs(20);

const FIELD: &str = "input#secret";

/// Waits until the page says why the server does not let this person in, and gives the sentence.
async fn told(page: &Page, code: &str) -> Result<String> {
    let script =
        format!(r#"const it = one("login-problem"); return it && it.dataset.code === "{code}" && it.innerText.trim()"#);
    let sentence = page.until_some(&format!("the sentence {code}"), SOON, &script).await?;
    Ok(sentence.as_str().unwrap_or_default().to_owned())
}

/// Waits until the field is there, empty and with the focus, and types into it.
async fn give(page: &Page, secret: &str) -> Result<()> {
    let ready = "const it = document.querySelector('input#secret');
        return it && it === document.activeElement && it.value === '' && !it.readOnly";
    page.until("the field for the secret", SOON, ready).await?;
    page.driver().find(By::Css(FIELD)).await?.send_keys(secret).await?;
    page.press("login").await
}

async fn shows_the_field(page: &Page) -> Result<bool> {
    page.run("return document.querySelector('input#secret') !== null").await
}

#[tokio::test]
async fn an_access_key_is_asked_for_by_a_server_that_wants_one_and_by_no_other() -> Outcome {
    scenario("entry", async |world| {
        let directory = tempfile::tempdir().context("a directory")?;
        let [key, tickets] = ["access-key", "ticket-key"].map(|name| directory.path().join(name));
        std::fs::write(&key, KEY).context("the access key")?;
        let [key_file, ticket_file] = [&key, &tickets].map(|path| path.to_string_lossy().into_owned());
        let options = ["--access-key-file", key_file.as_str(), "--ticket-key-file", ticket_file.as_str()];
        let server = world.server_with("127.0.0.1:0", &options).await?;
        let ana = world.open("Ana", &server.url()).await?;

        ana.until("the page", SOON, r#"return one("login")"#).await?;
        ensure!(!shows_the_field(&ana).await?, "one field, as long as nobody has asked for more");
        ana.try_log_in("Ana").await?;
        let english = told(&ana, "secret_required").await?;
        ana.press("language").await?;
        let chinese = told(&ana, "secret_required").await?;
        ensure!(english != chinese && !english.is_empty() && chinese.contains("密钥"), "{english} {chinese}");
        ana.press("language").await?;
        ana.driver().find(By::Css(FIELD)).await?.click().await?;

        give(&ana, "open sesame!").await?;
        told(&ana, "secret_wrong").await?;
        give(&ana, KEY).await?;
        ana.is("online", SOON).await?;

        // It is written down nowhere, and the ticket is enough: for a reloaded page, and for a server that is started anew.
        let kept: String =
            ana.run("return JSON.stringify({ ...localStorage }) + JSON.stringify({ ...sessionStorage })").await?;
        ensure!(kept.contains("Ana") && !kept.contains("horse"), "{kept}");
        ana.reload().await?;
        ana.is("online", SOON).await?;
        let address = server.address().to_string();
        server.kill().await?;
        let server = world.server_with(&address, &options).await?;
        ana.until("the link to be back", BACK, r#"return !one("link")"#).await?;
        ana.is("online", BACK).await?;

        // Another key: the person is asked again.
        server.kill().await?;
        std::fs::write(&key, "another key than before").context("the access key")?;
        world.server_with(&address, &options).await?;
        ana.until("being asked again", BACK, "return document.querySelector('input#secret')").await?;
        give(&ana, "another key than before").await?;
        ana.is("online", SOON).await?;

        // A server that asks for nothing.
        let open = world.server().await?;
        let bo = world.log_in("Bo", &open).await?;
        bo.press("log-out").await?;
        bo.until("the page", SOON, r#"return one("login")"#).await?;
        ensure!(!shows_the_field(&bo).await?, "nobody has asked");
        bo.ensure_no_errors().await
    })
    .await
}
