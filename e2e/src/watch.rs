//! What is seen and heard of the other side, measured at the video element (`watch.js`): the same way in a browser and in the
//! app's webview, whatever brings picture and sound there.
//!
//! **Picture.** Frames are counted as the element presents them (`requestVideoFrameCallback`, W3C WICG video-rvfc); each is
//! copied to 32 x 24 pixels, and its sum says whether it differs from the last one. So a picture that is presented again and
//! again without changing is found too. In a hidden page nothing is presented, and the element is looked at every 50 ms, or as
//! often as the page's timers run.
//!
//! **Sound.** The element's tracks go through WebAudio analysers, which remember the last 2.7 s, so that a busy page misses
//! nothing; what it does miss is told ([`Seen::unseen`]). Blocks of 10 ms under -60 dB are silence, and the longest run of them
//! is the longest gap. That says something only of a voice that itself has no pauses: [`crate::voice`].

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::{Context, Page, Result, ensure};

const WATCH: &str = include_str!("watch.js");

/// What was seen and heard since [`Page::watch`] or [`Page::watch_anew`]. Times are in milliseconds.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// When; comparable between pages of one machine.
    pub at: f64,
    /// Since when.
    pub since: f64,
    /// Whether the page was visible at the end.
    pub visible: bool,
    /// Frames that the element presented.
    pub frames: u64,
    /// Frames that the element has had since it was made, as the browser counts them; 0 where it does not.
    pub decoded: u64,
    /// The longest time without a frame presented. Means nothing in a hidden page.
    pub longest_freeze: f64,
    /// Pictures that differed from the one before.
    pub changes: u64,
    /// When the first of them came, after `since`.
    pub first_change: Option<f64>,
    /// The longest time without a picture that differed.
    pub longest_still: f64,
    /// Pictures looked at.
    pub looks: u64,
    /// Those of them that were all but black.
    pub black: u64,
    /// The last picture's brightness, from 0 to 255.
    pub luma: f64,
    /// The standard deviation of its pixels' brightness: 0 for a single colour.
    pub spread: f64,
    /// Its width in pixels.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
    /// Whether there was a sound track at the end, and it was listened to.
    pub listening: bool,
    /// How much sound was measured.
    pub heard: f64,
    /// How much sound went by unmeasured because the page was too busy.
    pub unseen: f64,
    /// The energy of the sound: its square, of full scale 1, times seconds.
    pub energy: f64,
    /// How much had been heard when the first sound came.
    pub first_sound: Option<f64>,
    /// How much of it was silence.
    pub silent: f64,
    /// The longest silence.
    pub longest_gap: f64,
    /// How much had been heard when that ended.
    pub gap_at: f64,
    /// When sound began after at least 100 ms of silence, on a clock of the sound itself.
    pub onsets: Vec<f64>,
}

impl Seen {
    /// How long it was watched, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        (self.at - self.since) / 1000.0
    }

    /// Frames presented in a second.
    #[must_use]
    pub fn frame_rate(&self) -> f64 {
        self.frames as f64 / self.seconds()
    }

    /// The sound's mean level, root mean square, of full scale 1.
    #[must_use]
    pub fn level(&self) -> f64 {
        if self.heard > 0.0 { (self.energy * 1000.0 / self.heard).sqrt() } else { 0.0 }
    }

    /// In a line.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "{:.1} s: {}x{}, {} frames ({:.1}/s), {} changes, frozen {:.0} ms at most, still {:.0} ms, luma {:.0} +- {:.0}, \
             {} of {} black; sound {:.1} s at {:.4}, silent {:.0} ms, gap {:.0} ms at most (after {:.1} s), unseen {:.0} ms",
            self.seconds(),
            self.width,
            self.height,
            self.frames,
            self.frame_rate(),
            self.changes,
            self.longest_freeze,
            self.longest_still,
            self.luma,
            self.spread,
            self.black,
            self.looks,
            self.heard / 1000.0,
            self.level(),
            self.silent,
            self.longest_gap,
            self.gap_at / 1000.0,
            self.unseen,
        )
    }

    /// Checks that a picture was there all the time: frames, of more than one colour, that changed at least this often.
    ///
    /// # Errors
    ///
    /// When it was not.
    pub fn ensure_picture(&self, who: &str, longest_still: Duration) -> Result<()> {
        let limit = longest_still.as_secs_f64() * 1000.0;
        let all = || format!("{who}: {}", self.summary());
        ensure!(!self.visible || self.frames > 0, "no frames. {}", all());
        ensure!(self.changes > 1, "the picture does not change. {}", all());
        ensure!(self.longest_still <= limit, "the picture stood still for more than {limit:.0} ms. {}", all());
        ensure!(self.black * 20 <= self.looks, "the picture was black. {}", all());
        ensure!(self.spread > 4.0, "the picture is of a single colour. {}", all());
        Ok(())
    }

    /// Checks that a voice without pauses was heard all the time, with no gap longer than this.
    ///
    /// # Errors
    ///
    /// When it was not, or too little of it was measured to tell.
    pub fn ensure_voice(&self, who: &str, longest_gap: Duration) -> Result<()> {
        let limit = longest_gap.as_secs_f64() * 1000.0;
        let all = || format!("{who}: {}", self.summary());
        ensure!(self.listening, "there is no sound track. {}", all());
        ensure!(self.level() > 2e-3, "there is hardly any sound. {}", all());
        ensure!(self.longest_gap <= limit, "the voice stopped for more than {limit:.0} ms. {}", all());
        let share = self.heard / (self.at - self.since);
        ensure!(share > 0.8, "only {:.0} % of the time was heard. {}", share * 100.0, all());
        Ok(())
    }

    /// Checks that nothing was heard.
    ///
    /// # Errors
    ///
    /// When something was, or it was not listened to.
    pub fn ensure_silence(&self, who: &str) -> Result<()> {
        ensure!(self.heard > 500.0, "{who}: too little was listened to. {}", self.summary());
        ensure!(self.heard - self.silent <= 20.0, "{who}: something was heard. {}", self.summary());
        Ok(())
    }
}

impl Page {
    /// Begins to watch what comes from the other side, now or in any later call. Once for each load of the page.
    ///
    /// # Errors
    ///
    /// When the page does not run the script.
    pub async fn watch(&self) -> Result<()> {
        self.driver().execute(WATCH, Vec::new()).await.with_context(|| format!("{}: watching", self.name()))?;
        self.watch_anew().await
    }

    /// Forgets what was seen and heard so far.
    ///
    /// # Errors
    ///
    /// When the page is not watched.
    pub async fn watch_anew(&self) -> Result<()> {
        self.run("window.__watch.anew(); return null").await
    }

    /// What was seen and heard so far.
    ///
    /// # Errors
    ///
    /// When the page is not watched.
    pub async fn seen(&self) -> Result<Seen> {
        self.run("return window.__watch.seen()").await
    }

    /// What was seen and heard, once it was watched for this long.
    ///
    /// # Errors
    ///
    /// When the page is not watched, or does not answer.
    pub async fn seen_for(&self, time: Duration) -> Result<Seen> {
        // To ask again and again what was seen would be work for the page that is measured.
        let script =
            format!("return window.__watch.lasted() >= {} && window.__watch.seen()", time.as_secs_f64() * 1000.0);
        let seen = self.until_some("time to pass", time + Duration::from_secs(10), &script).await?;
        serde_json::from_value(seen).with_context(|| format!("{}: what was seen", self.name()))
    }

    /// Waits until a picture and a sound have come since the watch began, and begins the watch anew.
    ///
    /// # Errors
    ///
    /// When they have not by then.
    pub async fn sees_and_hears(&self, limit: Duration) -> Result<()> {
        self.comes("picture and sound", limit, "it.changes > 5 && it.spread > 4 && it.energy > 1e-6").await
    }

    /// Waits until a sound has come since the watch began, and begins the watch anew.
    ///
    /// # Errors
    ///
    /// When it has not by then.
    pub async fn hears(&self, limit: Duration) -> Result<()> {
        self.comes("sound", limit, "it.energy > 1e-6").await
    }

    /// Waits for two seconds of voice with no longer gap than this. An echo canceller that does not know the room yet holds back
    /// whoever speaks while the other does, and here both speak from the first moment on; so the first seconds are no measure of
    /// what carries the voice.
    ///
    /// # Errors
    ///
    /// When there are none within 20 s.
    pub async fn hears_steadily(&self, gap: Duration) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            self.watch_anew().await?;
            let seen = self.seen_for(Duration::from_secs(2)).await?;
            match seen.ensure_voice(self.name(), gap) {
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => {}
                Ok(()) => return Ok(()),
            }
        }
    }

    async fn comes(&self, what: &str, limit: Duration, condition: &str) -> Result<()> {
        let outcome = self.until(what, limit, &format!("const it = window.__watch.seen(); return {condition}")).await;
        if outcome.is_err() {
            let seen = self.seen().await.map(|seen| seen.summary());
            return outcome.with_context(|| format!("{}: {}", self.name(), seen.unwrap_or_default()));
        }
        self.watch_anew().await
    }
}
