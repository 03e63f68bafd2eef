//! Connection loss in a call: a killed browser, a cut WebSocket, a reloaded page.

use std::time::{Duration, Instant};

use hutong_e2e::{
    Context, TcpProxy, TestResult,
    call_steps::{CallKind, MEDIA_TIMEOUT, RELEASE_TIMEOUT, call, wait_until_released},
    ensure,
    instrument::ensure_unbroken,
    page::UI_TIMEOUT,
    scenario,
};

#[tokio::test]
async fn a_killed_browsers_user_goes_offline_at_once_and_the_call_ends() -> TestResult {
    scenario("browser_killed", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.log_in("Bo", &server).await?;
        call(&ana, &bo, CallKind::Video).await?;
        ana.wait_for_received(20, MEDIA_TIMEOUT).await?;

        let killed = Instant::now();
        bo.kill_browser();
        ana.wait_until_user_gone("Bo", Duration::from_secs(2)).await?;
        println!("killed browser: offline for the other side after {:.1} s", killed.elapsed().as_secs_f32());
        ana.wait_until_no_call(Duration::from_secs(35).saturating_sub(killed.elapsed())).await?;
        println!("killed browser: the other side's call ended after {:.1} s", killed.elapsed().as_secs_f32());
        ana.wait_for_own_state("online", RELEASE_TIMEOUT).await?;
        let left = ana.open_resources().await?;
        ensure!((left.peers, left.tracks) == (0, 0), "{left:?}");
        ana.wait_until(
            "a notice that explains why the call ended",
            UI_TIMEOUT,
            r#"const it = one("notice"); return it && it.innerText.trim()"#,
        )
        .await
    })
    .await
}

#[tokio::test]
async fn a_lost_websocket_does_not_interrupt_the_call() -> TestResult {
    scenario("websocket_cut", async |env| {
        let server = env.start_server().await?;
        let proxy = TcpProxy::start(server.address()).await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.open_page("Bo", &proxy.url()).await?;
        bo.log_in("Bo").await?;
        let cai = env.log_in("Cai", &server).await?;
        call(&ana, &bo, CallKind::Video).await?;
        for page in [&ana, &bo] {
            page.wait_for_received(20, MEDIA_TIMEOUT).await?;
            cai.wait_for_user_state(page.name(), "in_call", UI_TIMEOUT).await?;
            page.start_recording_totals(Duration::from_secs(1)).await?;
        }

        proxy.cut();
        cai.wait_until_user_gone("Bo", Duration::from_secs(2)).await?;
        bo.wait_until(
            "the notice that the connection is lost",
            UI_TIMEOUT,
            r#"const it = one("reconnecting"); return it && it.innerText.trim()"#,
        )
        .await?;
        ana.wait_for_phase("connected", UI_TIMEOUT).await?;
        // Stay disconnected for some seconds, in which only media flows.
        let recorded: usize = bo.run("return e2e.recordedTotals.length").await?;
        bo.wait_until(
            "three more records",
            MEDIA_TIMEOUT,
            &format!("return e2e.recordedTotals.length >= {}", recorded + 3),
        )
        .await?;
        proxy.restore();
        cai.wait_for_user_state("Bo", "in_call", Duration::from_secs(20)).await?;
        cai.wait_for_user_state("Ana", "in_call", UI_TIMEOUT).await?;
        bo.wait_until("the connection to be back", UI_TIMEOUT, r#"return !one("reconnecting")"#).await?;

        for page in [&ana, &bo] {
            let so_far: usize = page.run("return e2e.recordedTotals.length").await?;
            let samples = page.stop_recording_totals(so_far + 3, MEDIA_TIMEOUT).await?;
            println!("WebSocket cut: {} has {} records, one a second", page.name(), samples.len());
            ensure_unbroken(page.name(), &samples)?;
        }
        let states: Vec<_> =
            cai.roster_changes().await?.into_iter().filter(|it| it.name == "Bo").map(|it| it.state).collect();
        let lost = states.iter().position(|state| state == "gone").context("Bo was never offline")?;
        let after = states.get(lost + 1..).unwrap_or_default();
        ensure!(after.last().is_some_and(|state| state == "in_call"), "{states:?}");

        // The reconnected side controls the call again: it can hang up.
        bo.press("hang-up").await?;
        wait_until_released(&ana, &bo).await?;
        cai.wait_for_user_state("Bo", "online", RELEASE_TIMEOUT).await?;
        cai.wait_for_user_state("Ana", "online", RELEASE_TIMEOUT).await
    })
    .await
}

#[tokio::test]
async fn a_reloaded_page_logs_in_again_and_its_call_ends() -> TestResult {
    scenario("reload", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.log_in("Bo", &server).await?;
        let token = bo.run::<String>(r#"return one("me").dataset.token"#).await?;
        call(&ana, &bo, CallKind::Video).await?;

        bo.reload().await?;
        bo.wait_for_own_state("online", UI_TIMEOUT).await?;
        bo.wait_until("Bo's name", UI_TIMEOUT, r#"return one("me").dataset.name === "Bo""#).await?;
        ana.wait_until_no_call(UI_TIMEOUT).await?;
        wait_until_released(&ana, &bo).await?;
        ana.wait_for_user_state("Bo", "online", UI_TIMEOUT).await?;
        ensure!(
            bo.run::<String>(r#"return one("me").dataset.token"#).await? == token,
            "Bo has another token after the reload"
        );

        call(&bo, &ana, CallKind::Voice).await
    })
    .await
}
