//! The emulated network itself, and what Chromium calling Chromium makes of it: what the harness measures there is real.

use std::{
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use hutong_e2e::{
    Network, Outcome, Page, Result, World,
    call_assertions::{MEDIA_S, Media, media_flows, recovers, settles},
    call_quality::{Bounds, recovers_within, stays_within},
    ensure,
    network::{Conditions, Direction, Flow, RIGHT},
    people::{Microphone, With, two},
    sampler::Arrival,
    scenario,
    steps::{self, call},
};

/// Answers whatever comes with itself, until it is told `end`.
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

/// Sends that many packets and waits for each answer for that long at most; gives the times of those that came.
fn ask(to: SocketAddr, count: usize, limit: Duration) -> Result<Vec<Duration>> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(limit))?;
    let mut times = Vec::new();
    for place in 0..count {
        let sent = Instant::now();
        socket.send_to(&place.to_be_bytes(), to)?;
        let mut answer = [0; 8];
        while let Ok(8) = socket.recv(&mut answer) {
            if answer == place.to_be_bytes() {
                times.push(sent.elapsed());
                break;
            }
        }
    }
    Ok(times)
}

#[tokio::test]
async fn the_link_does_as_it_is_told() -> Outcome {
    scenario("network_link", async |_| {
        let network = Network::new().await?;
        let socket = network.right.within(|| Ok(UdpSocket::bind((RIGHT, 0))?)).await?;
        let to = socket.local_addr()?;
        let answering = std::thread::spawn(move || echo(&socket));
        let limit = Duration::from_millis(400);

        let times = network.left.within(move || ask(to, 50, limit)).await?;
        ensure!(times.len() == 50 && times.iter().all(|time| *time < Duration::from_millis(50)), "{times:?}");

        let slow = Conditions { delay: Duration::from_millis(50), ..Conditions::default() };
        network.link.set_both(slow);
        let times = network.left.within(move || ask(to, 10, limit)).await?;
        let around = Duration::from_millis(100)..Duration::from_millis(160);
        ensure!(times.len() == 10 && times.iter().all(|time| around.contains(time)), "{times:?}");

        network.link.set_both(Conditions { loss: 0.5, ..Conditions::default() });
        let short = Duration::from_millis(20);
        let times = network.left.within(move || ask(to, 80, short)).await?;
        ensure!((5..50).contains(&times.len()), "{} of 80 came back through two times 50 % loss", times.len());

        network.link.set_both(Conditions { flow: Flow::Cut, ..Conditions::default() });
        let times = network.left.within(move || ask(to, 5, short)).await?;
        ensure!(times.is_empty(), "{times:?}");
        ensure!(network.link.counters(Direction::Right).cut == 5, "{:?}", network.link.counters(Direction::Right));

        network.link.set_both(Conditions::default());
        network.left.within(move || Ok(UdpSocket::bind("0.0.0.0:0")?.send_to(b"end", to)?)).await?;
        ensure!(answering.join().is_ok_and(|outcome| outcome.is_ok()), "the other side failed");
        Ok(())
    })
    .await
}

/// Two browsers in a call, one on each side of a network, both speaking.
async fn two_in_a_call(world: &mut World, network: &Network) -> Result<[Page; 2]> {
    let [ana, bo] = two(world, [With::Chromium, With::Chromium], Microphone::Voice, Some(network)).await?;
    call(&ana.page, &bo.page, steps::With::Video).await?;
    Ok([ana.page, bo.page])
}

/// Seconds without a link.
const OUTAGE_S: usize = 8;

fn bad() -> Conditions {
    Conditions { loss: 0.03, delay: Duration::from_millis(50), ..Conditions::default() }
}

fn ensure_lossy(network: &Network) -> Result<()> {
    let lost = network.link.counters(Direction::Right).lost;
    ensure!(lost > 10, "only {lost} packets were lost");
    Ok(())
}

#[tokio::test]
async fn a_call_goes_on_over_a_link_that_loses_and_delays() -> Outcome {
    scenario("network_losses", async |world| {
        let network = Network::new().await?;
        let [ana, bo] = two_in_a_call(world, &network).await?;
        network.link.set_both(bad());
        media_flows(&ana, &bo, Media::VideoAndAudio).await?;
        ensure_lossy(&network)
    })
    .await
}

#[tokio::test]
#[ignore = "quality: a minute and a half"]
async fn a_call_is_good_over_a_link_that_loses_and_delays() -> Outcome {
    scenario("network_losses_well", async |world| {
        let network = Network::new().await?;
        let [ana, bo] = two_in_a_call(world, &network).await?;
        stays_within([&ana, &bo], Media::VideoAndAudio, Duration::from_secs(10), Bounds::GOOD).await?;
        network.link.set_both(bad());
        stays_within([&ana, &bo], Media::VideoAndAudio, Duration::from_secs(20), Bounds::BAD).await?;
        ensure_lossy(&network)
    })
    .await
}

#[tokio::test]
async fn a_call_comes_back_after_a_break() -> Outcome {
    scenario("network_break", async |world| {
        let network = Network::new().await?;
        let [ana, bo] = two_in_a_call(world, &network).await?;
        recovers(&network, &ana, &bo, OUTAGE_S).await
    })
    .await
}

#[tokio::test]
#[ignore = "quality: half a minute"]
async fn a_call_comes_back_soon_after_a_break() -> Outcome {
    scenario("network_break_well", async |world| {
        let network = Network::new().await?;
        let [ana, bo] = two_in_a_call(world, &network).await?;
        let outage = Duration::from_secs(OUTAGE_S as u64);
        recovers_within(&network, [&ana, &bo], outage, Duration::from_secs(3), Bounds::BAD).await
    })
    .await
}

#[tokio::test]
async fn a_call_fits_itself_to_a_narrow_link() -> Outcome {
    scenario("network_narrow", async |world| {
        let network = Network::new().await?;
        let [ana, bo] = two(world, [With::Chromium, With::Chromium], Microphone::Voice, Some(&network)).await?;
        ana.page.flicker().await?;
        call(&ana.page, &bo.page, steps::With::Video).await?;
        for page in [&ana.page, &bo.page] {
            page.until_arrival(Arrival::VideoAndAudio, MEDIA_S).await?;
        }
        settles(&network, Direction::Right, 500_000, Duration::from_secs(5)).await
    })
    .await
}
