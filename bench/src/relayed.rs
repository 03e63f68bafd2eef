//! `hutong-bench relayed`: set-up of calls through the server's relay and through coturn compared with direct calls.

use std::{fs, net::SocketAddr, rc::Rc};

use clap::Args;
use hutong_e2e::{
    BrowserOptions, Context, Result, TestEnv, TestPage, anyhow,
    call_path::{CallPath, ensure_path},
    coturn::Coturn,
    network::{
        EmulatedInternet, HomeConfig, HomeNetwork, LEFT_PRIVATE, NatBehaviour, RIGHT_PRIVATE, SERVER_IPV4, Uplink,
    },
    scenario,
    statistics::min_median_max,
};

use crate::{
    first_frame::{first_frame_waits, hang_up},
    video_clock::{self, BenchCamera},
};

/// Port of the server.
const PORT: u16 = 8017;

/// The secret that the server shares with coturn.
const SECRET: &str = "the-shared-secret-of-the-benchmark";

/// JavaScript: the page's calls use relayed candidates only.
const RELAY_ONLY: &str = r#"
    const policy = { iceTransportPolicy: "relay" };
    window.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(configuration) { super({ ...configuration, ...policy }); }
        setConfiguration(configuration) { super.setConfiguration({ ...configuration, ...policy }); }
    };"#;

/// Command line options.
#[derive(Clone, Debug, Args)]
pub struct RelayedBenchOptions {
    /// Rounds; in each, every path has its turn with new browsers
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Measured calls in each round, after one that is not measured
    #[arg(long, default_value_t = 10)]
    calls: usize,
}

/// The way of the media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MediaPath {
    Direct,
    Relay,
    Coturn,
}

impl MediaPath {
    const ALL: [Self; 3] = [Self::Direct, Self::Relay, Self::Coturn];

    const fn label(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Relay => "the server's relay",
            Self::Coturn => "coturn",
        }
    }

    const fn expected(self) -> CallPath {
        match self {
            Self::Direct => CallPath::Direct,
            Self::Relay | Self::Coturn => CallPath::Relayed,
        }
    }
}

/// Measures all paths and prints a table.
///
/// # Errors
///
/// Returns an error when a call fails or takes another path.
pub async fn measure(options: &RelayedBenchOptions) -> Result<()> {
    let mut waits = MediaPath::ALL.map(|path| (path, Vec::new()));
    for _ in 0..options.rounds {
        for (path, waits) in &mut waits {
            let mut measured = Vec::new();
            let name = format!("bench_relayed_{path:?}").to_lowercase();
            let outcome = scenario(&name, async |env| {
                measured = measure_calls(env, *path, options.calls).await?;
                Ok(())
            });
            outcome.await.map_err(|failure| anyhow!("{failure:?}"))?;
            eprintln!("{}: {measured:.0?}", path.label());
            waits.append(&mut measured);
        }
    }
    println!("| path | calls | call to first frame, ms | accept to first frame, ms |");
    println!("| --- | --- | --- | --- |");
    for (path, waits) in &waits {
        let summary = |index: usize| {
            let values: Vec<f64> = waits.iter().map(|wait| wait[index]).collect();
            let (min, median, max) = min_median_max(&values).context("no call was measured")?;
            Ok::<_, hutong_e2e::Error>(format!("{median:.0} ({min:.0} to {max:.0})"))
        };
        println!("| {} | {} | {} | {} |", path.label(), waits.len(), summary(0)?, summary(1)?);
    }
    Ok(())
}

async fn measure_calls(env: &mut TestEnv, path: MediaPath, calls: usize) -> Result<Vec<[f64; 2]>> {
    let home = |private| HomeConfig::new(Uplink::Ipv4 { private, nat: NatBehaviour::FULL_CONE });
    let internet = Rc::new(EmulatedInternet::new(home(LEFT_PRIVATE), home(RIGHT_PRIVATE)).await?);
    let url = start_server(env, &internet, path).await?;
    let ana = log_in(env, &internet.left, &url, "Ana", path).await?;
    let bo = log_in(env, &internet.right, &url, "Bo", path).await?;
    env.keep_alive(internet);
    let mut waits = Vec::new();
    for call in 0..=calls {
        waits.push(first_frame_waits([&ana, &bo], call).await?);
        ensure_path(&ana, &bo, Some(path.expected()), &[SERVER_IPV4.to_string()]).await?;
        hang_up([&ana, &bo]).await?;
    }
    // The first call takes longer in a browser that has just started.
    waits.remove(0);
    Ok(waits)
}

/// Starts the server and, for its path, coturn. Returns the server's URL.
async fn start_server(env: &mut TestEnv, internet: &EmulatedInternet, path: MediaPath) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let secret_file = folder.path().join("turn-secret");
    fs::write(&secret_file, SECRET)?;
    let coturn_address = SocketAddr::from((SERVER_IPV4, 3_478));
    let (certificates, secret_file) = (folder.path().to_string_lossy(), secret_file.to_string_lossy());
    let ice_server = format!("turn:{coturn_address}?transport=udp");
    let mut options = vec!["--self-signed", &*certificates];
    if path == MediaPath::Coturn {
        env.keep_alive(Coturn::start_in(&internet.public, coturn_address, SECRET).await?);
        options.extend(["--turn", "off", "--ice-server", &ice_server, "--turn-secret-file", &secret_file]);
    }
    let server = env.start_server_in(&internet.public, &format!("{SERVER_IPV4}:{PORT}"), &options).await?;
    env.keep_alive(folder);
    Ok(format!("https://{}", server.address()))
}

async fn log_in(env: &mut TestEnv, home: &HomeNetwork, url: &str, name: &str, path: MediaPath) -> Result<TestPage> {
    let args = vec!["--ignore-certificate-errors".to_owned()];
    let page = env.new_page_in(&home.namespace, name, &BrowserOptions { args, ..BrowserOptions::default() }).await?;
    page.open(url).await?;
    page.log_in(name).await?;
    if path != MediaPath::Direct {
        page.inject(RELAY_ONLY).await?;
    }
    video_clock::prepare(&page, BenchCamera::Clock).await?;
    Ok(page)
}
