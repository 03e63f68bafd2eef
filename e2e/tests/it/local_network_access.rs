//! Local Network Access: Chromium keeps pages of a public server from devices with private addresses. Off by default for
//! WebRTC in Chromium 156, so the test switches it on.

use std::{net::Ipv4Addr, time::Duration};

use futures_util::future::try_join;
use hutong_e2e::{
    BrowserOptions, EmulatedNetwork, Result, TestEnv, TestPage, TestResult,
    call_steps::{CallKind, call, ring},
    ensure,
    network::Namespace,
    page::UI_TIMEOUT,
    scenario,
};

/// A public address. The server has it beside the right namespace's private one.
const SERVER_ADDRESS: Ipv4Addr = Ipv4Addr::new(11, 22, 33, 44);

/// Time until the notice, and a margin.
const TOLD_WITHIN: Duration = Duration::from_secs(25);

async fn log_in_with_access_checks(env: &mut TestEnv, side: &Namespace, url: &str, name: &str) -> Result<TestPage> {
    let args = ["--enable-features=LocalNetworkAccessChecksWebRTC", "--ignore-certificate-errors"];
    let options = BrowserOptions { args: args.map(str::to_owned).to_vec(), ..BrowserOptions::default() };
    let page = env.new_page_in(side, name, &options).await?;
    page.open(url).await?;
    page.log_in(name).await?;
    Ok(page)
}

#[tokio::test]
async fn a_page_that_may_not_reach_private_addresses_says_so() -> TestResult {
    scenario("local_network_access", async |env| {
        let network = EmulatedNetwork::new().await?;
        network.add_public_address(SERVER_ADDRESS).await?;
        let directory = tempfile::tempdir()?;
        let directory = directory.path().to_string_lossy().into_owned();
        // With a relay, such a call connects.
        let options = ["--self-signed", directory.as_str(), "--turn", "off"];
        let server = env.start_server_in(&network.right, &format!("{SERVER_ADDRESS}:0"), &options).await?;
        let url = format!("https://{}", server.address());
        let ana = log_in_with_access_checks(env, &network.left, &url, "Ana").await?;
        let bo = log_in_with_access_checks(env, &network.right, &url, "Bo").await?;
        for page in [&ana, &bo] {
            page.set_permission("local-network", "denied", &url).await?;
        }

        ring(&ana, &bo, CallKind::Voice).await?;
        bo.press(CallKind::Voice.accept_button()).await?;
        let notices =
            try_join(ana.wait_for_notice("no_path", TOLD_WITHIN), bo.wait_for_notice("no_path", TOLD_WITHIN)).await?;
        for sentence in [notices.0, notices.1] {
            ensure!(sentence.contains("Local network access"), "{sentence}");
        }

        // The notice's advice.
        for page in [&ana, &bo] {
            page.wait_for_own_state("online", UI_TIMEOUT).await?;
            page.set_permission("local-network", "granted", &url).await?;
        }
        call(&ana, &bo, CallKind::Voice).await
    })
    .await
}
