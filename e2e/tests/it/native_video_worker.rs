//! The app's video worker (`ui/static-app/native-video.js`), tested alone in the app's webview: encoding, timestamps and
//! presentation.

use std::{rc::Rc, time::Duration};

use hutong_e2e::{
    AppOptions, DesktopApp, Result, TestEnv, TestPage, TestResult, desktop::TestDevices, ensure, page::UI_TIMEOUT,
    scenario,
};

/// How long the camera is on before it is switched off: its frames' timestamps grow by that.
const CAMERA_ON: Duration = Duration::from_secs(5);

/// Time limit for the first frame of a camera that was switched on.
const FRAME_TIMEOUT: Duration = Duration::from_secs(2);

/// Starts an app with a mock camera and the video worker in its page.
async fn start(env: &mut TestEnv) -> Result<Rc<DesktopApp>> {
    let app = env.start_app_with("Ana", &AppOptions { devices: TestDevices::On, ..AppOptions::default() }).await?;
    let script = r#"
        const results = { frames: [], failed: [], ages: [] };
        const now = () => performance.timeOrigin + performance.now();
        const worker = new Worker(document.querySelector("meta[name=hutong-native-video]").content);
        worker.onmessage = ({ data }) => {
            if (data.type === "frame") {
                const at = now();
                results.frames.push({ at, timestamp: data.timestamp / 1000, keyframe: data.keyframe });
                if (data.keyframe && results.next) results.next(data.buffer);
            } else if (data.type === "track") {
                results.track = data.track;
            } else if (data.type === "failed") {
                results.failed.push(data.reason);
            }
        };
        worker.postMessage({ type: "begin", header: 0 });
        window.__videoWorker = {
            results,
            startCamera() {
                navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720 } }).then((stream) => {
                    const [track] = stream.getVideoTracks();
                    this.camera = track;
                    const copy = track.clone();
                    worker.postMessage({ type: "track", track: copy }, [copy]);
                }, (error) => results.failed.push(String(error)));
            },
            stopCamera() {
                worker.postMessage({ type: "track", track: null });
                this.camera.stop();
            },
            clearFrames() {
                results.frames = [];
            },
            // Posts frames of a new camera each time, without telling the worker that the camera changed.
            async postFrames() {
                if (this.camera) this.camera.stop();
                clearInterval(this.posting);
                const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 320, height: 180 } });
                [this.camera] = stream.getVideoTracks();
                const video = document.createElement("video");
                video.muted = true;
                video.srcObject = stream;
                await video.play();
                this.posting = setInterval(() => {
                    const frame = new VideoFrame(video, { timestamp: performance.now() * 1000 });
                    worker.postMessage({ type: "captured", frame }, [frame]);
                }, 33);
            },
            // Feeds keyframes back as remote frames captured now, while the audio that plays was captured `late` ms
            // ago; records how many milliseconds later each is shown.
            async showFrames(late, count) {
                const video = document.createElement("video");
                Object.assign(video, { muted: true, srcObject: new MediaStream([results.track]) });
                document.body.append(video);
                const playing = video.play();
                for (let index = 0; index < count; index += 1) {
                    const coming = new Promise((done) => { results.next = done; });
                    worker.postMessage({ type: "keyframe" });
                    const buffer = await coming;
                    const shown = new Promise((done) => video.requestVideoFrameCallback(done));
                    const at = now();
                    worker.postMessage({ type: "playing", captured: (at - late) * 1000, at });
                    const times = { timestamp: index * 1e6, captured: at * 1000 };
                    worker.postMessage({ type: "frame", buffer, keyframe: true, ...times }, [buffer]);
                    await shown;
                    results.ages.push(now() - at);
                }
                await playing;
            },
        };
        return null"#;
    app.page().run::<()>(script).await?;
    Ok(app)
}

/// Waits until the worker has emitted frames over this time.
async fn emits_frames_for(page: &TestPage, time: Duration) -> Result<()> {
    let long = "const of = window.__videoWorker.results.frames; return of.length > 1 && of.at(-1).at - of[0].at >";
    page.wait_until("frames over some time", UI_TIMEOUT + time, &format!("{long} {}", time.as_millis())).await
}

/// Greatest age of the last frames in milliseconds: arrival time minus capture timestamp.
async fn max_frame_age(page: &TestPage, last: usize) -> Result<f64> {
    let frames = format!("window.__videoWorker.results.frames.slice(-{last})");
    page.run(&format!("return Math.max(...{frames}.map(({{ at, timestamp }}) => at - timestamp))")).await
}

#[tokio::test]
async fn a_restarted_camera_yields_a_keyframe_at_once() -> TestResult {
    scenario("native_video_again", async |env| {
        let app = start(env).await?;
        let page = app.page();
        page.run::<()>("window.__videoWorker.startCamera(); return null").await?;
        emits_frames_for(page, CAMERA_ON).await?;

        page.run::<()>("window.__videoWorker.stopCamera(); window.__videoWorker.clearFrames(); window.__videoWorker.startCamera(); return null").await?;
        page.wait_until(
            "a keyframe of the restarted camera",
            FRAME_TIMEOUT,
            "return window.__videoWorker.results.frames.some(({ keyframe }) => keyframe)",
        )
        .await?;
        page.run::<()>("window.__videoWorker.clearFrames(); return null").await?;
        page.wait_until("frames after it", FRAME_TIMEOUT, "return window.__videoWorker.results.frames.length > 10").await?;
        // The capture time sent to the other side is recent: lip sync depends on it.
        let max_age = max_frame_age(page, 10).await?;
        println!("frame age {max_age:.0} ms at most");
        ensure!(max_age < 1000.0, "a frame's timestamp is {max_age:.0} ms old");
        let failed: Vec<String> = page.run("return window.__videoWorker.results.failed").await?;
        ensure!(failed.is_empty(), "{failed:?}");
        Ok(())
    })
    .await
}

/// The encoder drops fewer frames than the worker takes for a stalled encoder.
#[tokio::test]
async fn frames_after_dropped_frames_keep_their_own_timestamps() -> TestResult {
    scenario("native_video_dropped", async |env| {
        let app = start(env).await?;
        let page = app.page();
        page.run::<()>("await window.__videoWorker.postFrames(); return null").await?;
        emits_frames_for(page, Duration::from_millis(500)).await?;
        page.run::<()>("await window.__videoWorker.postFrames(); window.__videoWorker.clearFrames(); return null")
            .await?;
        page.wait_until("frames", UI_TIMEOUT, "return window.__videoWorker.results.frames.length > 90").await?;
        let max_age = max_frame_age(page, 20).await?;
        println!("frame age {max_age:.0} ms at most");
        ensure!(max_age < 250.0, "a frame's timestamp is {max_age:.0} ms old");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn encoding_resumes_soon_after_timestamps_jump_back() -> TestResult {
    scenario("native_video_clock", async |env| {
        let app = start(env).await?;
        let page = app.page();
        page.run::<()>("await window.__videoWorker.postFrames(); return null").await?;
        emits_frames_for(page, CAMERA_ON).await?;
        page.run::<()>("await window.__videoWorker.postFrames(); window.__videoWorker.clearFrames(); return null")
            .await?;
        // Whether this webview's encoder drops such frames is up to it; the worker reports missing ones once at most.
        page.wait_until(
            "frames of the clock that went back",
            2 * FRAME_TIMEOUT,
            "return window.__videoWorker.results.frames.length > 10",
        )
        .await?;
        let max_age = max_frame_age(page, 5).await?;
        ensure!(max_age < 1000.0, "a frame's timestamp is {max_age:.0} ms old");
        let failed: Vec<String> = page.run("return window.__videoWorker.results.failed").await?;
        println!("reported: {failed:?}");
        ensure!(failed.len() <= 1, "{failed:?}");
        Ok(())
    })
    .await
}

/// Video need not wait for its audio to the millisecond: each wait adds to the latency of the conversation.
#[tokio::test]
async fn video_is_shown_slightly_ahead_of_its_audio() -> TestResult {
    /// Delay of the audio.
    const AUDIO_LAG_MS: f64 = 300.0;
    /// Allowed lead of the video (EBU R 37: audio may lag by 60 ms), and tolerance beyond it, because `WebKit`'s clocks
    /// have steps of 1 ms.
    const VIDEO_LEAD_MS: f64 = 40.0;
    const CLOCK_STEP_MS: f64 = 5.0;
    const FRAMES: usize = 12;
    scenario("native_video_voice", async |env| {
        let app = start(env).await?;
        let page = app.page();
        page.run::<()>("await window.__videoWorker.postFrames(); return null").await?;
        // The page removes all elements when it starts; wait for that.
        let ready = "return window.__videoWorker.results.track && !document.querySelector('.boot')";
        page.wait_until("the page, and the other side's track", UI_TIMEOUT, ready).await?;
        let script = format!("window.__videoWorker.showFrames({AUDIO_LAG_MS}, {FRAMES})");
        page.run::<()>(&format!(
            "{script}.catch((error) => window.__videoWorker.results.failed.push(String(error))); return null"
        ))
        .await?;
        let all = "const { ages, failed } = window.__videoWorker.results; return failed.length > 0 || ages.length ===";
        page.wait_until("frames to be shown", UI_TIMEOUT, &format!("{all} {FRAMES}")).await?;
        let failed: Vec<String> = page.run("return window.__videoWorker.results.failed").await?;
        ensure!(failed.is_empty(), "{failed:?}");
        let ages: Vec<f64> = page.run("return window.__videoWorker.results.ages").await?;
        println!("shown after {ages:.0?} ms");
        // The first also waits for the video element's start.
        let earliest = ages.iter().skip(1).copied().fold(f64::INFINITY, f64::min);
        ensure!(earliest < AUDIO_LAG_MS, "no frame was shown ahead of its audio, the first after {earliest:.0} ms");
        ensure!(
            earliest >= AUDIO_LAG_MS - VIDEO_LEAD_MS - CLOCK_STEP_MS,
            "a frame was shown too early, after {earliest:.0} ms"
        );
        Ok(())
    })
    .await
}
