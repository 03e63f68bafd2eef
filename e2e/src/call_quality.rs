//! Assertions on a call's media quality: freezes of the video and gaps in the audio.
//!
//! [`playback_monitor`](crate::playback_monitor) measures them many times a second. The tests that use this are ignored
//! by default, because measuring takes CPU time from the call; figures are in bench.

use std::time::Duration;

use crate::{
    PlaybackReport, Result, TestPage,
    call_assertions::CallMedia,
    call_steps::MEDIA_TIMEOUT,
    ensure,
    network::{EmulatedNetwork, LinkConditions, LinkState},
};

/// Bounds for freezes of the video and gaps in the audio.
#[derive(Clone, Copy, Debug)]
pub struct QualityBounds {
    /// Longest time without a changed image.
    pub max_freeze: Duration,
    /// Longest gap in the audio that a browser plays.
    pub max_gap: Duration,
    /// Longest gap in the audio that the app's webview plays. Its audio thread waits for the webview's allocator, and the
    /// playback monitor reads pixels and audio in the same page: gaps of 0.7 to 1 s were measured while Chromium heard the
    /// app's audio without gaps of more than 50 ms.
    pub max_webview_gap: Duration,
}

/// See [`QualityBounds::max_webview_gap`].
const WEBVIEW_GAP: Duration = Duration::from_millis(1_500);

impl QualityBounds {
    /// Chromium on a good network.
    pub const GOOD: Self = Self::new(1_000, 100);

    /// Chromium on a lossy network: the audio goes on. On a busy machine its video was observed to freeze for up to 1.5
    /// s.
    pub const LOSSY: Self = Self::new(3_000, 500);

    /// The app (a debug build on two processors without a GPU) on a good network: drawing its window and measuring it
    /// take all CPU time.
    pub const APP: Self = Self::new(2_000, 300);

    /// The app on a lossy network.
    pub const APP_LOSSY: Self = Self::new(2_000, 500);

    const fn new(max_freeze_ms: u64, max_gap_ms: u64) -> Self {
        Self {
            max_freeze: Duration::from_millis(max_freeze_ms),
            max_gap: Duration::from_millis(max_gap_ms),
            max_webview_gap: WEBVIEW_GAP,
        }
    }

    fn max_gap_of(self, page: &TestPage) -> Duration {
        if page.is_webview() { self.max_webview_gap } else { self.max_gap }
    }
}

/// Checks both sides' received media for this long against the bounds, after a stable start. One side is measured after
/// the other: meanwhile the other's page does nothing but the call.
///
/// # Errors
///
/// Returns an error with the report when one side exceeds a bound.
pub async fn ensure_quality(
    pages: [&TestPage; 2],
    media: CallMedia,
    time: Duration,
    bounds: QualityBounds,
) -> Result<[PlaybackReport; 2]> {
    let [first, second] = pages;
    Ok([ensure_quality_of(first, media, time, bounds).await?, ensure_quality_of(second, media, time, bounds).await?])
}

async fn ensure_quality_of(
    page: &TestPage,
    media: CallMedia,
    time: Duration,
    bounds: QualityBounds,
) -> Result<PlaybackReport> {
    page.start_playback_monitor().await?;
    match media {
        CallMedia::VideoAndAudio => page.wait_for_video_and_audio(MEDIA_TIMEOUT).await?,
        CallMedia::Audio => page.wait_for_audio(MEDIA_TIMEOUT).await?,
    }
    page.wait_for_steady_audio(bounds.max_gap_of(page)).await?;
    page.reset_playback_monitor().await?;
    let report = page.playback_report_after(time).await?;
    println!("{} received {}", page.name(), report.summary());
    if media == CallMedia::VideoAndAudio {
        report.ensure_video(page.name(), bounds.max_freeze)?;
    }
    report.ensure_audio(page.name(), bounds.max_gap_of(page))?;
    Ok(report)
}

/// Takes the link down for this long and checks that video and audio are back within `limit`, and within the bounds
/// from then on.
///
/// # Errors
///
/// Returns an error when they are not, or the outage was not noticeable.
pub async fn ensure_recovery_quality(
    network: &EmulatedNetwork,
    pages: [&TestPage; 2],
    outage: Duration,
    limit: Duration,
    bounds: QualityBounds,
) -> Result<()> {
    for page in pages {
        page.start_playback_monitor().await?;
        page.wait_for_video_and_audio(MEDIA_TIMEOUT).await?;
    }
    network.link.set_both(LinkConditions { state: LinkState::Down, ..LinkConditions::default() });
    for page in pages {
        page.reset_playback_monitor().await?;
    }
    for page in pages {
        let report = page.playback_report_after(outage).await?;
        let unchanged = Duration::from_secs_f64(report.longest_unchanged / 1000.0);
        ensure!(unchanged > outage.mul_f64(0.7), "{}: no freeze during the outage: {}", page.name(), report.summary());
    }
    for page in pages {
        page.reset_playback_monitor().await?;
    }
    network.link.set_both(LinkConditions::default());
    for page in pages {
        // Longer than the limit, so that a failure reports the actual time.
        let condition = "const it = window.__playbackMonitor.report(); return it.contentChanges > 5 && it.firstAudio";
        page.wait_until("video and audio", limit * 10, condition).await?;
    }
    for page in pages {
        let report = page.playback_report().await?;
        let [video, audio] =
            [report.first_content_change, report.first_audio].map(|first| first.unwrap_or(f64::INFINITY));
        println!("{} after an outage of {outage:?}: video after {video:.0} ms, audio after {audio:.0} ms", page.name());
        let is_in_time = video.max(audio) <= limit.as_secs_f64() * 1000.0;
        ensure!(is_in_time, "{}: media not back within {limit:?}: {}", page.name(), report.summary());
    }
    ensure_quality(pages, CallMedia::VideoAndAudio, Duration::from_secs(5), bounds).await.map(drop)
}
