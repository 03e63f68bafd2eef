//! Login on a server with an access key: the page asks for the key after the server has required it, and not before.

use std::time::Duration;

use hutong_e2e::{By, Context, Result, TestPage, TestResult, ensure, page::UI_TIMEOUT, scenario};

const KEY: &str = "correct horse battery staple";

/// Time limit to reconnect, pauses between the attempts included.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(20);

const FIELD: &str = "input#secret";

/// Waits for the login error with this code and returns its text.
async fn wait_for_login_error(page: &TestPage, code: &str) -> Result<String> {
    let script =
        format!(r#"const it = one("login-problem"); return it && it.dataset.code === "{code}" && it.innerText.trim()"#);
    let sentence = page.wait_for_value(&format!("the login error {code}"), UI_TIMEOUT, &script).await?;
    Ok(sentence.as_str().unwrap_or_default().to_owned())
}

/// Waits for an empty focused secret field, types the secret and submits it.
async fn submit_secret(page: &TestPage, secret: &str) -> Result<()> {
    let ready = "const it = document.querySelector('input#secret');
        return it && it === document.activeElement && it.value === '' && !it.readOnly";
    page.wait_until("an empty focused secret field", UI_TIMEOUT, ready).await?;
    page.driver()?.find(By::Css(FIELD)).await?.send_keys(secret).await?;
    page.press("login").await
}

async fn has_secret_field(page: &TestPage) -> Result<bool> {
    page.run("return document.querySelector('input#secret') !== null").await
}

#[tokio::test]
async fn the_access_key_is_requested_only_by_a_server_that_requires_one() -> TestResult {
    scenario("access_key", async |env| {
        let directory = tempfile::tempdir().context("a directory")?;
        let [key, tickets] = ["access-key", "ticket-key"].map(|name| directory.path().join(name));
        std::fs::write(&key, KEY).context("the access key")?;
        let [key_file, ticket_file] = [&key, &tickets].map(|path| path.to_string_lossy().into_owned());
        let options = ["--access-key-file", key_file.as_str(), "--ticket-key-file", ticket_file.as_str()];
        let server = env.start_server_with("127.0.0.1:0", &options).await?;
        let ana = env.open_page("Ana", &server.url()).await?;

        ana.wait_until("the page", UI_TIMEOUT, r#"return one("login")"#).await?;
        ensure!(!has_secret_field(&ana).await?, "the secret field is shown before the server has required it");
        ana.submit_login("Ana").await?;
        let english = wait_for_login_error(&ana, "secret_required").await?;
        ana.press("language").await?;
        let chinese = wait_for_login_error(&ana, "secret_required").await?;
        ensure!(english != chinese && !english.is_empty() && chinese.contains("密钥"), "{english} {chinese}");
        ana.press("language").await?;
        ana.driver()?.find(By::Css(FIELD)).await?.click().await?;

        submit_secret(&ana, "open sesame!").await?;
        wait_for_login_error(&ana, "secret_wrong").await?;
        submit_secret(&ana, KEY).await?;
        ana.wait_for_own_state("online", UI_TIMEOUT).await?;

        // The secret is stored nowhere; the ticket suffices after a reload and after a restart of the server.
        let kept: String =
            ana.run("return JSON.stringify({ ...localStorage }) + JSON.stringify({ ...sessionStorage })").await?;
        ensure!(kept.contains("Ana") && !kept.contains("horse"), "{kept}");
        ana.reload().await?;
        ana.wait_for_own_state("online", UI_TIMEOUT).await?;
        let address = server.address().to_string();
        server.kill().await?;
        let server = env.start_server_with(&address, &options).await?;
        ana.wait_until("the connection to be back", RECONNECT_TIMEOUT, r#"return !one("reconnecting")"#).await?;
        ana.wait_for_own_state("online", RECONNECT_TIMEOUT).await?;

        // A changed key: the page asks again.
        server.kill().await?;
        std::fs::write(&key, "another key than before").context("the access key")?;
        env.start_server_with(&address, &options).await?;
        ana.wait_until("the secret field again", RECONNECT_TIMEOUT, "return document.querySelector('input#secret')")
            .await?;
        submit_secret(&ana, "another key than before").await?;
        ana.wait_for_own_state("online", UI_TIMEOUT).await?;

        // A server without an access key.
        let open = env.start_server().await?;
        let bo = env.log_in("Bo", &open).await?;
        bo.press("log-out").await?;
        bo.wait_until("the page", UI_TIMEOUT, r#"return one("login")"#).await?;
        ensure!(!has_secret_field(&bo).await?, "the secret field is shown on a server without an access key");
        bo.ensure_no_errors().await
    })
    .await
}
