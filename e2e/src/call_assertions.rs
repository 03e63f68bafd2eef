//! What a call does, whichever engine carries it, with bounds that hold on two busy processors: picture and voice flow, and come back
//! after an outage. They are fixed: a bound that widened with the load of the machine would let a call that burns processor time
//! pass. How good picture and voice are is [`call_quality`](crate::call_quality)'s.

use std::time::Duration;

use futures_util::future::try_join;
use tokio::time::{Instant, interval_at};

use crate::{
    Context, Page, Result, ensure,
    network::{Conditions, Direction, Flow, Network},
    sampler::{Arrival, Sample},
};

/// How many seconds of a call are sampled.
const SAMPLED: usize = 8;

/// In how many of them, at least, the picture moves. A debug build of the app whose processors others want too was seen to send one to
/// three frames a second, in bursts.
const MOVING: usize = 2;

/// In how many of them, at least, a voice is heard. There the app's audio context was seen to stand still for four seconds of eight.
const AUDIBLE: usize = 3;

/// Seconds, after those that are sampled, within which media flows once more: media that freezes for good does not. Twice the four
/// seconds for which a busy app's audio context was seen to stand still, and one sample at either end.
const LATE_S: usize = 10;

/// Seconds until media flows, on a busy machine.
pub const MEDIA_S: usize = 30;

/// Seconds until it flows again after an outage.
const RECOVERY_S: usize = 12;

/// What flows in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// Picture and voice.
    VideoAndAudio,
    /// The voice alone.
    Audio,
}

impl Media {
    const fn arrival(self) -> Arrival {
        match self {
            Self::VideoAndAudio => Arrival::VideoAndAudio,
            Self::Audio => Arrival::Audio,
        }
    }
}

/// Both see a picture that moves and hear a voice, as samples of the next seconds tell, and still do after these.
///
/// # Errors
///
/// When one of them does not.
pub async fn media_flows(one: &Page, other: &Page, media: Media) -> Result<[Vec<Sample>; 2]> {
    let arrival = media.arrival();
    try_join(one.until_arrival(arrival, MEDIA_S), other.until_arrival(arrival, MEDIA_S)).await?;
    let (at_one, at_other) = try_join(one.samples_of(SAMPLED), other.samples_of(SAMPLED)).await?;
    for (page, samples) in [(one, &at_one), (other, &at_other)] {
        println!("{}: {}", page.name(), summary(samples));
    }
    for (page, samples) in [(one, &at_one), (other, &at_other)] {
        ensure_flow(page.name(), samples, media)?;
    }
    let late = try_join(one.until_arrival(arrival, LATE_S), other.until_arrival(arrival, LATE_S));
    late.await.context("media no longer flows")?;
    Ok([at_one, at_other])
}

fn ensure_flow(name: &str, samples: &[Sample], media: Media) -> Result<()> {
    let audible = samples.iter().filter(|sample| sample.is_audible()).count();
    ensure!(audible >= AUDIBLE, "{name} heard a voice in {audible} of {SAMPLED} s: {samples:#?}");
    if media == Media::VideoAndAudio {
        let moving = samples.iter().filter(|sample| sample.is_moving()).count();
        ensure!(moving >= MOVING, "{name} saw a moving picture in {moving} of {SAMPLED} s: {samples:#?}");
    }
    Ok(())
}

/// In a line.
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

/// The link breaks for so many seconds; some time after it is whole again, media flows as before.
///
/// # Errors
///
/// When it does not, or the link shows no outage.
pub async fn recovers(network: &Network, one: &Page, other: &Page, outage: usize) -> Result<()> {
    try_join(one.until_arrival(Arrival::VideoAndAudio, MEDIA_S), other.until_arrival(Arrival::VideoAndAudio, MEDIA_S))
        .await?;
    break_link(network, outage).await?;
    let (at_one, at_other) = try_join(
        one.until_arrival(Arrival::VideoAndAudio, RECOVERY_S),
        other.until_arrival(Arrival::VideoAndAudio, RECOVERY_S),
    )
    .await?;
    for (page, samples) in [(one, at_one), (other, at_other)] {
        println!("{} after {outage} s without a link: back within {} s", page.name(), samples.len());
    }
    media_flows(one, other, Media::VideoAndAudio).await.map(drop)
}

/// Cuts the link for so many seconds. That nothing passes is read from the link itself: seconds without frames a busy app has
/// anyway.
async fn break_link(network: &Network, outage: usize) -> Result<()> {
    const DIRECTIONS: [Direction; 2] = [Direction::Right, Direction::Left];
    network.link.set_both(Conditions { flow: Flow::Cut, ..Conditions::default() });
    let second = Duration::from_secs(1);
    let mut ticks = interval_at(Instant::now() + second, second);
    // What was on its way may arrive in the first second.
    ticks.tick().await;
    let before = DIRECTIONS.map(|direction| network.link.counters(direction));
    for _ in 1..outage {
        ticks.tick().await;
    }
    for (direction, before) in DIRECTIONS.into_iter().zip(before) {
        let gone = network.link.counters(direction).since(&before);
        println!("{direction:?} without a link: {} packets offered, {} passed", gone.taken, gone.passed);
        ensure!(gone.taken > 0 && gone.passed == 0, "no outage in the direction {direction:?}: {gone:?}");
    }
    network.link.set_both(Conditions::default());
    Ok(())
}

/// The link becomes narrow in one direction; what its sender offers is below that within a limit, and stays there.
///
/// # Errors
///
/// When it does not.
pub async fn settles(network: &Network, direction: Direction, rate: u32, limit: Duration) -> Result<()> {
    let second = Duration::from_secs(1);
    let mut ticks = interval_at(Instant::now() + second, second);
    let mut last = network.link.counters(direction);
    let mut wide = Vec::new();
    loop {
        ticks.tick().await;
        let now = network.link.counters(direction);
        wide.push(now.since(&last).offered * 8 / 1000);
        last = now;
        if wide.last().is_some_and(|offered| offered * 1000 > u64::from(rate)) {
            break;
        }
        ensure!(wide.len() < 20, "a link of {rate} bit/s is not narrow for one who offers {wide:?} kbit/s");
    }
    println!("on a wide link: {wide:?} kbit/s, second by second");
    network.link.set(direction, Conditions { rate: Some(rate), ..Conditions::default() });
    let mut settled = Vec::new();
    let seconds = limit.as_secs() + 5;
    for place in 0..seconds {
        ticks.tick().await;
        let now = network.link.counters(direction);
        let gone = now.since(&last);
        last = now;
        println!(
            "second {}: {} kbit/s offered, {} passed, {} packets dropped",
            place + 1,
            gone.offered * 8 / 1000,
            gone.bytes * 8 / 1000,
            gone.overflowed
        );
        if place >= limit.as_secs() {
            settled.push(gone);
        }
    }
    network.link.set(direction, Conditions::default());
    let offered: u64 = settled.iter().map(|gone| gone.offered * 8).sum::<u64>() / settled.len().max(1) as u64;
    ensure!(offered <= u64::from(rate), "{offered} bit/s offered on a link of {rate} after {limit:?}");
    // Less than a voice takes on the narrowest of these links: who offers less has stopped sending.
    ensure!(offered >= u64::from(rate) / 10, "{offered} bit/s offered: it gave up on a link of {rate}");
    Ok(())
}
