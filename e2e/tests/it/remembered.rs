//! Who a person is on a device: what it remembers, and the move to another device by the password.

use std::{fs, process::Command};

use hutong_e2e::{
    By, Context, Result, TestPage, TestResult,
    call_steps::{CallKind, call, shows_call},
    ensure,
    page::UI_TIMEOUT,
    paths, scenario,
};

#[tokio::test]
async fn a_person_can_be_forgotten_and_need_not_be_remembered() -> TestResult {
    scenario("forgotten", async |env| {
        let server = env.start_server().await?;
        let bo = env.log_in("Bo", &server).await?;
        let ana = env.log_in("Ana", &server).await?;
        call(&ana, &bo, CallKind::Voice).await?;
        ana.press("hang-up").await?;
        ana.wait_until_no_call(UI_TIMEOUT).await?;
        let stored = async |page: &TestPage| -> Result<String> {
            page.run("return JSON.stringify({ ...localStorage, ...sessionStorage })").await
        };
        // Somebody else, who is not to be remembered, sees nothing of it.
        ana.wait_until("the call", UI_TIMEOUT, &shows_call("recent-calls", "Bo", "answered")).await?;
        ana.press("log-out").await?;
        ana.press("not-remembered").await?;
        ana.log_in("Guest").await?;
        ensure!(ana.run::<bool>("return !one('recent-calls')").await?, "a guest sees the calls of somebody else");
        ana.press("log-out").await?;
        ana.press("not-remembered").await?;
        ana.log_in("Ana").await?;
        ana.wait_until("the call again", UI_TIMEOUT, &shows_call("recent-calls", "Bo", "answered")).await?;
        let before = stored(&ana).await?;
        ensure!(before.contains("Ana") && before.contains("Bo"), "stored: {before}");
        ana.press("forget-device").await?;
        let unnamed = "const name = document.querySelector('input#name'); return name && name.value === ''";
        ana.wait_until("an empty name field", UI_TIMEOUT, unnamed).await?;
        bo.wait_until_user_gone("Ana", UI_TIMEOUT).await?;
        let after = stored(&ana).await?;
        ensure!(!after.contains("Ana") && !after.contains("Bo"), "stored: {after}");

        ana.press("not-remembered").await?;
        ana.log_in("Ana").await?;
        ana.reload().await?;
        ana.wait_for_own_state("online", UI_TIMEOUT).await?;
        let local: String = ana.run("return JSON.stringify({ ...localStorage })").await?;
        ensure!(!local.contains("Ana"), "stored: {local}");
        Ok(())
    })
    .await
}

/// A line of a users file, as the server's own command writes it.
fn users_file_line(name: &str, password: &str) -> Result<String> {
    use std::{io::Write as _, process::Stdio};
    let mut command = Command::new(paths::workspace_program("HUTONG_SERVER_BIN", "hutong-server")?);
    command.args(["hash-password", name]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    child.stdin.take().context("no input")?.write_all(format!("{password}\n").as_bytes())?;
    Ok(String::from_utf8(child.wait_with_output()?.stdout)?)
}

async fn log_in_with_password(page: &TestPage, name: &str, password: &str) -> Result<()> {
    page.submit_login(name).await?;
    let empty = "const field = one('secret'); return field && field.value === '' && document.activeElement === field";
    page.wait_until("the empty field for the password", UI_TIMEOUT, empty).await?;
    page.driver()?.find(By::Css("input#secret")).await?.send_keys(password).await?;
    page.press("login").await
}

#[tokio::test]
async fn the_password_moves_a_user_to_another_device_and_asks_before_it_ends_a_call() -> TestResult {
    scenario("another device", async |env| {
        let folder = tempfile::tempdir()?;
        let users = folder.path().join("users");
        fs::write(&users, [users_file_line("Ana", "geheim")?, users_file_line("Bo", "auch geheim")?].concat())?;
        let path = users.to_string_lossy();
        let server = env.start_server_with("127.0.0.1:0", &["--users-file", &path]).await?;
        let bo = env.open_page("Bo", &server.url()).await?;
        log_in_with_password(&bo, "Bo", "auch geheim").await?;
        let older = env.open_page("Ana", &server.url()).await?;
        log_in_with_password(&older, "Ana", "geheim").await?;
        older.wait_for_own_state("online", UI_TIMEOUT).await?;

        let newer = env.open_page("Ana", &server.url()).await?;
        log_in_with_password(&newer, "Ana", "geheim").await?;
        newer.wait_for_own_state("online", UI_TIMEOUT).await?;
        let is_refused =
            |code| format!("const problem = one('login-problem'); return problem && problem.dataset.code === '{code}'");
        older.wait_until("the older device to step back", UI_TIMEOUT, &is_refused("replaced")).await?;

        call(&newer, &bo, CallKind::Voice).await?;
        // It still has the password.
        older.submit_login("Ana").await?;
        older.wait_until("the question", UI_TIMEOUT, &is_refused("in_call_elsewhere")).await?;
        newer.wait_for_phase("connected", UI_TIMEOUT).await?;
        older.press("end-other-call").await?;
        older.wait_for_own_state("online", UI_TIMEOUT).await?;
        newer.wait_until("the newer device to step back", UI_TIMEOUT, &is_refused("replaced")).await?;
        bo.wait_until_no_call(UI_TIMEOUT).await?;
        bo.wait_for_user_state("Ana", "online", UI_TIMEOUT).await
    })
    .await
}

#[tokio::test]
async fn a_new_version_on_the_server_is_offered_outside_calls() -> TestResult {
    scenario("new version", async |env| {
        let folder = tempfile::tempdir()?;
        let key = folder.path().join("ticket-key");
        let options = ["--ticket-key-file", key.to_str().context("a path in UTF-8")?];
        let server = env.start_server_with("127.0.0.1:0", &options).await?;
        let listen = server.address().to_string();
        let bo = env.log_in("Bo", &server).await?;
        let ana = env.log_in("Ana", &server).await?;
        // As if this page had been loaded from an older server.
        let age = "document.querySelector('script[type=module]').setAttribute('src', 'hutong-ui-0.js')";
        ana.run::<()>(age).await?;
        call(&ana, &bo, CallKind::Voice).await?;
        server.kill().await?;
        let _server = env.start_server_with(&listen, &options).await?;
        bo.wait_for_user_state("Ana", "in_call", UI_TIMEOUT).await?;
        ana.wait_for_own_state("in_call", UI_TIMEOUT).await?;
        ensure!(ana.run::<bool>("return !one('outdated')").await?, "asks to reload during a call");
        ana.press("hang-up").await?;
        ana.wait_until("the offer to reload", UI_TIMEOUT, "return one('outdated')").await?;
        ensure!(bo.run::<bool>("return !one('outdated')").await?, "a current page asks to reload");
        ana.press("reload").await?;
        ana.wait_until("the new page", UI_TIMEOUT, "return one('me') && !one('outdated')").await
    })
    .await
}
