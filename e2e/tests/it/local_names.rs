//! Candidates with `.local` names in place of addresses (mDNS), as browsers offer them to pages without access to devices.
//!
//! Bo's page signals a name, and ignores the caller's own addresses. So the caller has to resolve the name for a direct path.

use std::time::Duration;

use hutong_e2e::{
    BrowserOptions, EmulatedNetwork, Mdns, Result, TestEnv, TestPage, TestResult,
    call_assertions::{CallMedia, ensure_media_flows},
    call_path::{CallPath, call_and_answer, ensure_path},
    call_steps::wait_until_released,
    clients::{ClientKind, log_in_client, log_in_over_network},
    ensure,
    network::{MdnsResponder, RIGHT_ADDRESS},
    network_report::{ClientPair, NetworkRecord},
    scenario,
};

/// Time from the answer until media flows or the call fails (`hutong_protocol::limits::MEDIA_TIMEOUT`).
const MEDIA_DEADLINE: Duration = Duration::from_secs(18);

/// A name as browsers make them.
const NAME: &str = "6b1f3c52-7d60-4a3e-9a51-0d3f5f0c8e11.local";

/// Has Bo's page signal the name in place of his address, and ignore other candidates of the caller than relayed ones.
async fn use_name(bo: &TestPage) -> Result<()> {
    bo.inject(&format!(
        r#"
        window.__namedCandidates = 0;
        const {{ toJSON }} = RTCIceCandidate.prototype;
        RTCIceCandidate.prototype.toJSON = function () {{
            const json = toJSON.call(this);
            // The server's relayed candidates have the same address.
            if (!json.candidate.includes(" typ host")) return json;
            window.__namedCandidates += 1;
            return {{ ...json, candidate: json.candidate.replace(" {RIGHT_ADDRESS} ", " {NAME} ") }};
        }};
        const {{ addIceCandidate }} = RTCPeerConnection.prototype;
        RTCPeerConnection.prototype.addIceCandidate = async function (candidate) {{
            const isDirect = / typ (host|srflx|prflx)/.test(candidate && candidate.candidate);
            if (!isDirect) await addIceCandidate.call(this, candidate);
        }};
        "#
    ))
    .await
}

/// Whether anything resolves the name.
#[derive(Clone, Copy)]
enum Resolution {
    Resolves,
    Fails,
}

async fn check(row: u32, name: &str, networks: &str, resolution: Resolution, expected: CallPath) -> TestResult {
    scenario(name, async |env| {
        let network = EmulatedNetwork::new().await?;
        network.add_default_route().await?;
        network.add_multicast_route().await?;
        let server = env.start_server_in(&network.right, &format!("{RIGHT_ADDRESS}:0"), &[]).await?;
        let _responder = match resolution {
            Resolution::Resolves => Some(MdnsResponder::start(&network.right, NAME, RIGHT_ADDRESS).await?),
            Resolution::Fails => None,
        };
        let bo = log_in_over_network(env, &network.right, &server.url(), "Bo").await?;
        bo.install_sampler().await?;
        use_name(&bo).await?;
        for clients in [ClientPair::Chromium, ClientPair::App] {
            let caller = log_in_caller(env, &network, &server.url(), clients).await?;
            // The first call takes longer in a program that has just started.
            call_and_answer(&caller, &bo, MEDIA_DEADLINE).await?;
            hang_up(&caller, &bo).await?;
            let set_up = call_and_answer(&caller, &bo, MEDIA_DEADLINE).await?;
            ensure_media_flows(&caller, &bo, CallMedia::VideoAndAudio).await?;
            let named: u32 = bo.run("return window.__namedCandidates").await?;
            ensure!(named > 0, "Bo's page signalled no name");
            let shown_paths = ensure_path(&caller, &bo, Some(expected), &[]).await?;
            NetworkRecord {
                row,
                networks: networks.to_owned(),
                clients,
                shown_paths,
                set_up_ms: set_up.as_millis() as u64,
            }
            .save()?;
            hang_up(&caller, &bo).await?;
            caller.close_browser().await;
        }
        Ok(())
    })
    .await
}

async fn hang_up(caller: &TestPage, bo: &TestPage) -> Result<()> {
    bo.press("hang-up").await?;
    wait_until_released(caller, bo).await
}

async fn log_in_caller(
    env: &mut TestEnv,
    network: &EmulatedNetwork,
    url: &str,
    clients: ClientPair,
) -> Result<TestPage> {
    let page = match clients {
        ClientPair::Chromium => {
            let args = vec![format!("--unsafely-treat-insecure-origin-as-secure={url}")];
            let options = BrowserOptions { args, mdns: Mdns::On, ..BrowserOptions::default() };
            let page = env.new_page_in(&network.left, "Ana", &options).await?;
            page.open(url).await?;
            page.log_in("Ana").await?;
            page
        }
        ClientPair::App => log_in_client(env, "Cem", ClientKind::App, url, Some(&network.left)).await?.page,
    };
    page.install_sampler().await?;
    Ok(page)
}

#[tokio::test]
#[ignore = "other networks: half a minute"]
async fn a_local_name_that_resolves_connects_directly() -> TestResult {
    let networks = "one network, `.local` name that resolves";
    check(20, "local_name", networks, Resolution::Resolves, CallPath::Direct).await
}

#[tokio::test]
#[ignore = "other networks: half a minute"]
async fn a_local_name_that_does_not_resolve_connects_through_the_relay() -> TestResult {
    let networks = "one network, `.local` name that does not resolve";
    check(21, "local_name_unresolved", networks, Resolution::Fails, CallPath::Relayed).await
}
