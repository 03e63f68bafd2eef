//! The emulated network, and calls between two Chromiums over it.

use std::{
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use hutong_e2e::{
    EmulatedNetwork, Result, TestEnv, TestPage, TestResult,
    call_assertions::{CallMedia, MEDIA_S, ensure_adapts_to_rate, ensure_media_flows, ensure_recovers},
    call_quality::{QualityBounds, ensure_quality, ensure_recovery_quality},
    call_steps::{CallKind, call},
    clients::{ClientKind, MicrophoneSource, log_in_pair},
    ensure,
    network::{LinkConditions, LinkDirection, LinkState, RIGHT_ADDRESS},
    sampler::ExpectedMedia,
    scenario,
};

/// Echoes datagrams until it receives `end`.
fn echo(socket: &UdpSocket) -> Result<()> {
    let mut buffer = [0; 2_000];
    loop {
        let (length, from) = socket.recv_from(&mut buffer)?;
        if buffer.starts_with(b"end") {
            return Ok(());
        }
        socket.send_to(buffer.get(..length).unwrap_or_default(), from)?;
    }
}

/// Sends packets one by one and waits for each echo up to `limit`; returns the round trip times of those that came
/// back.
fn round_trips(to: SocketAddr, count: usize, limit: Duration) -> Result<Vec<Duration>> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(limit))?;
    let mut times = Vec::new();
    for number in 0..count {
        let sent = Instant::now();
        socket.send_to(&number.to_be_bytes(), to)?;
        let mut answer = [0; 8];
        while let Ok(8) = socket.recv(&mut answer) {
            if answer == number.to_be_bytes() {
                times.push(sent.elapsed());
                break;
            }
        }
    }
    Ok(times)
}

#[tokio::test]
async fn the_emulated_link_delays_drops_and_interrupts_packets() -> TestResult {
    scenario("network_link", async |_| {
        let network = EmulatedNetwork::new().await?;
        let socket = network.right.run_inside(|| Ok(UdpSocket::bind((RIGHT_ADDRESS, 0))?)).await?;
        let to = socket.local_addr()?;
        let echo_thread = std::thread::spawn(move || echo(&socket));
        let limit = Duration::from_millis(400);

        let times = network.left.run_inside(move || round_trips(to, 50, limit)).await?;
        ensure!(times.len() == 50 && times.iter().all(|time| *time < Duration::from_millis(50)), "{times:?}");

        let slow = LinkConditions { delay: Duration::from_millis(50), ..LinkConditions::default() };
        network.link.set_both(slow);
        let times = network.left.run_inside(move || round_trips(to, 10, limit)).await?;
        let around = Duration::from_millis(100)..Duration::from_millis(160);
        ensure!(times.len() == 10 && times.iter().all(|time| around.contains(time)), "{times:?}");

        network.link.set_both(LinkConditions { loss: 0.5, ..LinkConditions::default() });
        let short = Duration::from_millis(20);
        let times = network.left.run_inside(move || round_trips(to, 80, short)).await?;
        ensure!((5..50).contains(&times.len()), "{} of 80 echoes arrived with 50 % loss each way", times.len());

        network.link.set_both(LinkConditions { state: LinkState::Down, ..LinkConditions::default() });
        let times = network.left.run_inside(move || round_trips(to, 5, short)).await?;
        ensure!(times.is_empty(), "{times:?}");
        ensure!(
            network.link.counters(LinkDirection::LeftToRight).packets_cut == 5,
            "{:?}",
            network.link.counters(LinkDirection::LeftToRight)
        );

        network.link.set_both(LinkConditions::default());
        network.left.run_inside(move || Ok(UdpSocket::bind("0.0.0.0:0")?.send_to(b"end", to)?)).await?;
        ensure!(echo_thread.join().is_ok_and(|outcome| outcome.is_ok()), "the echo thread failed");
        Ok(())
    })
    .await
}

/// Ana and Bo in a call in Chromium, one on each side of the network, both with synthetic voices.
async fn start_call(env: &mut TestEnv, network: &EmulatedNetwork) -> Result<[TestPage; 2]> {
    let [ana, bo] =
        log_in_pair(env, [ClientKind::Chromium, ClientKind::Chromium], MicrophoneSource::SyntheticVoice, Some(network))
            .await?;
    call(&ana.page, &bo.page, CallKind::Video).await?;
    Ok([ana.page, bo.page])
}

/// Seconds without a link.
const OUTAGE_S: usize = 8;

fn lossy() -> LinkConditions {
    LinkConditions { loss: 0.03, delay: Duration::from_millis(50), ..LinkConditions::default() }
}

fn ensure_packets_lost(network: &EmulatedNetwork) -> Result<()> {
    let lost = network.link.counters(LinkDirection::LeftToRight).packets_lost;
    ensure!(lost > 10, "only {lost} packets were lost");
    Ok(())
}

#[tokio::test]
async fn media_flows_over_a_lossy_link_with_delay() -> TestResult {
    scenario("network_loss", async |env| {
        let network = EmulatedNetwork::new().await?;
        let [ana, bo] = start_call(env, &network).await?;
        network.link.set_both(lossy());
        ensure_media_flows(&ana, &bo, CallMedia::VideoAndAudio).await?;
        ensure_packets_lost(&network)
    })
    .await
}

#[tokio::test]
#[ignore = "quality: a minute and a half"]
async fn media_quality_holds_over_a_lossy_link_with_delay() -> TestResult {
    scenario("network_loss_quality", async |env| {
        let network = EmulatedNetwork::new().await?;
        let [ana, bo] = start_call(env, &network).await?;
        ensure_quality([&ana, &bo], CallMedia::VideoAndAudio, Duration::from_secs(10), QualityBounds::GOOD).await?;
        network.link.set_both(lossy());
        ensure_quality([&ana, &bo], CallMedia::VideoAndAudio, Duration::from_secs(20), QualityBounds::LOSSY).await?;
        ensure_packets_lost(&network)
    })
    .await
}

#[tokio::test]
async fn media_recovers_after_an_outage() -> TestResult {
    scenario("network_outage", async |env| {
        let network = EmulatedNetwork::new().await?;
        let [ana, bo] = start_call(env, &network).await?;
        ensure_recovers(&network, &ana, &bo, OUTAGE_S).await
    })
    .await
}

#[tokio::test]
#[ignore = "quality: half a minute"]
async fn media_recovers_within_3_s_of_an_outage() -> TestResult {
    scenario("network_outage_quality", async |env| {
        let network = EmulatedNetwork::new().await?;
        let [ana, bo] = start_call(env, &network).await?;
        let outage = Duration::from_secs(OUTAGE_S as u64);
        ensure_recovery_quality(&network, [&ana, &bo], outage, Duration::from_secs(3), QualityBounds::LOSSY).await
    })
    .await
}

#[tokio::test]
async fn the_sender_adapts_to_a_narrow_link() -> TestResult {
    scenario("network_narrow", async |env| {
        let network = EmulatedNetwork::new().await?;
        let [ana, bo] = log_in_pair(
            env,
            [ClientKind::Chromium, ClientKind::Chromium],
            MicrophoneSource::SyntheticVoice,
            Some(&network),
        )
        .await?;
        ana.page.use_noise_camera().await?;
        call(&ana.page, &bo.page, CallKind::Video).await?;
        for page in [&ana.page, &bo.page] {
            page.wait_for_media(ExpectedMedia::VideoAndAudio, MEDIA_S).await?;
        }
        ensure_adapts_to_rate(&network, LinkDirection::LeftToRight, 500_000, Duration::from_secs(5)).await
    })
    .await
}
