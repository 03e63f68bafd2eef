//! Missed and recent calls: what is listed, what the other side reads, and that it stays on the device.

use hutong_e2e::{
    Result, TestPage, TestResult,
    call_steps::{CallKind, call, ring, shows_call, wait_until_connected, wait_until_released},
    ensure,
    page::UI_TIMEOUT,
    scenario,
};

/// Waits until the page lists a missed call from this user, and returns how many it lists.
async fn missed_from(page: &TestPage, user: &str, outcome: &str) -> Result<u32> {
    page.wait_until("the missed call", UI_TIMEOUT, &shows_call("missed-calls", user, outcome)).await?;
    let count: String = page.run("return one('missed-calls').dataset.count").await?;
    Ok(count.parse()?)
}

#[tokio::test]
async fn missed_calls_stay_are_listed_and_can_be_returned() -> TestResult {
    scenario("missed calls", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.log_in("Bo", &server).await?;
        let cy = env.log_in("Cy", &server).await?;
        ring(&bo, &ana, CallKind::Voice).await?;
        bo.press("hang-up").await?;
        wait_until_released(&ana, &bo).await?;
        ensure!(missed_from(&ana, "Bo", "unanswered").await? == 1, "one call was missed");
        ensure!(ana.run::<bool>("return !one('notice')").await?, "a notice covers the list");
        bo.wait_until("the caller's record", UI_TIMEOUT, &shows_call("recent-calls", "Ana", "cancelled"))
            .await?;

        // A caller whose connection is lost while it rings.
        ring(&cy, &ana, CallKind::Video).await?;
        cy.kill_browser();
        ana.wait_until_no_call(UI_TIMEOUT).await?;
        ensure!(missed_from(&ana, "Cy", "unanswered").await? == 2, "both are listed");
        // They outlast a reload, and only who is online can be called back.
        ana.reload().await?;
        ana.wait_for_user_state("Bo", "online", UI_TIMEOUT).await?;
        ensure!(missed_from(&ana, "Cy", "unanswered").await? == 2, "a reload has removed them");
        let may_call = "return Object.fromEntries(all('past-call').map((it) => [it.dataset.name, !it.querySelector('button').disabled]))";
        let may_call: serde_json::Value = ana.run(may_call).await?;
        ensure!(may_call == serde_json::json!({ "Bo": true, "Cy": false }), "{may_call}");

        ana.press_css("[data-testid=missed-calls] [data-name=Bo] button").await?;
        bo.wait_for_phase("incoming", UI_TIMEOUT).await?;
        bo.press("accept-voice").await?;
        wait_until_connected(&ana, &bo).await?;
        ana.press("hang-up").await?;
        wait_until_released(&ana, &bo).await?;
        ensure!(missed_from(&ana, "Cy", "unanswered").await? == 1, "Bo was called back");
        ana.press("missed-seen").await?;
        ana.wait_until("no missed calls", UI_TIMEOUT, "return !one('missed-calls') && one('recent-calls')").await?;
        ana.press("clear-calls").await?;
        ana.wait_until("an empty list", UI_TIMEOUT, "return !one('recent-calls')").await?;
        ensure!(ana.run::<bool>("return localStorage.getItem('hutong.calls') === null").await?, "still stored");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_person_in_a_call_learns_who_tried_to_call() -> TestResult {
    scenario("call waiting", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.log_in("Bo", &server).await?;
        let cy = env.log_in("Cy", &server).await?;
        call(&ana, &bo, CallKind::Voice).await?;
        cy.wait_for_user_state("Ana", "in_call", UI_TIMEOUT).await?;
        cy.press_on_tile("Ana", "call-voice").await?;
        cy.wait_for_notice("cannot_call", UI_TIMEOUT).await?;
        let names_cy = "return one('tried')?.textContent.includes('Cy')";
        ana.wait_until("the note about Cy", UI_TIMEOUT, names_cy).await?;
        ana.wait_for_phase("connected", UI_TIMEOUT).await?;
        ana.press("hang-up").await?;
        wait_until_released(&ana, &bo).await?;
        ensure!(missed_from(&ana, "Cy", "while_busy").await? == 1, "Cy's call was missed");
        bo.ensure_no_errors().await
    })
    .await
}
