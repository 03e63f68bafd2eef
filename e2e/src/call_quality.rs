//! How good picture and voice of a call are: gaps and freezes, watched many times a second ([`watch`](crate::watch)). For tests that
//! are ignored by default, since watching takes processor time from what is watched; figures are in bench.

use std::time::Duration;

use crate::{
    Page, Result, Seen,
    call_assertions::Media,
    ensure,
    network::{Conditions, Flow, Network},
    steps::MEDIA,
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
    /// Of Chromium on a good network.
    pub const GOOD: Self = Self { still: Duration::from_millis(1_000), gap: Duration::from_millis(100) };

    /// Of Chromium on a bad one: the voice goes on. Its picture was seen to stand still for up to 1.5 s, on a busy machine.
    pub const BAD: Self = Self { still: Duration::from_millis(3_000), gap: Duration::from_millis(500) };

    /// Of the app, a debug build on two processors without a GPU, on a good network: to draw its window and to be watched take what
    /// there is.
    pub const APP: Self = Self { still: Duration::from_millis(2_000), gap: Duration::from_millis(300) };

    /// The same on a bad one.
    pub const APP_BAD: Self = Self { still: Duration::from_millis(2_000), gap: Duration::from_millis(500) };
}

/// Both see and hear each other for this long, within these bounds, from a steady start on. They are watched one after the other:
/// while the first is, the other's page has nothing to do but the call, as long as it was not watched before.
///
/// # Errors
///
/// When one of them does not.
pub async fn stays_within(pages: [&Page; 2], media: Media, time: Duration, bounds: Bounds) -> Result<[Seen; 2]> {
    let [first, second] = pages;
    Ok([watched(first, media, time, bounds).await?, watched(second, media, time, bounds).await?])
}

async fn watched(page: &Page, media: Media, time: Duration, bounds: Bounds) -> Result<Seen> {
    page.watch().await?;
    match media {
        Media::VideoAndAudio => page.sees_and_hears(MEDIA).await?,
        Media::Audio => page.hears(MEDIA).await?,
    }
    page.hears_steadily(bounds.gap).await?;
    page.watch_anew().await?;
    let seen = page.seen_for(time).await?;
    println!("{} saw and heard {}", page.name(), seen.summary());
    if media == Media::VideoAndAudio {
        seen.ensure_picture(page.name(), bounds.still)?;
    }
    seen.ensure_voice(page.name(), bounds.gap)?;
    Ok(seen)
}

/// The link breaks for this long; then both see and hear each other again within a limit, and stay within bounds.
///
/// # Errors
///
/// When one of them does not, or the outage was not felt.
pub async fn recovers_within(
    network: &Network,
    pages: [&Page; 2],
    outage: Duration,
    limit: Duration,
    bounds: Bounds,
) -> Result<()> {
    for page in pages {
        page.watch().await?;
        page.sees_and_hears(MEDIA).await?;
    }
    network.link.set_both(Conditions { flow: Flow::Cut, ..Conditions::default() });
    for page in pages {
        page.watch_anew().await?;
    }
    for page in pages {
        let seen = page.seen_for(outage).await?;
        let still = Duration::from_secs_f64(seen.longest_still / 1000.0);
        ensure!(still > outage.mul_f64(0.7), "{} did not feel the outage: {}", page.name(), seen.summary());
    }
    for page in pages {
        page.watch_anew().await?;
    }
    network.link.set_both(Conditions::default());
    for page in pages {
        // Longer than the limit, so that a failure tells how long it took.
        let both = "const it = window.__watch.seen(); return it.changes > 5 && it.firstSound";
        page.until("picture and sound", limit * 10, both).await?;
    }
    for page in pages {
        let seen = page.seen().await?;
        let [picture, sound] = [seen.first_change, seen.first_sound].map(|first| first.unwrap_or(f64::INFINITY));
        println!("{} after {outage:?}: picture {picture:.0} ms, sound {sound:.0} ms", page.name());
        let is_in_time = picture.max(sound) <= limit.as_secs_f64() * 1000.0;
        ensure!(is_in_time, "{}: not back within {limit:?}: {}", page.name(), seen.summary());
    }
    stays_within(pages, Media::VideoAndAudio, Duration::from_secs(5), bounds).await.map(drop)
}
