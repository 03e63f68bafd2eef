//! The worker that encodes and decodes the app's picture (`ui/static/native-picture.js`), by itself in the app's webview.

use std::{rc::Rc, time::Duration};

use hutong_e2e::{Desktop, Outcome, Page, Result, Setup, World, desktop::Mock, ensure, page::SOON, scenario};

/// How long a camera has been on before it is switched off: what its frames' timestamps have grown by.
const ON: Duration = Duration::from_secs(5);

/// How soon frames are to come of a camera that is on.
const AT_ONCE: Duration = Duration::from_secs(2);

/// An app with a camera, and the worker running in its page.
async fn start(world: &mut World) -> Result<Rc<Desktop>> {
    let app = world.desktop_with("Ana", &Setup { devices: Mock::On, ..Setup::default() }).await?;
    let script = r#"
        const made = { frames: [], failed: [], ages: [] };
        const now = () => performance.timeOrigin + performance.now();
        const worker = new Worker(document.querySelector("meta[name=hutong-native-picture]").content);
        worker.onmessage = ({ data }) => {
            if (data.type === "frame") {
                const at = now();
                made.frames.push({ at, timestamp: data.timestamp / 1000, keyframe: data.keyframe });
                if (data.keyframe && made.next) made.next(data.buffer);
            } else if (data.type === "track") {
                made.track = data.track;
            } else if (data.type === "failed") {
                made.failed.push(data.reason);
            }
        };
        worker.postMessage({ type: "begin", header: 0 });
        window.__picture = {
            made,
            on() {
                navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720 } }).then((stream) => {
                    const [track] = stream.getVideoTracks();
                    this.camera = track;
                    const own = track.clone();
                    worker.postMessage({ type: "track", track: own }, [own]);
                }, (error) => made.failed.push(String(error)));
            },
            off() {
                worker.postMessage({ type: "track", track: null });
                this.camera.stop();
            },
            anew() {
                made.frames = [];
            },
            // Gives frames of a camera that is new each time by hand, without a word that it is another.
            async film() {
                if (this.camera) this.camera.stop();
                clearInterval(this.filming);
                const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 320, height: 180 } });
                [this.camera] = stream.getVideoTracks();
                const video = document.createElement("video");
                video.muted = true;
                video.srcObject = stream;
                await video.play();
                this.filming = setInterval(() => {
                    const frame = new VideoFrame(video, { timestamp: performance.now() * 1000 });
                    worker.postMessage({ type: "captured", frame }, [frame]);
                }, 33);
            },
            // Has keyframes come back as the other side's, each captured now, while the voice that is heard was `late` ms ago, and
            // notes how many milliseconds later each was shown.
            async show(late, count) {
                const video = document.createElement("video");
                Object.assign(video, { muted: true, srcObject: new MediaStream([made.track]) });
                document.body.append(video);
                const playing = video.play();
                for (let turn = 0; turn < count; turn += 1) {
                    const coming = new Promise((done) => { made.next = done; });
                    worker.postMessage({ type: "keyframe" });
                    const buffer = await coming;
                    const shown = new Promise((done) => video.requestVideoFrameCallback(done));
                    const at = now();
                    worker.postMessage({ type: "playing", captured: (at - late) * 1000, at });
                    const times = { timestamp: turn * 1e6, captured: at * 1000 };
                    worker.postMessage({ type: "frame", buffer, keyframe: true, ...times }, [buffer]);
                    await shown;
                    made.ages.push(now() - at);
                }
                await playing;
            },
        };
        return null"#;
    app.page().run::<()>(script).await?;
    Ok(app)
}

/// Waits until frames have come for this long.
async fn gives(page: &Page, time: Duration) -> Result<()> {
    let long = "const of = window.__picture.made.frames; return of.length > 1 && of.at(-1).at - of[0].at >";
    page.until("some time of frames", SOON + time, &format!("{long} {}", time.as_millis())).await
}

/// How many milliseconds after the moment of capture that they tell the last frames came, at most.
async fn oldest(page: &Page, last: usize) -> Result<f64> {
    let frames = format!("window.__picture.made.frames.slice(-{last})");
    page.run(&format!("return Math.max(...{frames}.map(({{ at, timestamp }}) => at - timestamp))")).await
}

#[tokio::test]
async fn a_camera_that_is_switched_on_again_is_seen_at_once() -> Outcome {
    scenario("native_picture_again", async |world| {
        let app = start(world).await?;
        let page = app.page();
        page.run::<()>("window.__picture.on(); return null").await?;
        gives(page, ON).await?;

        page.run::<()>("window.__picture.off(); window.__picture.anew(); window.__picture.on(); return null").await?;
        page.until(
            "a keyframe of the camera that is on again",
            AT_ONCE,
            "return window.__picture.made.frames.some(({ keyframe }) => keyframe)",
        )
        .await?;
        page.run::<()>("window.__picture.anew(); return null").await?;
        page.until("frames after it", AT_ONCE, "return window.__picture.made.frames.length > 10").await?;
        // What is told to the other side as the moment of capture is just past: by it voice and picture are kept together.
        let oldest = oldest(page, 10).await?;
        println!("frames came {oldest:.0} ms after they were captured, at most");
        ensure!(oldest < 1000.0, "a frame's timestamp is {oldest:.0} ms old");
        let failed: Vec<String> = page.run("return window.__picture.made.failed").await?;
        ensure!(failed.is_empty(), "{failed:?}");
        Ok(())
    })
    .await
}

/// The encoder drops fewer than those by which it is known to give nothing.
#[tokio::test]
async fn frames_after_dropped_ones_are_told_with_their_own_times() -> Outcome {
    scenario("native_picture_dropped", async |world| {
        let app = start(world).await?;
        let page = app.page();
        page.run::<()>("await window.__picture.film(); return null").await?;
        gives(page, Duration::from_millis(500)).await?;
        page.run::<()>("await window.__picture.film(); window.__picture.anew(); return null").await?;
        page.until("frames", SOON, "return window.__picture.made.frames.length > 90").await?;
        let oldest = oldest(page, 20).await?;
        println!("frames came {oldest:.0} ms after they were captured, at most");
        ensure!(oldest < 250.0, "a frame's timestamp is {oldest:.0} ms old");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_camera_whose_clock_goes_back_is_seen_again_soon() -> Outcome {
    scenario("native_picture_clock", async |world| {
        let app = start(world).await?;
        let page = app.page();
        page.run::<()>("await window.__picture.film(); return null").await?;
        gives(page, ON).await?;
        page.run::<()>("await window.__picture.film(); window.__picture.anew(); return null").await?;
        // Whether this webview's encoder drops such frames is its own affair; that they are missed is told once at most.
        page.until(
            "frames of the clock that went back",
            2 * AT_ONCE,
            "return window.__picture.made.frames.length > 10",
        )
        .await?;
        let oldest = oldest(page, 5).await?;
        ensure!(oldest < 1000.0, "a frame's timestamp is {oldest:.0} ms old");
        let failed: Vec<String> = page.run("return window.__picture.made.failed").await?;
        println!("told: {failed:?}");
        ensure!(failed.len() <= 1, "{failed:?}");
        Ok(())
    })
    .await
}

/// A picture need not wait until its voice is heard to the millisecond: each wait is one that those who talk feel.
#[tokio::test]
async fn a_picture_is_shown_a_little_before_its_voice() -> Outcome {
    /// How late the voice is.
    const VOICE_MS: f64 = 300.0;
    /// By how much the picture may be ahead of it (EBU R 37: the sound may be 60 ms late), and by how much it may be shown earlier
    /// than that, since clocks in WebKit have steps of a millisecond.
    const AHEAD_MS: f64 = 40.0;
    const STEPS_MS: f64 = 5.0;
    const PICTURES: usize = 12;
    scenario("native_picture_voice", async |world| {
        let app = start(world).await?;
        let page = app.page();
        page.run::<()>("await window.__picture.film(); return null").await?;
        // The page empties itself when it starts.
        let ready = "return window.__picture.made.track && !document.querySelector('.boot')";
        page.until("the page, and the other side's track", SOON, ready).await?;
        let show = format!("window.__picture.show({VOICE_MS}, {PICTURES})");
        page.run::<()>(&format!(
            "{show}.catch((error) => window.__picture.made.failed.push(String(error))); return null"
        ))
        .await?;
        let all = "const { ages, failed } = window.__picture.made; return failed.length > 0 || ages.length ===";
        page.until("pictures", SOON, &format!("{all} {PICTURES}")).await?;
        let failed: Vec<String> = page.run("return window.__picture.made.failed").await?;
        ensure!(failed.is_empty(), "{failed:?}");
        let ages: Vec<f64> = page.run("return window.__picture.made.ages").await?;
        println!("shown after {ages:.0?} ms");
        // The first also waits for the video element.
        let earliest = ages.iter().skip(1).copied().fold(f64::INFINITY, f64::min);
        ensure!(earliest < VOICE_MS, "none was shown before its voice, the first after {earliest:.0} ms");
        ensure!(earliest >= VOICE_MS - AHEAD_MS - STEPS_MS, "one was shown after {earliest:.0} ms");
        Ok(())
    })
    .await
}
