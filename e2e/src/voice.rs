//! Voices without pauses, so that silence on the other side is a gap.
//!
//! Chromium's own fake microphone beeps for a moment each second, and WebKit's the same (with a hum where echo cancellation is off):
//! between beeps nothing tells a gap. So a test that asks for gaps gives its people voices that are never silent. The page's
//! `getUserMedia` is answered with the fake camera, and in place of the fake microphone with a buzz made by WebAudio, whose
//! pitch, colour and loudness move as speech does, never below a third. Everything behind it is the page's own.
//!
//! It has to come in behind the browser's voice processing: Chromium's was seen to silence such a buzz for up to 700 ms at a
//! time, read from a file instead of a microphone, and not once with the processing off. Those were gaps of the source.
//!
//! The two of a call have different voices: an echo canceller behind rightly takes a microphone's sound for an echo if it is
//! what the other side says just then.

use crate::{Context, Page, Result};

/// Whose voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// About as high as a man's.
    Low,
    /// About as high as a child's.
    High,
}

impl Voice {
    /// Its pitch and how far that moves; how often in a second pitch, colour and loudness move. All in hertz.
    const fn shape(self) -> [f64; 5] {
        match self {
            Self::Low => [140.0, 25.0, 0.7, 2.3, 3.9],
            Self::High => [310.0, 70.0, 1.1, 3.1, 4.7],
        }
    }
}

impl Page {
    /// Has the page's microphone be this voice from the next call on. Once for each load of the page.
    ///
    /// # Errors
    ///
    /// When the page does not run the script.
    pub async fn speak(&self, voice: Voice) -> Result<()> {
        let script = format!("const [pitch, swing, slow, middle, quick] = {:?};\n{STAND_IN}{SPEAK}", voice.shape());
        self.driver().execute(script, Vec::new()).await.with_context(|| format!("{}: speaking", self.name()))?;
        Ok(())
    }
}

impl Page {
    /// Has the page's camera show noise from the next call on, so that an encoder needs all the bits that it is allowed: the fake
    /// cameras' pictures are so plain that they fit a narrow link as they are. Once for each load of the page.
    ///
    /// # Errors
    ///
    /// When the page does not run the script.
    pub async fn flicker(&self) -> Result<()> {
        self.driver()
            .execute(format!("{STAND_IN}{FLICKER}"), Vec::new())
            .await
            .with_context(|| format!("{}: flickering", self.name()))?;
        Ok(())
    }
}

/// The device runs as long as what stands in for it: WebKit was seen to crash where one is stopped as soon as it has started.
const STAND_IN: &str = r#"
    const standIn = (track, device) => {
        const stop = track.stop.bind(track);
        track.stop = () => {
            stop();
            device.stop();
        };
        return track;
    };
"#;

const FLICKER: &str = r#"
    if (window.__flicker) return;
    const every = (window.__e2e && window.__e2e.native.setInterval) || window.setInterval;
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: 640, height: 480 });
    const paper = canvas.getContext("2d");
    paper.imageSmoothingEnabled = false;
    const noise = document.createElement("canvas");
    Object.assign(noise, { width: 80, height: 60 });
    const grain = noise.getContext("2d");
    const image = grain.createImageData(80, 60);
    const draw = () => {
        for (let at = 0; at < image.data.length; at += 4) {
            const value = Math.random() * 4294967296;
            image.data[at] = value;
            image.data[at + 1] = value >> 8;
            image.data[at + 2] = value >> 16;
            image.data[at + 3] = 255;
        }
        grain.putImageData(image, 0, 0);
        paper.drawImage(noise, 0, 0, 640, 480);
    };
    draw();
    every(draw, 40);
    window.__flicker = canvas.captureStream(25);
    const devices = MediaDevices.prototype;
    const original = devices.getUserMedia;
    devices.getUserMedia = async function (wanted) {
        const stream = await original.call(this, wanted);
        for (const track of stream.getVideoTracks()) {
            stream.removeTrack(track);
            stream.addTrack(standIn(window.__flicker.getVideoTracks()[0].clone(), track));
        }
        return stream;
    };
"#;

const SPEAK: &str = r#"
    if (window.__speak) return;
    const Context = (window.__e2e && window.__e2e.native.AudioContext) || window.AudioContext;
    const context = new Context();
    const out = new MediaStreamAudioDestinationNode(context);
    const loudness = new GainNode(context, { gain: 0.2 });
    const colour = new BiquadFilterNode(context, { type: "lowpass", frequency: 1400, Q: 4 });
    const buzz = new OscillatorNode(context, { type: "sawtooth", frequency: pitch });
    const sway = (frequency, depth, what) => {
        const slow = new OscillatorNode(context, { frequency });
        slow.connect(new GainNode(context, { gain: depth })).connect(what);
        slow.start();
    };
    sway(slow, swing, buzz.frequency);
    sway(middle, 700, colour.frequency);
    sway(quick, 0.1, loudness.gain);
    buzz.connect(colour).connect(loudness).connect(out);
    buzz.start();
    // A context that was made before the person touched the page may wait to be told.
    const speak = () => context.resume();
    speak();
    window.__speak = { context, stream: out.stream };
    const devices = MediaDevices.prototype;
    const original = devices.getUserMedia;
    devices.getUserMedia = async function (wanted) {
        const stream = await original.call(this, wanted);
        for (const track of stream.getAudioTracks()) {
            await speak();
            stream.removeTrack(track);
            stream.addTrack(standIn(out.stream.getAudioTracks()[0].clone(), track));
        }
        return stream;
    };
"#;
