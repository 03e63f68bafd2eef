//! A page that is measured: a camera with a clock in its picture, and what of it is read on the other side (`clock.js`).
//!
//! The clock is the machine's (`Date.now()`), written as black and white blocks with a checksum 30 times a second, by a timer of the
//! page, into a canvas of 640 x 480 pixels that is its camera. How old a picture is when the other side's video element presents
//! it (`requestVideoFrameCallback`, W3C WICG video-rvfc) is glass to glass but for the two panes: neither what a camera needs to
//! expose, nor what a screen needs to light up, is in it.

use hutong_e2e::{Context, Page, Result, ensure};
use serde::Deserialize;

const CLOCK: &str = include_str!("clock.js");

/// What a page's camera is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Camera {
    /// The clock, drawn into a canvas.
    Clock,
    /// The browser's own fake.
    Fake,
}

/// Whether a page draws its call's pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawing {
    /// As ever.
    On,
    /// They are decoded and played, and not drawn.
    Off,
}

/// What a page has sent and received.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Flow {
    /// When, in milliseconds.
    pub at: f64,
    /// Bytes of payload sent, of picture and voice.
    pub sent: f64,
    /// What the encoder of the picture is to make, in bits a second; 0 where that is not told.
    pub target: f64,
}

/// What was read of the other side's clock.
#[derive(Clone, Debug, Deserialize)]
pub struct Read {
    /// How old each picture was, in milliseconds.
    pub latencies: Vec<f64>,
    /// Pictures with another time than the one before.
    pub values: usize,
    /// Pictures without a readable time.
    pub unread: usize,
}

impl Read {
    /// Checks that most pictures had a time that could be read.
    ///
    /// # Errors
    ///
    /// When they had not.
    pub fn ensure_readable(&self, who: &str) -> Result<()> {
        ensure!(self.values >= 5, "{who}: only {} pictures with a clock, {} without", self.values, self.unread);
        ensure!(self.unread * 10 < self.values, "{who}: {} of {} unreadable", self.unread, self.values + self.unread);
        Ok(())
    }
}

/// Makes this page ready to be measured. Once for each load of the page, before a call.
///
/// # Errors
///
/// When it does not run the script.
pub async fn prepare(page: &Page, camera: Camera) -> Result<()> {
    page.driver().execute(CLOCK, Vec::new()).await.with_context(|| format!("{}: the clock", page.name()))?;
    match camera {
        Camera::Clock => page.run("window.__bench.camera(); return null").await,
        Camera::Fake => Ok(()),
    }
}

/// Has the page draw its call's pictures from now on, or not.
///
/// # Errors
///
/// When it does not run the script.
pub async fn draw(page: &Page, drawing: Drawing) -> Result<()> {
    page.run(&format!("window.__bench.draw({}); return null", drawing == Drawing::On)).await
}

/// What it has sent and received in its call.
///
/// # Errors
///
/// When it does not tell.
pub async fn flow(page: &Page) -> Result<Flow> {
    page.run("return await window.__bench.flow()").await
}

/// Frames presented so far.
///
/// # Errors
///
/// When it does not tell.
pub async fn frames(page: &Page) -> Result<f64> {
    page.run("return window.__bench.frames").await
}

/// The width and height of the picture received.
///
/// # Errors
///
/// When it does not tell.
pub async fn size(page: &Page) -> Result<[u32; 2]> {
    page.run("return window.__bench.size()").await
}

/// When each call's first picture was there, in milliseconds.
///
/// # Errors
///
/// When it does not tell.
pub async fn firsts(page: &Page) -> Result<Vec<f64>> {
    page.run("return window.__bench.firsts").await
}

/// Begins to read the other side's clock.
///
/// # Errors
///
/// When it does not.
pub async fn start(page: &Page) -> Result<()> {
    page.run("window.__bench.start(); return null").await
}

/// Ends reading the other side's clock.
///
/// # Errors
///
/// When it does not tell.
pub async fn stop(page: &Page) -> Result<Read> {
    page.run("return window.__bench.stop()").await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hutong_e2e::{Outcome, Profile, World, media::spread, scenario};

    use super::*;

    /// A page that shows its own camera as it would the other side's, in `window.video`.
    async fn showing_itself(world: &mut World) -> Result<Page> {
        let page = world.page("clock", &Profile::default()).await?;
        prepare(&page, Camera::Clock).await?;
        let show = "const video = document.createElement('video');
            video.dataset.testid = 'remote-video';
            document.body.append(video);
            Object.assign(video, { muted: true, srcObject: window.__bench.stream });
            await video.play();
            window.video = video; return null";
        page.run::<()>(show).await?;
        Ok(page)
    }

    /// The camera shown in its own page, and then with a clock that is a quarter of a second behind.
    #[tokio::test]
    #[ignore = "needs Chromium"]
    async fn a_picture_that_is_later_is_read_as_later() -> Outcome {
        scenario("bench_clock", async |world| {
            let page = showing_itself(world).await?;
            let mut medians = Vec::new();
            for shift in [0, 250] {
                page.run::<()>(&format!("window.__bench.shift = {shift}; return null")).await?;
                let enough = "return window.__bench.values > 60";
                // The first ones are of before.
                start(&page).await?;
                page.until("pictures", Duration::from_secs(10), "return window.__bench.values > 10").await?;
                start(&page).await?;
                page.until("pictures", Duration::from_secs(10), enough).await?;
                let read = stop(&page).await?;
                read.ensure_readable("clock")?;
                medians.push(spread(&read.latencies).context("latencies")?.1);
            }
            let [now, then] = medians[..] else { return Ok(()) };
            ensure!(now < 200.0, "{now} ms in the page itself");
            ensure!((then - now - 250.0).abs() < 60.0, "{then} ms, after {now} ms, with a clock 250 ms behind");
            Ok(())
        })
        .await
    }

    /// A picture that is hidden is still played.
    #[tokio::test]
    #[ignore = "needs Chromium"]
    async fn what_is_not_drawn_is_played() -> Outcome {
        scenario("bench_undrawn", async |world| {
            let page = showing_itself(world).await?;
            let drawn = "return window.video.getClientRects().length === 1";
            let frames = "return window.video.getVideoPlaybackQuality().totalVideoFrames";
            ensure!(page.run::<bool>(drawn).await?, "not drawn from the start");
            draw(&page, Drawing::Off).await?;
            ensure!(!page.run::<bool>(drawn).await?, "still drawn");
            let before: f64 = page.run(frames).await?;
            page.until("frames that nobody sees", Duration::from_secs(10), &format!("{frames} > {}", before + 10.0))
                .await?;
            draw(&page, Drawing::On).await?;
            ensure!(page.run::<bool>(drawn).await?, "not drawn again");
            Ok(())
        })
        .await
    }
}
