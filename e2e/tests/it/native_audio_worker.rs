//! The app's audio workers, each tested alone in the app's webview: the encoder (`ui/static-app/native-audio.js`), and the
//! one that compiles the module before a call (`ui/static-app/voice-precompile.js`).

use hutong_e2e::{AppOptions, TestResult, ensure, page::UI_TIMEOUT, scenario};

/// Tolerance of a packet's capture time, in milliseconds. Most of it is the test page's timer.
const MAX_ERROR_MS: f64 = 100.0;

/// Simulates the worklet: one packet each 20 ms, the first one late, and a sound card clock that stops for half a
/// second. It begins after the encoder's first packet: an encoder that takes half a second to start would skip packets.
const SOUND_CARD: &str = r#"
    const [first, late, stop, stopAt] = [1_000_000, 300, 500, 150];
    const now = () => performance.timeOrigin + performance.now();
    const results = { packets: [], sent: new Map() };
    const capture = (timestamp) => {
        const samples = new Float32Array(960).map(() => Math.random() - 0.5);
        port1.postMessage({ type: "captured", timestamp, samples }, [samples.buffer]);
    };
    const worker = new Worker(document.querySelector("meta[name=hutong-native-audio]").content);
    worker.onmessage = ({ data }) => {
        if (data.type !== "frame") return;
        if (!results.sent.size) return begin();
        const number = (data.timestamp - first) / 20_000;
        results.packets.push({ number, error: data.captured / 1000 - results.sent.get(data.timestamp) });
    };
    const { port1, port2 } = new MessageChannel();
    worker.postMessage({ type: "begin", header: 0, port: port2 }, [port2]);
    const begin = () => {
        worker.postMessage({ type: "sending", on: true });
        const start = now();
        let packets = 0;
        const send = () => {
            // When the next packet was complete on the true clock, which the sound card's clock trails by its stop.
            for (;;) {
                const complete = start + (packets + 1) * 20 + (packets < stopAt ? 0 : stop);
                if (now() < complete + (packets === 0 ? late : 0)) return;
                const timestamp = first + packets * 20_000;
                results.sent.set(timestamp, complete - 20);
                capture(timestamp);
                packets += 1;
            }
        };
        setInterval(send, 5);
    };
    window.__audioWorker = results;
    capture(0);
    return null"#;

#[tokio::test]
async fn packets_carry_their_capture_time() -> TestResult {
    scenario("native_audio_clock", async |env| {
        let app = env.start_app_with("Ana", &AppOptions::default()).await?;
        let page = app.page();
        // The page's start-up work delays its timers.
        page.wait_until("the audio module to be compiled", 2 * UI_TIMEOUT, IS_COMPILED).await?;
        page.run::<()>(SOUND_CARD).await?;
        // Packets before the clock stops, and four seconds after that, by their numbers: in its first two seconds a
        // busy page may send so many at once that some are dropped.
        page.wait_until("packets", 2 * UI_TIMEOUT, "return window.__audioWorker.packets.at(-1)?.number >= 400").await?;
        for (from, to) in [(100, 150), (380, 400)] {
            let packets =
                format!("window.__audioWorker.packets.filter(({{ number }}) => {from} <= number && number < {to})");
            let errors: Vec<f64> = page.run(&format!("return {packets}.map(({{ error }}) => Math.abs(error))")).await?;
            let error = errors.iter().copied().fold(0.0, f64::max);
            println!("packets {from} to {to}: {} of them, {error:.0} ms off at most", errors.len());
            ensure!(errors.len() == to - from, "received only {} of packets {from} to {to}", errors.len());
            ensure!(error < MAX_ERROR_MS, "packets {from} to {to}: capture times are {error:.0} ms off");
        }
        // The clock's stop is no gap in the media timeline.
        let numbers: Vec<f64> = page
            .run("return window.__audioWorker.packets.map(({ number }) => number).filter((number) => number >= 100)")
            .await?;
        let worst = numbers.windows(2).map(|two| (two[1] - two[0] - 1.0).abs()).fold(0.0, f64::max);
        ensure!(worst <= 0.0001, "a gap of {worst} packets in the timeline");
        Ok(())
    })
    .await
}

/// Posts 45 packets (0.9 s) at once, as after a stall of the page.
const BURST: &str = r#"
    const worker = new Worker(document.querySelector("meta[name=hutong-native-audio]").content);
    const encoded = new Set();
    worker.onmessage = ({ data }) => {
        if (data.type === "frame") encoded.add(Math.round(data.timestamp / 20_000));
    };
    const { port1, port2 } = new MessageChannel();
    worker.postMessage({ type: "begin", header: 0, port: port2 }, [port2]);
    worker.postMessage({ type: "sending", on: true });
    for (let packet = 0; packet < 45; packet += 1) {
        const samples = new Float32Array(960).map(() => Math.random() - 0.5);
        port1.postMessage({ type: "captured", timestamp: packet * 20_000, samples }, [samples.buffer]);
    }
    window.__encoded = encoded;
    return null"#;

#[tokio::test]
async fn a_burst_of_packets_after_a_stall_is_encoded_completely() -> TestResult {
    scenario("native_audio_standstill", async |env| {
        let app = env.start_app_with("Ana", &AppOptions::default()).await?;
        let page = app.page();
        page.run::<()>(BURST).await?;
        page.wait_until("all packets to be encoded", UI_TIMEOUT, "return window.__encoded.size === 45").await
    })
    .await
}

/// Whether the page has compiled the audio module.
const IS_COMPILED: &str = "return performance.getEntriesByName('hutong-voice-precompiled').length === 1";

/// Passes a module to the worker and keeps its reply.
const COMPILE: &str = r#"
    const address = (name) => document.querySelector(`meta[name=hutong-${name}]`).content;
    const worker = new Worker(address("voice-precompile"));
    worker.onmessage = ({ data }) => { window.__compiled = data; };
    fetch(address("voice"))
        .then((response) => response.arrayBuffer())
        .then((code) => WebAssembly.compile(code))
        .then((module) => worker.postMessage({ type: "precompile", module }));
    return null"#;

#[tokio::test]
async fn the_audio_module_is_compiled_before_a_call() -> TestResult {
    scenario("native_audio_warm", async |env| {
        let app = env.start_app_with("Ana", &AppOptions::default()).await?;
        let page = app.page();
        // The page compiles it by itself.
        page.wait_until("the audio module to be compiled", UI_TIMEOUT, IS_COMPILED).await?;
        page.run::<()>(COMPILE).await?;
        page.wait_until("the worker's reply", UI_TIMEOUT, "return window.__compiled").await?;
        let reason: Option<String> = page.run("return window.__compiled.reason ?? null").await?;
        ensure!(reason.is_none(), "the worker failed: {reason:?}");
        let times: Vec<f64> = page.run("return window.__compiled.took").await?;
        println!("processing one second of audio each took {times:.0?} ms");
        ensure!(times.len() == 10, "{} instead of 10 seconds of audio", times.len());
        Ok(())
    })
    .await
}
