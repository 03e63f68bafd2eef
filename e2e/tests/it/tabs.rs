//! Tabs of one browser: one of them runs Hutong, and no other takes a call away from it.

use hutong_e2e::{
    Result, TestPage, TestResult,
    call_steps::{CallKind, call, wait_until_released},
    ensure,
    page::UI_TIMEOUT,
    scenario,
};

/// The token of the page's user, once it is online.
async fn token(page: &TestPage) -> Result<String> {
    page.wait_for_own_state("online", UI_TIMEOUT).await?;
    page.run("return one('me').dataset.token").await
}

/// Waits until the page says that Hutong is open in another tab, in a call or not.
async fn wait_until_elsewhere(page: &TestPage, in_call: bool) -> Result<()> {
    let script = format!("const other = one('other-tab'); return other && other.dataset.inCall === '{in_call}'");
    page.wait_until("the other tab's page", UI_TIMEOUT, &script).await
}

#[tokio::test]
async fn a_closed_tab_that_is_opened_again_is_the_same_user() -> TestResult {
    scenario("closed tab", async |env| {
        let server = env.start_server().await?;
        let bo = env.log_in("Bo", &server).await?;
        let ana = env.log_in("Ana", &server).await?;
        let before = token(&ana).await?;
        let first = ana.tab().await?;
        let second = ana.open_tab().await?;
        ana.switch_to(&first).await?;
        ana.close_tab(&second).await?;
        bo.wait_until_user_gone("Ana", UI_TIMEOUT).await?;

        ana.open(&server.url()).await?;
        ensure!(token(&ana).await? == before, "another user");
        bo.wait_for_user_state("Ana", "online", UI_TIMEOUT).await?;
        // After a logout, only the name is left.
        ana.press("log-out").await?;
        ana.wait_until("the login form", UI_TIMEOUT, "return one('login')").await?;
        ana.reload().await?;
        let name = "const name = document.querySelector('input#name'); return name && name.value === 'Ana'";
        ana.wait_until("the name in its field", UI_TIMEOUT, name).await?;
        ensure!(ana.run::<bool>("return localStorage.getItem('hutong.session') === null").await?, "a ticket is left");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn another_tab_takes_over_on_request_and_never_during_a_call() -> TestResult {
    scenario("two tabs", async |env| {
        let server = env.start_server().await?;
        let bo = env.log_in("Bo", &server).await?;
        let ana = env.log_in("Ana", &server).await?;
        let before = token(&ana).await?;
        call(&ana, &bo, CallKind::Voice).await?;

        let first = ana.tab().await?;
        let second = ana.open_from_page("/").await?;
        wait_until_elsewhere(&ana, true).await?;
        ensure!(ana.run::<bool>("return !one('move-here')").await?, "offers to end the call");
        bo.wait_for_phase("connected", UI_TIMEOUT).await?;
        ana.switch_to(&first).await?;
        ana.wait_for_phase("connected", UI_TIMEOUT).await?;
        ana.press("hang-up").await?;
        wait_until_released(&ana, &bo).await?;

        ana.switch_to(&second).await?;
        wait_until_elsewhere(&ana, false).await?;
        ana.press("move-here").await?;
        ensure!(token(&ana).await? == before, "another user");
        bo.wait_for_user_state("Ana", "online", UI_TIMEOUT).await?;
        ana.switch_to(&first).await?;
        wait_until_elsewhere(&ana, false).await?;

        // When the active tab closes, the other one continues by itself.
        ana.switch_to(&second).await?;
        ana.close_tab(&first).await?;
        ensure!(token(&ana).await? == before, "another user");
        bo.ensure_no_errors().await
    })
    .await
}

#[tokio::test]
async fn a_tab_of_somebody_else_is_independent_and_not_remembered() -> TestResult {
    scenario("shared computer", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let first = ana.tab().await?;
        let guest_tab = ana.open_tab().await?;
        ana.open(&server.url()).await?;
        wait_until_elsewhere(&ana, false).await?;
        ana.press("use-tab-alone").await?;
        let unnamed = "const name = document.querySelector('input#name'); return name && name.value === ''";
        ana.wait_until("an empty name field", UI_TIMEOUT, unnamed).await?;
        ana.submit_login("Guest").await?;
        let guest = token(&ana).await?;
        ana.wait_for_user_state("Ana", "online", UI_TIMEOUT).await?;
        ana.reload().await?;
        ensure!(token(&ana).await? == guest, "a reload made another user");

        // Also a duplicate of such a tab, which has its storage, takes nothing over.
        let duplicate = ana.open_from_page("/").await?;
        wait_until_elsewhere(&ana, false).await?;
        ana.close_tab(&guest_tab).await?;
        ana.wait_for_own_state("online", UI_TIMEOUT).await?;
        ensure!(ana.driver()?.windows().await?.iter().all(|tab| *tab != duplicate), "the duplicate is closed");

        ana.close_tab(&first).await?;
        ana.wait_until_user_gone("Guest", UI_TIMEOUT).await?;
        let stored: String = ana.run("return JSON.stringify({ ...localStorage })").await?;
        ensure!(stored.contains("Ana") && !stored.contains("Guest"), "stored: {stored}");
        Ok(())
    })
    .await
}
