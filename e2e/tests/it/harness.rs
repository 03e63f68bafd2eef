//! Tests of the harness: fake devices, permissions, statistics and script injection, on a page with two local peer
//! connections.

use std::{net::Ipv4Addr, time::Duration};

use hutong_e2e::{
    AppOptions, BrowserOptions, DevicePermissions, FakeDevices, Result, TestEnv, TestPage, TestResult,
    desktop::TestDevices,
    ensure,
    instrument::ensure_unbroken,
    sampler::{ExpectedMedia, Sample},
    scenario,
    synthetic_media::SyntheticVoice,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const LIMIT: Duration = Duration::from_secs(15);

const LOOPBACK: &str = r#"<!doctype html><title>loopback</title><div data-testid="me"></div>
<button data-testid="start">start</button><button data-testid="stop">stop</button>
<video data-testid="remote-video" autoplay playsinline></video><script>
let one, other, stream, timer;
const start = async () => {
  timer = setInterval(() => {}, 1000);
  stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  one = new RTCPeerConnection(); other = new RTCPeerConnection();
  one.onicecandidate = (event) => event.candidate && other.addIceCandidate(event.candidate);
  other.onicecandidate = (event) => event.candidate && one.addIceCandidate(event.candidate);
  other.ontrack = (event) => { document.querySelector("video").srcObject = event.streams[0]; };
  for (const track of stream.getTracks()) one.addTrack(track, stream);
  await one.setLocalDescription(); await other.setRemoteDescription(one.localDescription);
  await other.setLocalDescription(); await one.setRemoteDescription(other.localDescription);
};
const stop = () => {
  one.close(); other.close(); clearInterval(timer);
  for (const track of stream.getTracks()) track.stop();
};
document.querySelector("[data-testid=start]").onclick = start;
document.querySelector("[data-testid=stop]").onclick = stop;
</script>"#;

/// Serves the loopback page on a free port while the test runs.
async fn serve_loopback_page() -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                // All requests get the same response.
                let _ = stream.read(&mut request).await?;
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close";
                let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{LOOPBACK}", LOOPBACK.len());
                stream.write_all(answer.as_bytes()).await
            });
        }
    });
    Ok(format!("http://{address}/"))
}

async fn open_loopback_page(env: &mut TestEnv, name: &str, profile: BrowserOptions) -> Result<TestPage> {
    let page = env.new_page(name, &profile).await?;
    page.open(&serve_loopback_page().await?).await?;
    Ok(page)
}

/// Result of `getUserMedia`: `ok`, or the error's name.
async fn get_user_media(page: &TestPage, constraints: &str) -> Result<String> {
    page.run(&format!(
        "try {{
            const stream = await navigator.mediaDevices.getUserMedia({constraints});
            stream.getTracks().forEach((track) => track.stop());
            return 'ok';
        }} catch (error) {{ return error.name; }}"
    ))
    .await
}

#[tokio::test]
async fn fake_media_flows_and_is_measured() -> TestResult {
    scenario("harness_media", async |env| {
        let page = open_loopback_page(env, "loopback", BrowserOptions::default()).await?;
        let baseline = page.open_resources().await?;
        ensure!(baseline.peers == 0 && baseline.tracks == 0, "{baseline:?}");

        page.press("start").await?;
        page.wait_for_received(60, LIMIT).await?;
        page.start_recording_totals(Duration::from_secs(1)).await?;
        ensure_unbroken("loopback", &page.stop_recording_totals(4, LIMIT).await?)?;
        let open = page.open_resources().await?;
        ensure!((open.peers, open.tracks, open.timers) == (2, 2, baseline.timers + 1), "{open:?}");

        let clicks = page.clicks().await?;
        let frames = page.first_frames().await?;
        ensure!(clicks.len() == 1 && frames.len() == 1, "{clicks:?} {frames:?}");
        let milliseconds = frames[0].at - clicks[0].at;
        println!("click to first frame in one page: {milliseconds:.0} ms");
        ensure!(milliseconds > 0.0 && milliseconds < 5_000.0, "{milliseconds}");

        page.press("stop").await?;
        let after = page.open_resources().await?;
        ensure!((after.peers, after.tracks, after.timers) == (0, 0, baseline.timers), "{after:?}");
        page.ensure_no_errors().await
    })
    .await
}

#[tokio::test]
async fn samples_distinguish_live_media_from_none() -> TestResult {
    scenario("harness_samples", async |env| {
        let page = open_loopback_page(env, "sampled", BrowserOptions::default()).await?;
        page.use_synthetic_voice(SyntheticVoice::Low).await?;
        page.install_sampler().await?;
        page.press("start").await?;
        page.wait_for_media(ExpectedMedia::VideoAndAudio, 15).await?;
        let good = page.sample_for(3).await?;
        ensure!(good.iter().any(Sample::is_moving) && good.iter().any(Sample::is_audible), "{good:#?}");

        page.run::<()>("for (const track of stream.getTracks()) track.enabled = false; return null").await?;
        page.wait_for_media(ExpectedMedia::Silence, 5).await?;
        let bad = page.sample_for(2).await?;
        ensure!(!bad.iter().any(Sample::is_moving) && bad.iter().all(Sample::is_silent), "{bad:#?}");

        page.press("stop").await?;
        page.sample_for(1).await?;
        let none = page.sample_for(2).await?;
        ensure!(none.iter().all(|sample| sample.level.is_none()), "a level without a connection: {none:#?}");
        page.ensure_no_errors().await
    })
    .await
}

/// Plays a tone through the app's worklet, as a call plays remote audio. `window.__tone.on` switches it.
const TONE: &str = r#"
    const address = (name) => document.querySelector(`meta[name=hutong-${name}]`).content;
    const context = new AudioContext({ sampleRate: 48000 });
    await context.audioWorklet.addModule(address("voice-worklet"));
    const module = await WebAssembly.compile(await (await fetch(address("voice"))).arrayBuffer());
    const node = new AudioWorkletNode(context, "hutong-voice", { outputChannelCount: [1], processorOptions: { module } });
    node.connect(context.createMediaStreamDestination());
    const { port1, port2 } = new MessageChannel();
    node.port.postMessage({ type: "connect", port: port2 }, [port2]);
    const tone = { context, node, on: true };
    window.__tone = tone;
    const begun = performance.now();
    let packets = 0;
    setInterval(() => {
        for (; begun + packets * 20 < performance.now(); packets += 1) {
            const samples = new Float32Array(960).map((_, at) => 0.2 * Math.sin((2 * Math.PI * 250 * at) / 48000));
            if (tone.on) port1.postMessage({ type: "voice", timestamp: packets * 20_000, samples }, [samples.buffer]);
        }
    }, 10);
    await context.resume();
    return null"#;

#[tokio::test]
async fn webview_samples_distinguish_media_silence_and_missing_measurements() -> TestResult {
    scenario("harness_webview_samples", async |env| {
        let app = env.start_app_with("app", &AppOptions { devices: TestDevices::On, ..AppOptions::default() }).await?;
        let page = app.page();
        page.wait_until("the page", LIMIT, r#"return one("login")"#).await?;
        page.install_sampler().await?;
        let none = page.sample_for(1).await?;
        ensure!(none.iter().all(|sample| sample.level.is_none() && !sample.is_moving()), "before a call: {none:#?}");

        page.run::<()>(MIRROR).await?;
        page.run::<()>(TONE).await?;
        page.wait_for_media(ExpectedMedia::VideoAndAudio, 15).await?;

        page.run::<()>("window.__tone.on = false; window.__mirror.getVideoTracks()[0].stop(); return null").await?;
        page.wait_for_media(ExpectedMedia::Silence, 10).await?;
        let bad = page.sample_for(2).await?;
        ensure!(!bad.iter().any(|sample| sample.is_moving() || sample.is_audible()), "switched off: {bad:#?}");

        page.run::<()>("window.__tone.on = true; return null").await?;
        page.wait_for_media(ExpectedMedia::Audio, 10).await?;
        // A hung context: its state is "running", and the analyser keeps the last audio.
        page.run::<()>(
            "const { context } = window.__tone;
            const value = context.currentTime;
            Object.defineProperty(context, 'currentTime', { value, configurable: true });
            return null",
        )
        .await?;
        let hung = page.sample_for(2).await?;
        ensure!(hung.iter().all(|sample| sample.level.is_none()), "a hung context: {hung:#?}");
        page.run::<()>("const { context } = window.__tone; delete context.currentTime; return null").await?;
        page.wait_for_media(ExpectedMedia::Audio, 10).await?;

        page.run::<()>("await window.__tone.context.suspend(); return null").await?;
        let silence = page.wait_for_media(ExpectedMedia::Silence, 3).await;
        ensure!(silence.is_err(), "a suspended context counts as silence: {silence:#?}");
        page.run::<()>("await window.__tone.context.resume(); return null").await?;

        app.hide_window().await?;
        page.wait_for_media(ExpectedMedia::Audio, 10).await?;
        page.ensure_no_errors().await
    })
    .await
}

#[tokio::test]
#[ignore = "quality: the playback monitor itself"]
async fn the_playback_monitor_detects_a_freeze_and_an_audio_gap() -> TestResult {
    scenario("harness_playback_monitor", async |env| {
        let page = open_loopback_page(env, "monitored", BrowserOptions::default()).await?;
        page.use_synthetic_voice(SyntheticVoice::Low).await?;
        page.start_playback_monitor().await?;
        page.press("start").await?;
        page.wait_for_video_and_audio(LIMIT).await?;
        let good = page.playback_report_after(Duration::from_secs(3)).await?;
        println!("undisturbed: {}", good.summary());
        let (max_freeze, max_gap) = (Duration::from_millis(800), Duration::from_millis(100));
        good.ensure_video("undisturbed", max_freeze)?;
        good.ensure_audio("undisturbed", max_gap)?;

        page.reset_playback_monitor().await?;
        page.run::<()>(&disable_tracks("stream")).await?;
        let bad = page.playback_report_after(Duration::from_secs(3)).await?;
        println!("switched off for 900 ms: {}", bad.summary());
        ensure!((700.0..1_300.0).contains(&bad.longest_gap), "{}", bad.summary());
        ensure!((700.0..1_500.0).contains(&bad.longest_unchanged), "{}", bad.summary());
        ensure!(bad.black_frames > 0 && bad.ensure_video("black", max_freeze).is_err(), "{}", bad.summary());
        ensure!(bad.ensure_audio("silent", max_gap).is_err(), "{}", bad.summary());
        page.ensure_no_errors().await
    })
    .await
}

/// Script that disables a stream's tracks for 900 ms: they send black and silence (W3C Media Capture and Streams,
/// section 4.2.1).
fn disable_tracks(stream: &str) -> String {
    format!(
        "for (const track of {stream}.getTracks()) track.enabled = false;
        await new Promise((done) => e2e.native.setTimeout(done, 900));
        for (const track of {stream}.getTracks()) track.enabled = true;
        return null"
    )
}

/// Plays the local camera and microphone in place of the remote media.
const MIRROR: &str = r#"
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
    window.__mirror = stream;
    const video = document.createElement("video");
    Object.assign(video.dataset, { testid: "remote-video" });
    Object.assign(video, { autoplay: true, playsInline: true, srcObject: stream });
    document.body.append(video);
    await video.play();
    return null"#;

#[tokio::test]
#[ignore = "quality: the playback monitor itself"]
async fn the_playback_monitor_works_in_the_webview_and_in_a_hidden_window() -> TestResult {
    scenario("harness_webview_playback_monitor", async |env| {
        let app = env.start_app_with("app", &AppOptions { devices: TestDevices::On, ..AppOptions::default() }).await?;
        let page = app.page();
        page.wait_until("the page", LIMIT, r#"return one("login")"#).await?;
        page.use_synthetic_voice(SyntheticVoice::Low).await?;
        page.start_playback_monitor().await?;
        page.run::<()>(MIRROR).await?;
        page.wait_for_video_and_audio(LIMIT).await?;
        let good = page.playback_report_after(Duration::from_secs(3)).await?;
        println!("undisturbed: {}", good.summary());
        good.ensure_video("undisturbed", Duration::from_millis(800))?;
        good.ensure_audio("undisturbed", Duration::from_millis(100))?;

        page.reset_playback_monitor().await?;
        page.run::<()>(&disable_tracks("window.__mirror")).await?;
        let bad = page.playback_report_after(Duration::from_secs(3)).await?;
        println!("switched off for 900 ms: {}", bad.summary());
        ensure!((700.0..1_300.0).contains(&bad.longest_gap), "{}", bad.summary());
        ensure!((700.0..1_500.0).contains(&bad.longest_unchanged), "{}", bad.summary());

        app.hide_window().await?;
        page.reset_playback_monitor().await?;
        let hidden = page.playback_report_after(Duration::from_secs(4)).await?;
        println!("hidden: {}", hidden.summary());
        ensure!(!hidden.visible, "{}", hidden.summary());
        hidden.ensure_audio("hidden", Duration::from_millis(100))?;
        app.show_window().await?;
        page.reset_playback_monitor().await?;
        page.wait_for_video_and_audio(LIMIT).await?;
        println!("resource usage of the app: {}", app.usage()?);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn device_permissions_are_applied() -> TestResult {
    scenario("harness_permissions", async |env| {
        let page = env
            .new_page(
                "asked",
                &BrowserOptions { permissions: DevicePermissions::Explicit, ..BrowserOptions::default() },
            )
            .await?;
        let url = serve_loopback_page().await?;
        let origin = url.trim_end_matches('/');
        page.open(&url).await?;
        page.set_permission("camera", "denied", origin).await?;
        page.set_permission("microphone", "granted", origin).await?;
        let both = get_user_media(&page, "{ audio: true, video: true }").await?;
        let audio = get_user_media(&page, "{ audio: true }").await?;
        ensure!((both.as_str(), audio.as_str()) == ("NotAllowedError", "ok"), "{both} {audio}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn fake_devices_can_be_removed() -> TestResult {
    scenario("harness_devices", async |env| {
        let page = open_loopback_page(
            env,
            "no-camera",
            BrowserOptions { devices: FakeDevices::NoCamera, ..BrowserOptions::default() },
        )
        .await?;
        let both = get_user_media(&page, "{ audio: true, video: true }").await?;
        let audio = get_user_media(&page, "{ audio: true }").await?;
        ensure!((both.as_str(), audio.as_str()) == ("NotFoundError", "ok"), "{both} {audio}");

        let page = open_loopback_page(
            env,
            "no-devices",
            BrowserOptions { devices: FakeDevices::None, ..BrowserOptions::default() },
        )
        .await?;
        let audio = get_user_media(&page, "{ audio: true }").await?;
        ensure!(audio == "NotFoundError", "{audio}");
        Ok(())
    })
    .await
}
