//! Assertions on a call's media: video and audio flow, recover after an outage, and adapt to a narrow link.
//!
//! They are independent of the media engine. Their bounds hold on two busy processors and are fixed: bounds that widened
//! with the machine's load would let a call that wastes CPU time pass. [`call_quality`](crate::call_quality) asserts
//! quality.

use std::time::Duration;

use futures_util::future::try_join;
use tokio::time::{Instant, interval_at};

use crate::{
    Context, Result, TestPage, ensure,
    network::{EmulatedNetwork, LinkConditions, LinkDirection, LinkState},
    sampler::{ExpectedMedia, Sample},
};

/// Seconds of a call that are sampled.
const SAMPLED: usize = 8;

/// Least sampled seconds with moving video. A debug build of the app on contended processors was observed to send one
/// to three frames a second, in bursts.
const MOVING: usize = 2;

/// Least sampled seconds with audible audio. On contended processors the app's audio context was observed to stand
/// still for four seconds of eight.
const AUDIBLE: usize = 3;

/// Seconds after the sampled ones within which media must flow once more, to detect media that freezes for good. Twice
/// the four seconds for which a busy app's audio context was observed to stand still, and one sample at either end.
const LATE_S: usize = 10;

/// Seconds until media flows, on a busy machine.
pub const MEDIA_S: usize = 30;

/// Seconds until media flows again after an outage.
const RECOVERY_S: usize = 12;

/// Media expected in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallMedia {
    /// Video and audio.
    VideoAndAudio,
    /// Audio only.
    Audio,
}

impl CallMedia {
    const fn arrival(self) -> ExpectedMedia {
        match self {
            Self::VideoAndAudio => ExpectedMedia::VideoAndAudio,
            Self::Audio => ExpectedMedia::Audio,
        }
    }
}

/// Checks that both sides receive moving video and audible audio in the next seconds, and still do afterwards. Returns
/// the samples.
///
/// # Errors
///
/// Returns an error with the samples when one side does not.
pub async fn ensure_media_flows(one: &TestPage, other: &TestPage, media: CallMedia) -> Result<[Vec<Sample>; 2]> {
    let arrival = media.arrival();
    try_join(one.wait_for_media(arrival, MEDIA_S), other.wait_for_media(arrival, MEDIA_S)).await?;
    let (at_one, at_other) = try_join(one.sample_for(SAMPLED), other.sample_for(SAMPLED)).await?;
    for (page, samples) in [(one, &at_one), (other, &at_other)] {
        println!("{}: {}", page.name(), summary(samples));
    }
    for (page, samples) in [(one, &at_one), (other, &at_other)] {
        ensure_flow(page.name(), samples, media)?;
    }
    let late = try_join(one.wait_for_media(arrival, LATE_S), other.wait_for_media(arrival, LATE_S));
    late.await.context("media no longer flows")?;
    Ok([at_one, at_other])
}

fn ensure_flow(name: &str, samples: &[Sample], media: CallMedia) -> Result<()> {
    let audible = samples.iter().filter(|sample| sample.is_audible()).count();
    ensure!(audible >= AUDIBLE, "{name}: audible in {audible} of {SAMPLED} s: {samples:#?}");
    if media == CallMedia::VideoAndAudio {
        let moving = samples.iter().filter(|sample| sample.is_moving()).count();
        ensure!(moving >= MOVING, "{name}: moving video in {moving} of {SAMPLED} s: {samples:#?}");
    }
    Ok(())
}

/// One-line summary for logs.
fn summary(samples: &[Sample]) -> String {
    let seconds: f64 = samples.iter().map(|sample| sample.seconds).sum();
    let frames: u64 = samples.iter().map(|sample| sample.frames).sum();
    let count = |condition: fn(&Sample) -> bool| samples.iter().filter(|sample| condition(sample)).count();
    let size = samples.last().map_or((0, 0), |sample| (sample.width, sample.height));
    format!(
        "{seconds:.1} s in {} samples: {:.1} frames/s of {}x{}, {} moving, {} audible",
        samples.len(),
        frames as f64 / seconds,
        size.0,
        size.1,
        count(Sample::is_moving),
        count(Sample::is_audible)
    )
}

/// Takes the link down for so many seconds and checks that media flows again afterwards.
///
/// # Errors
///
/// Returns an error when it does not, or packets passed during the outage.
pub async fn ensure_recovers(network: &EmulatedNetwork, one: &TestPage, other: &TestPage, outage: usize) -> Result<()> {
    try_join(
        one.wait_for_media(ExpectedMedia::VideoAndAudio, MEDIA_S),
        other.wait_for_media(ExpectedMedia::VideoAndAudio, MEDIA_S),
    )
    .await?;
    interrupt_link(network, outage).await?;
    let (at_one, at_other) = try_join(
        one.wait_for_media(ExpectedMedia::VideoAndAudio, RECOVERY_S),
        other.wait_for_media(ExpectedMedia::VideoAndAudio, RECOVERY_S),
    )
    .await?;
    for (page, samples) in [(one, at_one), (other, at_other)] {
        println!("{}: media flows again within {} s of an outage of {outage} s", page.name(), samples.len());
    }
    ensure_media_flows(one, other, CallMedia::VideoAndAudio).await.map(drop)
}

/// Takes the link down for so many seconds. The link's counters prove the outage: a busy app has seconds without frames
/// anyway.
async fn interrupt_link(network: &EmulatedNetwork, outage: usize) -> Result<()> {
    const DIRECTIONS: [LinkDirection; 2] = [LinkDirection::LeftToRight, LinkDirection::RightToLeft];
    network.link.set_both(LinkConditions { state: LinkState::Down, ..LinkConditions::default() });
    let second = Duration::from_secs(1);
    let mut ticks = interval_at(Instant::now() + second, second);
    // Packets already queued may arrive in the first second.
    ticks.tick().await;
    let before = DIRECTIONS.map(|direction| network.link.counters(direction));
    for _ in 1..outage {
        ticks.tick().await;
    }
    for (direction, before) in DIRECTIONS.into_iter().zip(before) {
        let outage = network.link.counters(direction).since(&before);
        println!(
            "{direction:?} during the outage: {} packets offered, {} delivered",
            outage.packets_in, outage.packets_out
        );
        ensure!(outage.packets_in > 0 && outage.packets_out == 0, "no outage in direction {direction:?}: {outage:?}");
    }
    network.link.set_both(LinkConditions::default());
    Ok(())
}

/// Limits the bit rate of one direction and checks that the sender offers less than that within `limit`, and keeps
/// sending.
///
/// # Errors
///
/// Returns an error when it does not.
pub async fn ensure_adapts_to_rate(
    network: &EmulatedNetwork,
    direction: LinkDirection,
    bit_rate: u32,
    limit: Duration,
) -> Result<()> {
    let second = Duration::from_secs(1);
    let mut ticks = interval_at(Instant::now() + second, second);
    let mut last = network.link.counters(direction);
    let mut unlimited = Vec::new();
    loop {
        ticks.tick().await;
        let now = network.link.counters(direction);
        unlimited.push(now.since(&last).bytes_in * 8 / 1000);
        last = now;
        if unlimited.last().is_some_and(|offered| offered * 1000 > u64::from(bit_rate)) {
            break;
        }
        ensure!(
            unlimited.len() < 20,
            "the sender offers {unlimited:?} kbit/s on an unlimited link: less than the limit of {bit_rate} bit/s"
        );
    }
    println!("on an unlimited link: {unlimited:?} kbit/s, second by second");
    network.link.set_conditions(direction, LinkConditions { bit_rate: Some(bit_rate), ..LinkConditions::default() });
    let mut after_limit = Vec::new();
    let seconds = limit.as_secs() + 5;
    for elapsed in 0..seconds {
        ticks.tick().await;
        let now = network.link.counters(direction);
        let second = now.since(&last);
        last = now;
        println!(
            "second {}: {} kbit/s offered, {} delivered, {} packets dropped",
            elapsed + 1,
            second.bytes_in * 8 / 1000,
            second.bytes_out * 8 / 1000,
            second.packets_overflowed
        );
        if elapsed >= limit.as_secs() {
            after_limit.push(second);
        }
    }
    network.link.set_conditions(direction, LinkConditions::default());
    let offered: u64 =
        after_limit.iter().map(|second| second.bytes_in * 8).sum::<u64>() / after_limit.len().max(1) as u64;
    ensure!(offered <= u64::from(bit_rate), "{offered} bit/s offered on a link of {bit_rate} bit/s after {limit:?}");
    // Less than audio alone takes on the narrowest of these links: the sender has stopped sending.
    ensure!(
        offered >= u64::from(bit_rate) / 10,
        "{offered} bit/s offered on a link of {bit_rate} bit/s: the sender gave up"
    );
    Ok(())
}
