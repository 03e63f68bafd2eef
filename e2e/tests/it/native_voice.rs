//! The workers of the app's voice, each by itself in the app's webview: the one that encodes it (`ui/static/native-voice.js`), and the
//! one that has its module compiled before a call needs it (`ui/static/voice-warm.js`).

use hutong_e2e::{Outcome, Setup, ensure, page::SOON, scenario};

/// How far the moment of capture that a packet is told with may be from the true one, in milliseconds. Much of it is the page's
/// own: it sends packets by a timer.
const EXACT: f64 = 100.0;

/// Plays the worklet: a packet each 20 ms, of which the first comes late and whose clock then stands still for half a second. It
/// begins once the encoder has given its first packet: one that takes half a second to be there has fewer of them to tell of.
const SOUND_CARD: &str = r#"
    const [first, late, still, begins] = [1_000_000, 300, 500, 150];
    const shared = () => performance.timeOrigin + performance.now();
    const made = { packets: [], sent: new Map() };
    const play = (timestamp) => {
        const samples = new Float32Array(960).map(() => Math.random() - 0.5);
        port1.postMessage({ type: "captured", timestamp, samples }, [samples.buffer]);
    };
    const worker = new Worker(document.querySelector("meta[name=hutong-native-voice]").content);
    worker.onmessage = ({ data }) => {
        if (data.type !== "frame") return;
        if (!made.sent.size) return begin();
        const number = (data.timestamp - first) / 20_000;
        made.packets.push({ number, off: data.captured / 1000 - made.sent.get(data.timestamp) });
    };
    const { port1, port2 } = new MessageChannel();
    worker.postMessage({ type: "begin", header: 0, port: port2 }, [port2]);
    const begin = () => {
        worker.postMessage({ type: "sending", on: true });
        const begun = shared();
        let packets = 0;
        const send = () => {
            // When the packet that is next was complete: the true clock, of which the sound card's has lost what it stood still.
            for (;;) {
                const complete = begun + (packets + 1) * 20 + (packets < begins ? 0 : still);
                if (shared() < complete + (packets === 0 ? late : 0)) return;
                const timestamp = first + packets * 20_000;
                made.sent.set(timestamp, complete - 20);
                play(timestamp);
                packets += 1;
            }
        };
        setInterval(send, 5);
    };
    window.__voice = made;
    play(0);
    return null"#;

#[tokio::test]
async fn packets_are_told_with_the_moment_of_their_capture() -> Outcome {
    scenario("native_voice_clock", async |world| {
        let app = world.desktop_with("Ana", &Setup::default()).await?;
        let page = app.page();
        // What the page does at its start holds up its timers.
        page.until("the voice to be compiled", 2 * SOON, WARMED).await?;
        page.run::<()>(SOUND_CARD).await?;
        // Before the sound card stands still, and once that is four seconds ago. By their numbers: in its first two seconds a page that is
        // busy may send so many at once that some are left out.
        page.until("packets", 2 * SOON, "return window.__voice.packets.at(-1)?.number >= 400").await?;
        for (from, to) in [(100, 150), (380, 400)] {
            let packets = format!("window.__voice.packets.filter(({{ number }}) => {from} <= number && number < {to})");
            let offs: Vec<f64> = page.run(&format!("return {packets}.map(({{ off }}) => Math.abs(off))")).await?;
            let off = offs.iter().copied().fold(0.0, f64::max);
            println!("packets {from} to {to}: {} of them, {off:.0} ms off", offs.len());
            ensure!(offs.len() == to - from, "of packets {from} to {to} there are {}", offs.len());
            ensure!(off < EXACT, "packets {from} to {to} are told {off:.0} ms off");
        }
        // Where there was no sound there is no gap in what is played.
        let numbers: Vec<f64> = page
            .run("return window.__voice.packets.map(({ number }) => number).filter((number) => number >= 100)")
            .await?;
        let worst = numbers.windows(2).map(|two| (two[1] - two[0] - 1.0).abs()).fold(0.0, f64::max);
        ensure!(worst <= 0.0001, "packets are {worst} of their length apart");
        Ok(())
    })
    .await
}

/// What is said while the page stands still for most of a second comes to the worker at once.
const STANDSTILL: &str = r#"
    const worker = new Worker(document.querySelector("meta[name=hutong-native-voice]").content);
    const heard = new Set();
    worker.onmessage = ({ data }) => {
        if (data.type === "frame") heard.add(Math.round(data.timestamp / 20_000));
    };
    const { port1, port2 } = new MessageChannel();
    worker.postMessage({ type: "begin", header: 0, port: port2 }, [port2]);
    worker.postMessage({ type: "sending", on: true });
    for (let packet = 0; packet < 45; packet += 1) {
        const samples = new Float32Array(960).map(() => Math.random() - 0.5);
        port1.postMessage({ type: "captured", timestamp: packet * 20_000, samples }, [samples.buffer]);
    }
    window.__heard = heard;
    return null"#;

#[tokio::test]
async fn what_comes_at_once_after_a_standstill_is_all_encoded() -> Outcome {
    scenario("native_voice_standstill", async |world| {
        let app = world.desktop_with("Ana", &Setup::default()).await?;
        let page = app.page();
        page.run::<()>(STANDSTILL).await?;
        page.until("all that was said", SOON, "return window.__heard.size === 45").await
    })
    .await
}

/// Whether the page has had the voice's module compiled.
const WARMED: &str = "return performance.getEntriesByName('hutong-voice-warm').length === 1";

/// Gives the worker a module of its own, and keeps what it told.
const WARM: &str = r#"
    const address = (name) => document.querySelector(`meta[name=hutong-${name}]`).content;
    const worker = new Worker(address("voice-warm"));
    worker.onmessage = ({ data }) => { window.__warm = data; };
    fetch(address("voice"))
        .then((response) => response.arrayBuffer())
        .then((code) => WebAssembly.compile(code))
        .then((module) => worker.postMessage({ type: "run", module }));
    return null"#;

#[tokio::test]
async fn the_voice_is_compiled_before_a_call_needs_it() -> Outcome {
    scenario("native_voice_warm", async |world| {
        let app = world.desktop_with("Ana", &Setup::default()).await?;
        let page = app.page();
        // The page has done so by itself.
        page.until("the voice to be compiled", SOON, WARMED).await?;
        page.run::<()>(WARM).await?;
        page.until("the worker's word", SOON, "return window.__warm").await?;
        let reason: Option<String> = page.run("return window.__warm.reason ?? null").await?;
        ensure!(reason.is_none(), "the worker could not: {reason:?}");
        let took: Vec<f64> = page.run("return window.__warm.took").await?;
        println!("seconds of sound took {took:.0?} ms");
        ensure!(took.len() == 10, "{} seconds of sound", took.len());
        Ok(())
    })
    .await
}
