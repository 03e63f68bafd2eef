//! Login on a server with an access key: the page asks for the key after the server has required it, and not before.

use std::time::Duration;

use hutong_e2e::{BrowserOptions, By, Context, Result, TestPage, TestResult, ensure, page::UI_TIMEOUT, scenario};

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

/// What the page keeps of the link by which it was opened: its address, the variable for the app, and both storages.
async fn traces(page: &TestPage) -> Result<String> {
    page.run(
        "return location.href + window.hutongAccessKey + JSON.stringify({ ...localStorage, ...sessionStorage })
            + document.documentElement.outerHTML",
    )
    .await
}

#[tokio::test]
async fn a_link_with_the_access_key_needs_a_name_only_and_leaves_no_trace() -> TestResult {
    scenario("access_link", async |env| {
        let directory = tempfile::tempdir().context("a directory")?;
        let key = directory.path().join("access-key");
        std::fs::write(&key, KEY).context("the access key")?;
        let server = env.start_server_with("127.0.0.1:0", &["--access-key-file", &key.to_string_lossy()]).await?;
        let link = |key: &str| {
            format!("{}/#lang=x&access={}&top", server.url().trim_end_matches('/'), key.replace(' ', "%20"))
        };

        let ana = env.open_page("Ana", &link(KEY)).await?;
        ana.wait_until("the page", UI_TIMEOUT, r#"return one("login")"#).await?;
        let address: String = ana.run("return location.hash").await?;
        ensure!(address == "#lang=x&top", "{address}");
        ensure!(!traces(&ana).await?.contains("horse"), "the access key is in the page before the login");
        ana.submit_login("Ana").await?;
        ana.wait_for_own_state("online", UI_TIMEOUT).await?;
        ensure!(!traces(&ana).await?.contains("horse"), "the access key is in the page after the login");
        // Back leads to no entry with the key: the reload comes without it, and resumes by the ticket.
        ana.reload().await?;
        ana.wait_for_own_state("online", UI_TIMEOUT).await?;

        // A link with another key, opened in the same tab: only the fragment changes.
        ana.press("log-out").await?;
        ana.run::<()>(&format!("location.href = {:?}", link("an older key"))).await?;
        ana.wait_until(
            "the page without the key",
            UI_TIMEOUT,
            "return one('login') && !location.hash.includes('access')",
        )
        .await?;
        ana.submit_login("Ana").await?;
        let english = wait_for_login_error(&ana, "invitation_outdated").await?;
        ana.press("language").await?;
        let chinese = wait_for_login_error(&ana, "invitation_outdated").await?;
        ensure!(english.contains("out of date") && chinese.contains("失效"), "{english} {chinese}");
        ana.driver()?.find(By::Css(FIELD)).await?.click().await?;
        submit_secret(&ana, KEY).await?;
        ana.wait_for_own_state("online", UI_TIMEOUT).await?;

        // A key that no link can contain.
        let bo = env.open_page("Bo", &format!("{}#access=%E4%BA", server.url())).await?;
        bo.wait_until("the page", UI_TIMEOUT, r#"return one("login")"#).await?;
        bo.submit_login("Bo").await?;
        wait_for_login_error(&bo, "invitation_outdated").await?;
        bo.ensure_no_errors().await
    })
    .await
}

#[tokio::test]
async fn the_apps_address_lets_a_browser_in_and_an_earlier_address_does_not() -> TestResult {
    scenario("access_app", async |env| {
        let app = env.start_app("Ana").await?;
        let ana = app.page();
        ana.log_in("Ana").await?;
        ana.press("share").await?;
        let address = r#"const it = one("share-address"); return it && it.textContent"#;
        let open = ana.wait_for_value("the address", UI_TIMEOUT, address).await?;
        let open = open.as_str().unwrap_or_default().to_owned();
        ensure!(!open.contains("access="), "{open}");
        ana.press("require-access-key").await?;
        let with_key =
            r#"const it = one("share-address"); return it && it.textContent.includes("&access=") && it.textContent"#;
        let address = ana.wait_for_value("the address with the access key", UI_TIMEOUT, with_key).await?;
        let address = address.as_str().unwrap_or_default().to_owned();
        // Her own session has begun again by itself.
        ana.wait_for_own_state("online", UI_TIMEOUT).await?;

        // Chromium shows its warning about the self-signed certificate otherwise.
        let options =
            BrowserOptions { args: vec!["--ignore-certificate-errors".to_owned()], ..BrowserOptions::default() };
        let bo = env.new_page("Bo", &options).await?;
        bo.open(&address).await?;
        bo.log_in("Bo").await?;
        ana.wait_for_user_state("Bo", "online", UI_TIMEOUT).await?;
        let hash: String = bo.run("return location.hash").await?;
        ensure!(hash.starts_with("#key=") && !hash.contains("access"), "{hash}");
        // What Bo passes on does not let others in.
        let invitation: String = bo.run(r#"return one("invite-address").textContent"#).await?;
        ensure!(invitation == open, "{invitation} {open}");
        let eve = env.new_page("Eve", &options).await?;
        eve.open(&invitation).await?;
        eve.wait_until("the page", UI_TIMEOUT, r#"return one("login")"#).await?;
        eve.submit_login("Eve").await?;
        wait_for_login_error(&eve, "secret_required").await?;
        bo.ensure_no_errors().await
    })
    .await
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
