//! The harness itself: fake devices, statistics and injection, on a page of its own with two peer connections.

use std::{net::Ipv4Addr, time::Duration};

use hutong_e2e::{
    Devices, Outcome, Permissions, Profile, Result, Setup, World,
    desktop::Mock,
    ensure,
    media::ensure_unbroken,
    sampler::{Arrival, Sample},
    scenario,
    voice::Voice,
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

/// Serves the page above on a free port, as long as the test runs.
async fn loopback_page() -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                // All requests get the same answer.
                let _ = stream.read(&mut request).await?;
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close";
                let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{LOOPBACK}", LOOPBACK.len());
                stream.write_all(answer.as_bytes()).await
            });
        }
    });
    Ok(format!("http://{address}/"))
}

async fn with(world: &mut World, name: &str, profile: Profile) -> Result<hutong_e2e::Page> {
    let page = world.page(name, &profile).await?;
    page.open(&loopback_page().await?).await?;
    Ok(page)
}

/// What getUserMedia says: `ok`, or the error's name.
async fn asked(page: &hutong_e2e::Page, constraints: &str) -> Result<String> {
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
async fn fake_media_flows_and_is_measured() -> Outcome {
    scenario("harness_media", async |world| {
        let page = with(world, "loopback", Profile::default()).await?;
        let baseline = page.leftovers().await?;
        ensure!(baseline.peers == 0 && baseline.tracks == 0, "{baseline:?}");

        page.press("start").await?;
        page.receives(60, LIMIT).await?;
        page.start_sampling(Duration::from_secs(1)).await?;
        ensure_unbroken("loopback", &page.samples(4, LIMIT).await?)?;
        let open = page.leftovers().await?;
        ensure!((open.peers, open.tracks, open.timers) == (2, 2, baseline.timers + 1), "{open:?}");

        let clicks = page.clicks().await?;
        let frames = page.first_frames().await?;
        ensure!(clicks.len() == 1 && frames.len() == 1, "{clicks:?} {frames:?}");
        let milliseconds = frames[0].at - clicks[0].at;
        println!("click to first frame in one page: {milliseconds:.0} ms");
        ensure!(milliseconds > 0.0 && milliseconds < 5_000.0, "{milliseconds}");

        page.press("stop").await?;
        let after = page.leftovers().await?;
        ensure!((after.peers, after.tracks, after.timers) == (0, 0, baseline.timers), "{after:?}");
        page.ensure_no_errors().await
    })
    .await
}

#[tokio::test]
async fn samples_tell_a_moving_picture_and_a_voice_from_none() -> Outcome {
    scenario("harness_samples", async |world| {
        let page = with(world, "sampled", Profile::default()).await?;
        page.speak(Voice::Low).await?;
        page.prepare_sampler().await?;
        page.press("start").await?;
        page.until_arrival(Arrival::VideoAndAudio, 15).await?;
        let good = page.samples_of(3).await?;
        ensure!(good.iter().any(Sample::is_moving) && good.iter().any(Sample::is_audible), "{good:#?}");

        page.run::<()>("for (const track of stream.getTracks()) track.enabled = false; return null").await?;
        page.until_arrival(Arrival::Silence, 5).await?;
        let bad = page.samples_of(2).await?;
        ensure!(!bad.iter().any(Sample::is_moving) && bad.iter().all(Sample::is_silent), "{bad:#?}");

        page.press("stop").await?;
        page.samples_of(1).await?;
        let none = page.samples_of(2).await?;
        ensure!(none.iter().all(|sample| sample.level.is_none()), "a level without a connection: {none:#?}");
        page.ensure_no_errors().await
    })
    .await
}

/// Plays a tone through the app's own worklet, as a call plays the remote audio. `window.__tone.on` switches it.
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
async fn samples_in_the_apps_webview_tell_media_from_silence_and_from_no_measurement() -> Outcome {
    scenario("harness_webview_samples", async |world| {
        let app = world.desktop_with("app", &Setup { devices: Mock::On, ..Setup::default() }).await?;
        let page = app.page();
        page.until("the page", LIMIT, r#"return one("login")"#).await?;
        page.prepare_sampler().await?;
        let none = page.samples_of(1).await?;
        ensure!(none.iter().all(|sample| sample.level.is_none() && !sample.is_moving()), "before a call: {none:#?}");

        page.run::<()>(MIRROR).await?;
        page.run::<()>(TONE).await?;
        page.until_arrival(Arrival::VideoAndAudio, 15).await?;

        page.run::<()>("window.__tone.on = false; window.__mirror.getVideoTracks()[0].stop(); return null").await?;
        page.until_arrival(Arrival::Silence, 10).await?;
        let bad = page.samples_of(2).await?;
        ensure!(!bad.iter().any(|sample| sample.is_moving() || sample.is_audible()), "switched off: {bad:#?}");

        page.run::<()>("window.__tone.on = true; return null").await?;
        page.until_arrival(Arrival::Audio, 10).await?;
        // A context that hangs: its state is "running", and the analyser goes on to hold what was last played.
        page.run::<()>(
            "const { context } = window.__tone;
            const value = context.currentTime;
            Object.defineProperty(context, 'currentTime', { value, configurable: true });
            return null",
        )
        .await?;
        let hung = page.samples_of(2).await?;
        ensure!(hung.iter().all(|sample| sample.level.is_none()), "a context that hangs: {hung:#?}");
        page.run::<()>("const { context } = window.__tone; delete context.currentTime; return null").await?;
        page.until_arrival(Arrival::Audio, 10).await?;

        page.run::<()>("await window.__tone.context.suspend(); return null").await?;
        let silence = page.until_arrival(Arrival::Silence, 3).await;
        ensure!(silence.is_err(), "a context that is suspended is taken for silence: {silence:#?}");
        page.run::<()>("await window.__tone.context.resume(); return null").await?;

        app.hide().await?;
        page.until_arrival(Arrival::Audio, 10).await?;
        page.ensure_no_errors().await
    })
    .await
}

#[tokio::test]
#[ignore = "quality: the watcher itself"]
async fn a_standing_picture_and_a_gap_in_a_voice_are_found() -> Outcome {
    scenario("harness_watch", async |world| {
        let page = with(world, "watched", Profile::default()).await?;
        page.speak(Voice::Low).await?;
        page.watch().await?;
        page.press("start").await?;
        page.sees_and_hears(LIMIT).await?;
        let good = page.seen_for(Duration::from_secs(3)).await?;
        println!("undisturbed: {}", good.summary());
        let (still, gap) = (Duration::from_millis(800), Duration::from_millis(100));
        good.ensure_picture("undisturbed", still)?;
        good.ensure_voice("undisturbed", gap)?;

        page.watch_anew().await?;
        page.run::<()>(&switched_off("stream")).await?;
        let bad = page.seen_for(Duration::from_secs(3)).await?;
        println!("switched off for 900 ms: {}", bad.summary());
        ensure!((700.0..1_300.0).contains(&bad.longest_gap), "{}", bad.summary());
        ensure!((700.0..1_500.0).contains(&bad.longest_still), "{}", bad.summary());
        ensure!(bad.black > 0 && bad.ensure_picture("black", still).is_err(), "{}", bad.summary());
        ensure!(bad.ensure_voice("silent", gap).is_err(), "{}", bad.summary());
        page.ensure_no_errors().await
    })
    .await
}

/// Switches a stream's tracks off for 900 ms. Such a track sends black and silence (W3C Media Capture and Streams, section
/// 4.2.1).
fn switched_off(stream: &str) -> String {
    format!(
        "for (const track of {stream}.getTracks()) track.enabled = false;
        await new Promise((done) => e2e.native.setTimeout(done, 900));
        for (const track of {stream}.getTracks()) track.enabled = true;
        return null"
    )
}

/// Plays the own camera and microphone where the other side's are else.
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
#[ignore = "quality: the watcher itself"]
async fn the_same_is_found_in_the_apps_webview_also_when_its_window_is_hidden() -> Outcome {
    scenario("harness_webview", async |world| {
        let app = world.desktop_with("app", &Setup { devices: Mock::On, ..Setup::default() }).await?;
        let page = app.page();
        page.until("the page", LIMIT, r#"return one("login")"#).await?;
        page.speak(Voice::Low).await?;
        page.watch().await?;
        page.run::<()>(MIRROR).await?;
        page.sees_and_hears(LIMIT).await?;
        let good = page.seen_for(Duration::from_secs(3)).await?;
        println!("undisturbed: {}", good.summary());
        good.ensure_picture("undisturbed", Duration::from_millis(800))?;
        good.ensure_voice("undisturbed", Duration::from_millis(100))?;

        page.watch_anew().await?;
        page.run::<()>(&switched_off("window.__mirror")).await?;
        let bad = page.seen_for(Duration::from_secs(3)).await?;
        println!("switched off for 900 ms: {}", bad.summary());
        ensure!((700.0..1_300.0).contains(&bad.longest_gap), "{}", bad.summary());
        ensure!((700.0..1_500.0).contains(&bad.longest_still), "{}", bad.summary());

        app.hide().await?;
        page.watch_anew().await?;
        let hidden = page.seen_for(Duration::from_secs(4)).await?;
        println!("hidden: {}", hidden.summary());
        ensure!(!hidden.visible, "{}", hidden.summary());
        hidden.ensure_voice("hidden", Duration::from_millis(100))?;
        app.show().await?;
        page.watch_anew().await?;
        page.sees_and_hears(LIMIT).await?;
        println!("the app uses {}", app.usage()?);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn permissions_are_as_set() -> Outcome {
    scenario("harness_permissions", async |world| {
        let page = world.page("asked", &Profile { permissions: Permissions::AsSet, ..Profile::default() }).await?;
        let url = loopback_page().await?;
        let origin = url.trim_end_matches('/');
        page.open(&url).await?;
        page.permit("camera", "denied", origin).await?;
        page.permit("microphone", "granted", origin).await?;
        let both = asked(&page, "{ audio: true, video: true }").await?;
        let voice = asked(&page, "{ audio: true }").await?;
        ensure!((both.as_str(), voice.as_str()) == ("NotAllowedError", "ok"), "{both} {voice}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn devices_can_be_missing() -> Outcome {
    scenario("harness_devices", async |world| {
        let page = with(world, "no-camera", Profile { devices: Devices::NoCamera, ..Profile::default() }).await?;
        let both = asked(&page, "{ audio: true, video: true }").await?;
        let voice = asked(&page, "{ audio: true }").await?;
        ensure!((both.as_str(), voice.as_str()) == ("NotFoundError", "ok"), "{both} {voice}");

        let page = with(world, "no-devices", Profile { devices: Devices::None, ..Profile::default() }).await?;
        let voice = asked(&page, "{ audio: true }").await?;
        ensure!(voice == "NotFoundError", "{voice}");
        Ok(())
    })
    .await
}
