//! Video clock (`video_clock.js`): a camera whose image shows the time, and a reader of that time on the other side, to
//! measure the age of presented frames.
//!
//! The page draws the machine's clock (`Date.now()`) 30 times a second as black and white blocks with a checksum into a
//! canvas of 640 x 480 pixels, which is its camera. A frame's age when the other side's video element presents it
//! (`requestVideoFrameCallback`, W3C WICG video-rvfc) is glass-to-glass latency without the camera's exposure and the
//! display.

use hutong_e2e::{Context, Result, TestPage, ensure};
use serde::Deserialize;

const CLOCK_SCRIPT: &str = include_str!("video_clock.js");

/// Source of a page's camera track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BenchCamera {
    /// The video clock.
    Clock,
    /// The browser's fake camera.
    BrowserFake,
}

/// Whether a page renders its call's videos.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoRendering {
    /// Rendered.
    On,
    /// Decoded and played, but not rendered.
    Off,
}

/// Media sent by a page, and its encoder's target.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct SentTotals {
    /// Time in milliseconds.
    pub at: f64,
    /// Payload bytes sent, video and audio.
    pub sent: f64,
    /// Target bit rate of the video encoder in bit/s; 0 where unknown.
    pub target: f64,
}

/// Readings of the other side's video clock.
#[derive(Clone, Debug, Deserialize)]
pub struct ClockReadings {
    /// Age of each frame in milliseconds.
    pub ages: Vec<f64>,
    /// Frames with another time than the previous one.
    pub readable: usize,
    /// Frames without a readable time.
    pub unreadable: usize,
}

impl ClockReadings {
    /// Checks that the time of most frames was readable.
    ///
    /// # Errors
    ///
    /// Returns an error when it was not.
    pub fn ensure_readable(&self, name: &str) -> Result<()> {
        ensure!(
            self.readable >= 5,
            "{name}: the clock was readable in {} frames only, and unreadable in {}",
            self.readable,
            self.unreadable
        );
        ensure!(
            self.unreadable * 10 < self.readable,
            "{name}: the clock was unreadable in {} of {} frames",
            self.unreadable,
            self.readable + self.unreadable
        );
        Ok(())
    }
}

/// Installs the video clock's script. Once for each load of the page, before a call.
///
/// # Errors
///
/// Returns an error when the script fails.
pub async fn prepare(page: &TestPage, camera: BenchCamera) -> Result<()> {
    page.inject(CLOCK_SCRIPT).await.with_context(|| format!("{}: the clock", page.name()))?;
    match camera {
        BenchCamera::Clock => page.run("window.__bench.camera(); return null").await,
        BenchCamera::BrowserFake => Ok(()),
    }
}

/// Switches rendering of the call's videos on or off.
///
/// # Errors
///
/// Returns an error when the script fails.
pub async fn set_rendering(page: &TestPage, rendering: VideoRendering) -> Result<()> {
    page.run(&format!("window.__bench.setRendering({}); return null", rendering == VideoRendering::On)).await
}

/// Media sent in the page's call so far.
///
/// # Errors
///
/// Returns an error when the script fails.
pub async fn sent_totals(page: &TestPage) -> Result<SentTotals> {
    page.run("return await window.__bench.sentTotals()").await
}

/// Frames presented so far.
///
/// # Errors
///
/// Returns an error when the script fails.
pub async fn presented_frames(page: &TestPage) -> Result<f64> {
    page.run("return window.__bench.frames").await
}

/// Width and height of the received video.
///
/// # Errors
///
/// Returns an error when the script fails.
pub async fn video_size(page: &TestPage) -> Result<[u32; 2]> {
    page.run("return window.__bench.videoSize()").await
}

/// Time of each call's first frame, in milliseconds.
///
/// # Errors
///
/// Returns an error when the script fails.
pub async fn first_frame_times(page: &TestPage) -> Result<Vec<f64>> {
    page.run("return window.__bench.firstFrames").await
}

/// Starts to read the other side's clock.
///
/// # Errors
///
/// Returns an error when the script fails.
pub async fn start_reading(page: &TestPage) -> Result<()> {
    page.run("window.__bench.startReading(); return null").await
}

/// Stops reading the other side's clock and returns the readings.
///
/// # Errors
///
/// Returns an error when the script fails.
pub async fn stop_reading(page: &TestPage) -> Result<ClockReadings> {
    page.run("return window.__bench.stopReading()").await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hutong_e2e::{BrowserOptions, TestEnv, TestResult, scenario, statistics::min_median_max};

    use super::*;

    /// Opens a page that plays its own camera in place of the remote video, in `window.video`.
    async fn open_mirror_page(env: &mut TestEnv) -> Result<TestPage> {
        let page = env.new_page("clock", &BrowserOptions::default()).await?;
        prepare(&page, BenchCamera::Clock).await?;
        let show = "const video = document.createElement('video');
            video.dataset.testid = 'remote-video';
            document.body.append(video);
            Object.assign(video, { muted: true, srcObject: window.__bench.stream });
            await video.play();
            window.video = video; return null";
        page.run::<()>(show).await?;
        Ok(page)
    }

    /// The page's own camera, first with the true clock and then with one that is 250 ms behind.
    #[tokio::test]
    #[ignore = "needs Chromium"]
    async fn a_clock_250_ms_behind_is_read_as_250_ms_older_frames() -> TestResult {
        scenario("bench_clock", async |env| {
            let page = open_mirror_page(env).await?;
            let mut medians = Vec::new();
            for shift in [0, 250] {
                page.run::<()>(&format!("window.__bench.shift = {shift}; return null")).await?;
                let enough = "return window.__bench.readable > 60";
                // Discard the frames drawn with the previous shift.
                start_reading(&page).await?;
                page.wait_until("readable frames", Duration::from_secs(10), "return window.__bench.readable > 10")
                    .await?;
                start_reading(&page).await?;
                page.wait_until("readable frames", Duration::from_secs(10), enough).await?;
                let read = stop_reading(&page).await?;
                read.ensure_readable("clock")?;
                medians.push(min_median_max(&read.ages).context("ages")?.1);
            }
            let [unshifted, shifted] = medians[..] else { return Ok(()) };
            ensure!(unshifted < 200.0, "{unshifted} ms within the page itself");
            ensure!(
                (shifted - unshifted - 250.0).abs() < 60.0,
                "{shifted} ms with a clock 250 ms behind, {unshifted} ms without"
            );
            Ok(())
        })
        .await
    }

    /// A hidden video is still decoded and played.
    #[tokio::test]
    #[ignore = "needs Chromium"]
    async fn videos_that_are_not_rendered_are_still_played() -> TestResult {
        scenario("bench_unrendered", async |env| {
            let page = open_mirror_page(env).await?;
            let is_rendered = "return window.video.getClientRects().length === 1";
            let frames = "return window.video.getVideoPlaybackQuality().totalVideoFrames";
            ensure!(page.run::<bool>(is_rendered).await?, "not rendered at the start");
            set_rendering(&page, VideoRendering::Off).await?;
            ensure!(!page.run::<bool>(is_rendered).await?, "still rendered");
            let before: f64 = page.run(frames).await?;
            page.wait_until(
                "frames that are not rendered",
                Duration::from_secs(10),
                &format!("{frames} > {}", before + 10.0),
            )
            .await?;
            set_rendering(&page, VideoRendering::On).await?;
            ensure!(page.run::<bool>(is_rendered).await?, "not rendered again");
            Ok(())
        })
        .await
    }
}
