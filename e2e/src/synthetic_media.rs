//! Synthetic media sources: a voice without pauses, so that silence on the other side is a gap, and a camera of noise,
//! which needs all the bits that the encoder may spend.
//!
//! Chromium's and `WebKit`'s fake microphones beep for a moment each second (`WebKit`'s with a hum where echo cancellation
//! is off): a gap between beeps goes unnoticed. Therefore quality tests replace the track that the page's
//! `getUserMedia` returns: the fake camera stays, and the microphone becomes a `WebAudio` buzz whose pitch, timbre and
//! loudness change as in speech and whose loudness never falls below a third. Everything after that is the product's
//! code.
//!
//! The signal is inserted after the browser's audio processing: Chromium's processing was observed to mute such a buzz
//! for up to 700 ms at a time when it was read from a file as the microphone, and never with the processing off. Those
//! were gaps of the source.
//!
//! The two sides of a call have different voices: an echo canceller rightly takes a microphone signal for an echo when
//! it equals what the other side sends.

use crate::{Result, TestPage};

/// A synthetic voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyntheticVoice {
    /// Pitch of about a man's voice.
    Low,
    /// Pitch of about a child's voice.
    High,
}

impl SyntheticVoice {
    /// In hertz: base pitch, its swing, and the modulation frequencies of pitch, timbre and loudness.
    const fn modulation(self) -> [f64; 5] {
        match self {
            Self::Low => [140.0, 25.0, 0.7, 2.3, 3.9],
            Self::High => [310.0, 70.0, 1.1, 3.1, 4.7],
        }
    }
}

impl TestPage {
    /// Replaces the page's microphone by this voice from the next call on. Once for each load of the page.
    ///
    /// # Errors
    ///
    /// Returns an error when the script fails.
    pub async fn use_synthetic_voice(&self, voice: SyntheticVoice) -> Result<()> {
        let script = format!(
            "const [pitch, swing, slow, middle, quick] = {:?};\n{REPLACE_TRACK}{SYNTHETIC_MICROPHONE}",
            voice.modulation()
        );
        self.inject(&script).await
    }
}

impl TestPage {
    /// Replaces the page's camera by noise from the next call on: the fake cameras' images are so plain that they fit a
    /// narrow link as they are. Once for each load of the page.
    ///
    /// # Errors
    ///
    /// Returns an error when the script fails.
    pub async fn use_noise_camera(&self) -> Result<()> {
        self.inject(&format!("{REPLACE_TRACK}{NOISE_CAMERA}")).await
    }
}

/// Ties the real device to its replacement, which stops it. `WebKit` was observed to crash when a device is stopped right
/// after its start.
const REPLACE_TRACK: &str = r#"
    const tieToDevice = (track, device) => {
        const stop = track.stop.bind(track);
        track.stop = () => {
            stop();
            device.stop();
        };
        return track;
    };
"#;

const NOISE_CAMERA: &str = r#"
    if (window.__noiseCamera) return;
    const every = (window.__e2e && window.__e2e.native.setInterval) || window.setInterval;
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: 640, height: 480 });
    const context2d = canvas.getContext("2d");
    context2d.imageSmoothingEnabled = false;
    const noise = document.createElement("canvas");
    Object.assign(noise, { width: 80, height: 60 });
    const noiseContext = noise.getContext("2d");
    const image = noiseContext.createImageData(80, 60);
    const draw = () => {
        for (let at = 0; at < image.data.length; at += 4) {
            const value = Math.random() * 4294967296;
            image.data[at] = value;
            image.data[at + 1] = value >> 8;
            image.data[at + 2] = value >> 16;
            image.data[at + 3] = 255;
        }
        noiseContext.putImageData(image, 0, 0);
        context2d.drawImage(noise, 0, 0, 640, 480);
    };
    draw();
    every(draw, 40);
    window.__noiseCamera = canvas.captureStream(25);
    const devices = MediaDevices.prototype;
    const original = devices.getUserMedia;
    devices.getUserMedia = async function (wanted) {
        const stream = await original.call(this, wanted);
        for (const track of stream.getVideoTracks()) {
            stream.removeTrack(track);
            stream.addTrack(tieToDevice(window.__noiseCamera.getVideoTracks()[0].clone(), track));
        }
        return stream;
    };
"#;

const SYNTHETIC_MICROPHONE: &str = r#"
    if (window.__syntheticVoice) return;
    const Context = (window.__e2e && window.__e2e.native.AudioContext) || window.AudioContext;
    const context = new Context();
    const out = new MediaStreamAudioDestinationNode(context);
    const loudness = new GainNode(context, { gain: 0.2 });
    const timbre = new BiquadFilterNode(context, { type: "lowpass", frequency: 1400, Q: 4 });
    const buzz = new OscillatorNode(context, { type: "sawtooth", frequency: pitch });
    const modulate = (frequency, depth, what) => {
        const slow = new OscillatorNode(context, { frequency });
        slow.connect(new GainNode(context, { gain: depth })).connect(what);
        slow.start();
    };
    modulate(slow, swing, buzz.frequency);
    modulate(middle, 700, timbre.frequency);
    modulate(quick, 0.1, loudness.gain);
    buzz.connect(timbre).connect(loudness).connect(out);
    buzz.start();
    // A context that was created before a user gesture may have to be resumed.
    const resume = () => context.resume();
    resume();
    window.__syntheticVoice = { context, stream: out.stream };
    const devices = MediaDevices.prototype;
    const original = devices.getUserMedia;
    devices.getUserMedia = async function (wanted) {
        const stream = await original.call(this, wanted);
        for (const track of stream.getAudioTracks()) {
            await resume();
            stream.removeTrack(track);
            stream.addTrack(tieToDevice(out.stream.getAudioTracks()[0].clone(), track));
        }
        return stream;
    };
"#;
