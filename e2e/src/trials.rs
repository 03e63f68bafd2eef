//! What a call has to stand, whoever carries it: two pages are in a call and watched, and each of these asks something of both.

use std::time::Duration;

use tokio::time::{Instant, interval_at};

use crate::{
    Page, Result, Seen, ensure,
    network::{Conditions, Direction, Flow, Network},
    steps::MEDIA,
    usage::Pressure,
};

/// Bounds for picture and voice.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The longest time that the picture may stand still.
    pub still: Duration,
    /// The longest gap in the voice.
    pub gap: Duration,
}

impl Bounds {
    /// On a good network.
    pub const GOOD: Self = Self { still: Duration::from_millis(1_000), gap: Duration::from_millis(100) };

    /// On a bad one: a second without a new picture, and the voice goes on.
    pub const BAD: Self = Self { still: Duration::from_millis(1_000), gap: Duration::from_millis(500) };

    /// The longer of each.
    fn or(self, other: Self) -> Self {
        Self { still: self.still.max(other.still), gap: self.gap.max(other.gap) }
    }
}

/// From this share of the time on (see [`Pressure::share`]) a machine is short of processors. Two of them without a graphics card
/// are, for an app and a browser in a call.
const SHORT: f64 = 0.5;

/// What is borne there: a processor that is waited for is not the app's fault.
const WHERE_SHORT: Bounds = Bounds { still: Duration::from_millis(2_000), gap: Duration::from_millis(300) };

/// From this share on there is no processor left for anybody: two apps on two processors.
const NONE_LEFT: f64 = 0.9;

/// What is borne there.
const WHERE_NONE_LEFT: Bounds = Bounds { still: Duration::from_millis(3_000), gap: Duration::from_millis(1_000) };

/// What is watched of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Picture and voice.
    All,
    /// The voice alone.
    Voice,
}

/// Both see and hear each other for this long, within these bounds, from a steady start on. Where processors are short all the
/// while, more is borne, and that is printed.
///
/// # Errors
///
/// When one of them does not.
pub async fn goes_on(one: &Page, other: &Page, watched: Watched, time: Duration, bounds: Bounds) -> Result<[Seen; 2]> {
    for page in [one, other] {
        match watched {
            Watched::All => page.sees_and_hears(MEDIA).await?,
            Watched::Voice => page.hears(MEDIA).await?,
        }
        page.hears_steadily(bounds.gap.max(WHERE_SHORT.gap)).await?;
    }
    for page in [one, other] {
        page.watch_anew().await?;
    }
    let pressure = Pressure::watch();
    let seen = [one.seen_for(time).await?, other.seen_for(time).await?];
    let Bounds { still, gap } = match pressure.share() {
        Some(share) if share > NONE_LEFT => bounds.or(WHERE_NONE_LEFT),
        Some(share) if share > SHORT => bounds.or(WHERE_SHORT),
        _ => bounds,
    };
    println!("{pressure}: a gap of {gap:?} in the voice is borne, and a picture that stands for {still:?}");
    for (page, seen) in [one, other].into_iter().zip(&seen) {
        println!("{} saw and heard {}", page.name(), seen.summary());
    }
    for (page, seen) in [one, other].into_iter().zip(&seen) {
        if watched == Watched::All {
            seen.ensure_picture(page.name(), still)?;
        }
        seen.ensure_voice(page.name(), gap)?;
    }
    Ok(seen)
}

/// The link breaks for this long; then both see and hear each other again within a limit, and go on.
///
/// # Errors
///
/// When one of them does not, or the break was not felt.
pub async fn comes_back(network: &Network, one: &Page, other: &Page, out: Duration, limit: Duration) -> Result<()> {
    for page in [one, other] {
        page.sees_and_hears(MEDIA).await?;
    }
    network.link.set_both(Conditions { flow: Flow::Cut, ..Conditions::default() });
    for page in [one, other] {
        page.watch_anew().await?;
    }
    for page in [one, other] {
        let seen = page.seen_for(out).await?;
        let still = Duration::from_secs_f64(seen.longest_still / 1000.0);
        ensure!(still > out.mul_f64(0.7), "{} did not feel the break: {}", page.name(), seen.summary());
    }
    for page in [one, other] {
        page.watch_anew().await?;
    }
    network.link.set_both(Conditions::default());
    let pressure = Pressure::watch();
    for page in [one, other] {
        // Longer than the limit, so that a failure tells how long it took.
        page.until(
            "picture and sound",
            limit * 10,
            "const it = window.__watch.seen(); return it.changes > 5 && it.firstSound",
        )
        .await?;
    }
    let seen = [one.seen().await?, other.seen().await?];
    let limit = if pressure.share().is_some_and(|share| share > NONE_LEFT) { 2 * limit } else { limit };
    println!("{pressure}: {limit:?} for coming back are borne");
    let in_time = |first: Option<f64>| first.is_some_and(|first| first <= limit.as_secs_f64() * 1000.0);
    for (page, seen) in [one, other].into_iter().zip(&seen) {
        println!(
            "{} after a break of {out:?}: picture {:.0} ms, sound {:.0} ms; {}",
            page.name(),
            seen.first_change.unwrap_or(f64::NAN),
            seen.first_sound.unwrap_or(f64::NAN),
            seen.summary()
        );
    }
    for (page, seen) in [one, other].into_iter().zip(&seen) {
        ensure!(in_time(seen.first_change), "{}: no picture within {limit:?}: {}", page.name(), seen.summary());
        ensure!(in_time(seen.first_sound), "{}: no sound within {limit:?}: {}", page.name(), seen.summary());
    }
    goes_on(one, other, Watched::All, Duration::from_secs(5), Bounds::BAD).await?;
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
    let seconds = limit.as_secs() + 8;
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
    // Voice alone takes more than half of this.
    ensure!(offered >= u64::from(rate) / 6, "{offered} bit/s offered: it gave up on a link of {rate}");
    Ok(())
}
