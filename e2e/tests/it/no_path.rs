//! Calls between people whose networks do not reach each other: both learn what was tried, and what to do.

use std::time::{Duration, Instant};

use futures_util::future::try_join;
use hutong_e2e::{
    EmulatedNetwork, TestResult,
    call_steps::{CallKind, ring},
    clients::log_in_over_network,
    ensure,
    network::{AffectedTraffic, LinkConditions, LinkState, RIGHT_ADDRESS},
    page::UI_TIMEOUT,
    scenario,
};

/// Time from the answered call until both read that there is no path.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test]
async fn without_any_path_both_read_within_20_s_what_was_tried() -> TestResult {
    scenario("no_path", async |env| {
        let network = EmulatedNetwork::new().await?;
        // Signalling passes, media does not, and the server relays none.
        let no_udp =
            LinkConditions { state: LinkState::Down, affects: AffectedTraffic::UdpOnly, ..LinkConditions::default() };
        network.link.set_both(no_udp);
        let server = env.start_server_in(&network.right, &format!("{RIGHT_ADDRESS}:0"), &["--turn", "off"]).await?;
        let ana = log_in_over_network(env, &network.left, &server.url(), "Ana").await?;
        let bo = log_in_over_network(env, &network.right, &server.url(), "Bo").await?;
        ring(&ana, &bo, CallKind::Video).await?;
        bo.press(CallKind::Video.accept_button()).await?;
        let answered = Instant::now();
        let sentences = try_join(
            ana.wait_for_notice("no_path", TOLD_WITHIN + UI_TIMEOUT),
            bo.wait_for_notice("no_path", TOLD_WITHIN + UI_TIMEOUT),
        )
        .await?;
        let told = answered.elapsed();
        println!("both pages show the notice {:.1} s after the answer: {}", told.as_secs_f32(), sentences.0);
        ensure!(told <= TOLD_WITHIN, "the notice came {told:?} after the answer");
        for (sentence, other) in [(&sentences.0, "Bo"), (&sentences.1, "Ana")] {
            ensure!(sentence.contains(other) && sentence.contains("offers no relay"), "{sentence}");
        }
        for page in [&ana, &bo] {
            page.wait_for_own_state("online", UI_TIMEOUT).await?;
        }
        Ok(())
    })
    .await
}
