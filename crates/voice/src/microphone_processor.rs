//! Processing of the microphone's audio: high-pass filter, echo canceller, noise suppressor, automatic gain control.

use std::fmt;

use sonora::config::{AdaptiveDigital, GainController2, MaxProcessingRate, Pipeline};
use sonora::high_pass_filter::HighPassFilter;
use sonora::three_band_filter_bank::{NUM_BANDS, SPLIT_BAND_SIZE, ThreeBandFilterBank};
use sonora::{AudioProcessing, Config, StreamConfig};
use sonora_ns::config::NsConfig;
use sonora_ns::noise_suppressor::NoiseSuppressor;

use crate::echo_canceller::{Bands, EchoCanceller};
use crate::{BLOCK, RATE, sanitize};

/// Full scale between analysis and synthesis filter bank.
const FULL_SCALE: f32 = 32_768.0;

/// Removes echo (AEC3) and noise from the microphone's audio, and levels its loudness (AGC2).
///
/// Echo may be delayed by up to half a second: the canceller estimates the delay.
pub struct MicrophoneProcessor {
    high_pass: HighPassFilter,
    speaker_bank: ThreeBandFilterBank,
    microphone_bank: ThreeBandFilterBank,
    echo_canceller: EchoCanceller,
    noise_suppressor: NoiseSuppressor,
    gain_control: AudioProcessing,
    /// Scratch buffer of one block.
    scratch: Vec<Vec<f32>>,
}

impl Default for MicrophoneProcessor {
    fn default() -> Self {
        Self {
            high_pass: HighPassFilter::new(RATE as i32, 1),
            speaker_bank: ThreeBandFilterBank::new(),
            microphone_bank: ThreeBandFilterBank::new(),
            echo_canceller: EchoCanceller::default(),
            noise_suppressor: NoiseSuppressor::new_with_bands(NsConfig::default(), NUM_BANDS),
            gain_control: gain_control(),
            scratch: vec![vec![0.0; BLOCK]],
        }
    }
}

impl fmt::Debug for MicrophoneProcessor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MicrophoneProcessor")
            .field("echo_canceller", &self.echo_canceller)
            .finish_non_exhaustive()
    }
}

impl MicrophoneProcessor {
    /// Processes a block of the microphone into `clean`, given what the speaker played at the same time.
    pub fn process(&mut self, speaker: &[f32; BLOCK], microphone: &[f32; BLOCK], clean: &mut [f32; BLOCK]) {
        let mut speaker_bands = silence();
        self.speaker_bank.analysis(&speaker.map(|sample| sanitize(sample) * FULL_SCALE), &mut speaker_bands);
        let peak = microphone.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs())) * FULL_SCALE;
        let mut bands = self.split(microphone);
        // The noise is estimated before the canceller changes it.
        self.noise_suppressor.analyze(&bands[0]);
        self.echo_canceller.process(&speaker_bands, &mut bands, peak);
        self.suppress_noise(&mut bands);
        self.merge(&bands, clean);
    }

    /// Sets whether the output is used. The echo canceller adapts in either case.
    pub fn set_output_used(&mut self, used: bool) {
        self.echo_canceller.set_output_used(used);
        self.gain_control.set_capture_output_used(used);
    }

    /// Applies the high-pass filter, and splits the block into bands.
    fn split(&mut self, microphone: &[f32; BLOCK]) -> Bands {
        for (to, from) in self.scratch.iter_mut().flatten().zip(microphone) {
            *to = sanitize(*from) * FULL_SCALE;
        }
        self.high_pass.process_channels(&mut self.scratch);
        let (mut block, mut bands) = ([0.0; BLOCK], silence());
        block.iter_mut().zip(self.scratch.iter().flatten()).for_each(|(to, from)| *to = *from);
        self.microphone_bank.analysis(&block, &mut bands);
        bands
    }

    fn suppress_noise(&mut self, bands: &mut Bands) {
        let [low, high @ ..] = bands;
        self.noise_suppressor.process(low);
        let gain = self.noise_suppressor.upper_band_gain();
        for (index, band) in high.iter_mut().enumerate() {
            self.noise_suppressor.process_upper_band(band, index, gain);
        }
        bands.iter_mut().for_each(NoiseSuppressor::clamp_frame);
    }

    /// Merges the bands, and applies the gain control.
    fn merge(&mut self, bands: &Bands, clean: &mut [f32; BLOCK]) {
        let mut block = [0.0; BLOCK];
        self.microphone_bank.synthesis(bands, &mut block);
        block.iter_mut().for_each(|sample| *sample = sanitize(*sample / FULL_SCALE));
        // Fails only for other lengths and rates.
        if self.gain_control.process_capture_f32(&[&block], &mut [clean]).is_err() {
            clean.copy_from_slice(&block);
        }
        for sample in clean {
            *sample = sanitize(*sample);
        }
    }
}

fn silence() -> Bands {
    [[0.0; SPLIT_BAND_SIZE]; NUM_BANDS]
}

fn gain_control() -> AudioProcessing {
    let stream = StreamConfig::new(RATE, 1);
    let config = Config {
        pipeline: Pipeline { maximum_internal_processing_rate: MaxProcessingRate::Rate48kHz, ..Pipeline::default() },
        gain_controller2: Some(GainController2 {
            adaptive_digital: Some(AdaptiveDigital::default()),
            ..GainController2::default()
        }),
        ..Config::default()
    };
    AudioProcessing::builder().config(config).capture_config(stream).render_config(stream).build()
}
