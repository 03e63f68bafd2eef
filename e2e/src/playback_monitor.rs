//! Playback monitor (`playback_monitor.js`): measures the remote side's video and audio at the video element, the same
//! way in a browser and in the app's webview.
//!
//! **Video.** Presented frames are counted (`requestVideoFrameCallback`, W3C WICG video-rvfc). A copy of 32 x 24 pixels
//! is hashed every 150 ms, so that frames of an unchanged image count as a freeze. A hidden page presents nothing;
//! there the element is inspected every 50 ms, or as often as the page's timers run.
//!
//! **Audio.** The element's tracks go through `WebAudio` analysers whose buffers hold the last 2.7 s, so that a busy page
//! misses nothing; [`PlaybackReport::audio_missed`] is what it did miss. Blocks of 10 ms below -60 dB are silence, and
//! the longest run of them is the longest gap. A gap means something only with a source without pauses:
//! [`crate::synthetic_media`].

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::{Context, Result, TestPage, ensure};

const PLAYBACK_MONITOR: &str = include_str!("playback_monitor.js");

/// Video and audio measured since [`TestPage::start_playback_monitor`] or [`TestPage::reset_playback_monitor`]. Times
/// are in milliseconds.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaybackReport {
    /// Time of the report; comparable between pages of one machine.
    pub at: f64,
    /// Time at which measuring began.
    pub started_at: f64,
    /// Whether the page was visible at the end.
    pub visible: bool,
    /// Presented frames.
    pub frames: u64,
    /// `totalVideoFrames` of the element since it was created; 0 where the browser has no such count.
    pub decoded_frames: u64,
    /// Longest time without a presented frame. Meaningless in a hidden page.
    pub longest_freeze: f64,
    /// Inspected frames whose image differed from the one before.
    pub content_changes: u64,
    /// Time from the start to the first of them.
    pub first_content_change: Option<f64>,
    /// Longest time without a changed image.
    pub longest_unchanged: f64,
    /// Inspected frames.
    pub inspected_frames: u64,
    /// Those of them that were black.
    pub black_frames: u64,
    /// Mean luma of the last inspected frame, from 0 to 255.
    pub luma: f64,
    /// Standard deviation of its luma: 0 for a single colour.
    pub luma_deviation: f64,
    /// Video width in pixels.
    pub width: u32,
    /// Video height in pixels.
    pub height: u32,
    /// Whether an audio track was measured at the end.
    pub has_audio: bool,
    /// Measured audio.
    pub audio_measured: f64,
    /// Audio that passed unmeasured because the page was too busy.
    pub audio_missed: f64,
    /// Audio energy: squared level, of full scale 1, times seconds.
    pub audio_energy: f64,
    /// Measured audio before the first audible block.
    pub first_audio: Option<f64>,
    /// Total silence in the measured audio.
    pub silence: f64,
    /// Longest silence.
    pub longest_gap: f64,
    /// Measured audio at the end of the longest silence.
    pub gap_end: f64,
    /// Positions at which audio began after at least 100 ms of silence, on the audio track's clock.
    pub onsets: Vec<f64>,
}

impl PlaybackReport {
    /// Measured time, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        (self.at - self.started_at) / 1000.0
    }

    /// Presented frames a second.
    #[must_use]
    pub fn frame_rate(&self) -> f64 {
        self.frames as f64 / self.seconds()
    }

    /// Mean audio level, root mean square of full scale 1.
    #[must_use]
    pub fn level(&self) -> f64 {
        if self.audio_measured > 0.0 { (self.audio_energy * 1000.0 / self.audio_measured).sqrt() } else { 0.0 }
    }

    /// One-line summary for logs.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "{:.1} s: {}x{}, {} frames ({:.1}/s), {} changes, longest freeze {:.0} ms, longest unchanged {:.0} ms, luma {:.0} +- {:.0}, \
             {} of {} black; audio {:.1} s at level {:.4}, silence {:.0} ms, longest gap {:.0} ms (ended at {:.1} s), missed {:.0} ms",
            self.seconds(),
            self.width,
            self.height,
            self.frames,
            self.frame_rate(),
            self.content_changes,
            self.longest_freeze,
            self.longest_unchanged,
            self.luma,
            self.luma_deviation,
            self.black_frames,
            self.inspected_frames,
            self.audio_measured / 1000.0,
            self.level(),
            self.silence,
            self.longest_gap,
            self.gap_end / 1000.0,
            self.audio_missed,
        )
    }

    /// Checks for live video all the time: frames of more than one colour whose image changed at least this often.
    ///
    /// # Errors
    ///
    /// Returns an error with the summary when it was not.
    pub fn ensure_video(&self, name: &str, longest_still: Duration) -> Result<()> {
        let limit = longest_still.as_secs_f64() * 1000.0;
        let context = || format!("{name}: {}", self.summary());
        ensure!(!self.visible || self.frames > 0, "no video frames. {}", context());
        ensure!(self.content_changes > 1, "the image does not change. {}", context());
        ensure!(self.longest_unchanged <= limit, "the image was unchanged for more than {limit:.0} ms. {}", context());
        ensure!(self.black_frames * 20 <= self.inspected_frames, "the video was black. {}", context());
        ensure!(self.luma_deviation > 4.0, "the video is of a single colour. {}", context());
        Ok(())
    }

    /// Checks that a source without pauses was audible all the time, with no gap longer than this.
    ///
    /// # Errors
    ///
    /// Returns an error with the summary when it was not, or less than 80 % of the time was measured.
    pub fn ensure_audio(&self, name: &str, longest_gap: Duration) -> Result<()> {
        let limit = longest_gap.as_secs_f64() * 1000.0;
        let context = || format!("{name}: {}", self.summary());
        ensure!(self.has_audio, "there is no audio track. {}", context());
        ensure!(self.level() > 2e-3, "the audio is all but silent. {}", context());
        ensure!(self.longest_gap <= limit, "the audio has a gap of more than {limit:.0} ms. {}", context());
        let share = self.audio_measured / (self.at - self.started_at);
        ensure!(share > 0.8, "only {:.0} % of the audio was measured. {}", share * 100.0, context());
        Ok(())
    }

    /// Checks that all measured audio was silent.
    ///
    /// # Errors
    ///
    /// Returns an error with the summary when it was not, or less than 0.5 s was measured.
    pub fn ensure_silence(&self, name: &str) -> Result<()> {
        ensure!(self.audio_measured > 500.0, "{name}: too little audio was measured. {}", self.summary());
        ensure!(self.audio_measured - self.silence <= 20.0, "{name}: the audio is not silent. {}", self.summary());
        Ok(())
    }
}

impl TestPage {
    /// Starts to measure the remote side's media, in this call or any later one. Once for each load of the page.
    ///
    /// # Errors
    ///
    /// Returns an error when the script fails.
    pub async fn start_playback_monitor(&self) -> Result<()> {
        self.inject(PLAYBACK_MONITOR).await?;
        self.reset_playback_monitor().await
    }

    /// Discards what was measured so far.
    ///
    /// # Errors
    ///
    /// Returns an error when the monitor is not started.
    pub async fn reset_playback_monitor(&self) -> Result<()> {
        self.run("window.__playbackMonitor.reset(); return null").await
    }

    /// Video and audio measured so far.
    ///
    /// # Errors
    ///
    /// Returns an error when the monitor is not started.
    pub async fn playback_report(&self) -> Result<PlaybackReport> {
        self.run("return window.__playbackMonitor.report()").await
    }

    /// Waits until so much time is measured and returns the report.
    ///
    /// # Errors
    ///
    /// Returns an error when the monitor is not started, or does not answer.
    pub async fn playback_report_after(&self, time: Duration) -> Result<PlaybackReport> {
        // Polling the whole report would be work for the page under measurement.
        let script = format!(
            "return window.__playbackMonitor.elapsed() >= {} && window.__playbackMonitor.report()",
            time.as_secs_f64() * 1000.0
        );
        let report = self.wait_for_value("time to pass", time + Duration::from_secs(10), &script).await?;
        serde_json::from_value(report).with_context(|| format!("{}: playback report", self.name()))
    }

    /// Waits for live video and audio since the last reset, and resets the monitor.
    ///
    /// # Errors
    ///
    /// Returns an error with the summary when the limit passes.
    pub async fn wait_for_video_and_audio(&self, limit: Duration) -> Result<()> {
        self.wait_for_playback(
            "video and audio",
            limit,
            "it.contentChanges > 5 && it.lumaDeviation > 4 && it.audioEnergy > 1e-6",
        )
        .await
    }

    /// Waits for audio since the last reset, and resets the monitor.
    ///
    /// # Errors
    ///
    /// Returns an error with the summary when the limit passes.
    pub async fn wait_for_audio(&self, limit: Duration) -> Result<()> {
        self.wait_for_playback("audio", limit, "it.audioEnergy > 1e-6").await
    }

    /// Waits for two seconds of audio with no longer gap than this. While an echo canceller adapts to the room, it
    /// attenuates one side as long as the other speaks, and here both speak all the time: the first seconds say nothing
    /// about the transport.
    ///
    /// # Errors
    ///
    /// Returns an error when there are none within 20 s.
    pub async fn wait_for_steady_audio(&self, gap: Duration) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            self.reset_playback_monitor().await?;
            let report = self.playback_report_after(Duration::from_secs(2)).await?;
            match report.ensure_audio(self.name(), gap) {
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => {}
                Ok(()) => return Ok(()),
            }
        }
    }

    async fn wait_for_playback(&self, expectation: &str, limit: Duration, condition: &str) -> Result<()> {
        let outcome = self
            .wait_until(
                expectation,
                limit,
                &format!("const it = window.__playbackMonitor.report(); return {condition}"),
            )
            .await;
        if outcome.is_err() {
            let report = self.playback_report().await.map(|report| report.summary());
            return outcome.with_context(|| format!("{}: {}", self.name(), report.unwrap_or_default()));
        }
        self.reset_playback_monitor().await
    }
}
