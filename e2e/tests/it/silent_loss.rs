//! A network that drops all packets without closing a connection, with the signalling server on its other side.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use hutong_e2e::{
    AppOptions, EmulatedNetwork, Error, Result, ServerProcess, TestEnv, TestPage, TestResult, WindowPlacement,
    call_steps::{CallKind, ring},
    clients::log_in_over_network,
    ensure,
    network::{LinkConditions, LinkState, RIGHT_ADDRESS},
    page::UI_TIMEOUT,
    process, scenario,
};

/// Time from the last packet until the person reads that the connection is lost (docs/PROTOCOL.md, "Heartbeat").
const NOTICED_WITHIN: Duration = Duration::from_secs(15);

/// Time from the network's return until the user is online for others.
const BACK_WITHIN: Duration = Duration::from_secs(5);

/// Limit of one look at a page.
const LOOK: Duration = Duration::from_secs(1);

async fn start_server_on_right(env: &mut TestEnv, network: &EmulatedNetwork) -> Result<ServerProcess> {
    env.start_server_in(&network.right, &format!("{RIGHT_ADDRESS}:0"), &[]).await
}

async fn wait_until_reconnecting(page: &TestPage, limit: Duration) -> Result<()> {
    let script = r#"const it = one("reconnecting"); return it && it.innerText.trim()"#;
    page.wait_until("the notice that the connection is lost", limit, script).await
}

/// Cuts the network for `outage`. Checks when Chromium (Ana), the app (Cai) and Firefox (Di) show the loss, and when Bo
/// sees them online again. Then Bo calls each.
async fn check_outage(name: &str, outage: Duration) -> TestResult {
    scenario(name, async |env| {
        let network = EmulatedNetwork::new().await?;
        let server = start_server_on_right(env, &network).await?;
        let ana = log_in_over_network(env, &network.left, &server.url(), "Ana").await?;
        let options = AppOptions::with_test_devices(&server.url()).in_namespace(&network.left);
        let cai = env.start_app_with("Cai", &options).await?;
        cai.page().log_in("Cai").await?;
        let cai = cai.page();
        // Logging in and being called need no secure context.
        let di = env.new_firefox_page("Di", Some(&network.left), WindowPlacement::Headless).await?;
        di.open(&server.url()).await?;
        di.log_in("Di").await?;
        let bo = log_in_over_network(env, &network.right, &server.url(), "Bo").await?;
        for page in [&ana, cai, &di] {
            bo.wait_for_user_state(page.name(), "online", UI_TIMEOUT).await?;
        }

        network.link.set_both(LinkConditions { state: LinkState::Down, ..LinkConditions::default() });
        let cut = Instant::now();
        try_join_all([&ana, cai, &di].map(async |page: &TestPage| {
            wait_until_reconnecting(page, NOTICED_WITHIN + LOOK).await?;
            println!("{}: shows the loss after {:.1} s", page.name(), cut.elapsed().as_secs_f32());
            Ok::<_, Error>(())
        }))
        .await?;
        for page in [&ana, cai, &di] {
            let limit = NOTICED_WITHIN.saturating_sub(cut.elapsed()) + LOOK;
            bo.wait_until_user_gone(page.name(), limit).await?;
        }
        tokio::time::sleep_until((cut + outage).into()).await;
        network.link.set_both(LinkConditions::default());
        let back = Instant::now();
        for page in [&ana, cai, &di] {
            let limit = BACK_WITHIN.saturating_sub(back.elapsed()) + LOOK;
            bo.wait_for_user_state(page.name(), "online", limit).await?;
            println!("{}: online again after {:.1} s", page.name(), back.elapsed().as_secs_f32());
        }
        for page in [&ana, cai, &di] {
            ring(&bo, page, CallKind::Voice).await?;
            bo.press("hang-up").await?;
            bo.wait_for_own_state("online", UI_TIMEOUT).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_silent_loss_is_noticed_and_all_clients_are_callable_after_it() -> TestResult {
    check_outage("silent_loss", Duration::from_secs(25)).await
}

#[tokio::test]
#[ignore = "an outage of 100 s"]
async fn a_long_silent_loss_is_noticed_and_all_clients_are_callable_after_it() -> TestResult {
    check_outage("silent_loss_long", Duration::from_secs(100)).await
}

/// Longer than the server waits for a client that does not answer, and than the client waits for the server.
const FREEZE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_frozen_page_stays_online_and_counts_from_the_thaw() -> TestResult {
    scenario("frozen_page", async |env| {
        let network = EmulatedNetwork::new().await?;
        let server = start_server_on_right(env, &network).await?;
        let ana = log_in_over_network(env, &network.left, &server.url(), "Ana").await?;
        let bo = log_in_over_network(env, &network.right, &server.url(), "Bo").await?;
        bo.wait_for_user_state("Ana", "online", UI_TIMEOUT).await?;

        // Neither the page nor its workers run, but the browser answers the server's pings.
        let renderers = process::chromium_renderers(&ana.processes());
        ensure!(!renderers.is_empty(), "no renderer process");
        process::suspend(&renderers)?;
        tokio::time::sleep(FREEZE).await;
        process::resume(&renderers)?;
        // If the check after the thaw is not answered, the connection counts as lost 5 s later.
        let check = r#"await new Promise((done) => later(done, 6_000)); return Boolean(one("reconnecting"))"#;
        ensure!(!ana.run::<bool>(check).await?, "the page gave up a connection that was never lost");
        let seen: Vec<_> = bo.roster_changes().await?.into_iter().filter(|change| change.name == "Ana").collect();
        ensure!(seen.iter().all(|change| change.state != "gone"), "{seen:?}");

        // Chromium closes the WebSocket of a page that it freezes by itself (Page Lifecycle).
        ana.freeze().await?;
        network.link.set_both(LinkConditions { state: LinkState::Down, ..LinkConditions::default() });
        bo.wait_until_user_gone("Ana", NOTICED_WITHIN + LOOK).await?;
        network.link.set_both(LinkConditions::default());
        ana.thaw().await?;
        let thawed = Instant::now();
        bo.wait_for_user_state("Ana", "online", BACK_WITHIN + LOOK).await?;
        println!("online again {:.1} s after the thaw", thawed.elapsed().as_secs_f32());
        ring(&bo, &ana, CallKind::Voice).await
    })
    .await
}
