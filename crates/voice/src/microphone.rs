//! The microphone's sound, made fit to be sent.

use std::fmt;

use sonora::config::{AdaptiveDigital, GainController2, MaxProcessingRate, Pipeline};
use sonora::high_pass_filter::HighPassFilter;
use sonora::three_band_filter_bank::{NUM_BANDS, SPLIT_BAND_SIZE, ThreeBandFilterBank};
use sonora::{AudioProcessing, Config, StreamConfig};
use sonora_ns::config::NsConfig;
use sonora_ns::noise_suppressor::NoiseSuppressor;

use crate::echo::{Bands, EchoCanceller};
use crate::{BLOCK, RATE, sound};

/// What the processing between the filter banks calls full scale.
const FULL_SCALE: f32 = 32_768.0;

/// Takes out of the microphone's sound what the speaker plays (AEC3), noise, and differences in loudness (AGC2).
///
/// The echo may come up to about half a second after it was played. Which delay it is is found out.
pub struct Microphone {
    steady: HighPassFilter,
    played: ThreeBandFilterBank,
    heard: ThreeBandFilterBank,
    echo: EchoCanceller,
    noise: NoiseSuppressor,
    loudness: AudioProcessing,
    /// Room for a block's samples.
    whole: Vec<Vec<f32>>,
}

impl Default for Microphone {
    fn default() -> Self {
        Self {
            steady: HighPassFilter::new(RATE as i32, 1),
            played: ThreeBandFilterBank::new(),
            heard: ThreeBandFilterBank::new(),
            echo: EchoCanceller::default(),
            noise: NoiseSuppressor::new_with_bands(NsConfig::default(), NUM_BANDS),
            loudness: loudness(),
            whole: vec![vec![0.0; BLOCK]],
        }
    }
}

impl fmt::Debug for Microphone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Microphone").field("echo", &self.echo).finish_non_exhaustive()
    }
}

impl Microphone {
    /// Makes `clean` of a block that the microphone heard, knowing what the speaker was given in the same time.
    pub fn process(&mut self, speaker: &[f32; BLOCK], microphone: &[f32; BLOCK], clean: &mut [f32; BLOCK]) {
        let mut played = silence();
        self.played.analysis(&speaker.map(|sample| sound(sample) * FULL_SCALE), &mut played);
        let loudest = microphone.iter().fold(0.0f32, |most, sample| most.max(sample.abs())) * FULL_SCALE;
        let mut bands = self.split(microphone);
        // The room's noise is learned from what the canceller has not yet changed.
        self.noise.analyze(&bands[0]);
        self.echo.process(&played, &mut bands, loudest);
        self.hush(&mut bands);
        self.merge(&bands, clean);
    }

    /// Whether anybody uses what comes out. What was learned of the room is kept up either way.
    pub fn set_used(&mut self, used: bool) {
        self.echo.set_used(used);
        self.loudness.set_capture_output_used(used);
    }

    /// The sound without what is too deep for a voice, in bands.
    fn split(&mut self, microphone: &[f32; BLOCK]) -> Bands {
        for (to, from) in self.whole.iter_mut().flatten().zip(microphone) {
            *to = sound(*from) * FULL_SCALE;
        }
        self.steady.process_channels(&mut self.whole);
        let (mut whole, mut bands) = ([0.0; BLOCK], silence());
        whole.iter_mut().zip(self.whole.iter().flatten()).for_each(|(to, from)| *to = *from);
        self.heard.analysis(&whole, &mut bands);
        bands
    }

    fn hush(&mut self, bands: &mut Bands) {
        let [low, high @ ..] = bands;
        self.noise.process(low);
        let gain = self.noise.upper_band_gain();
        for (index, band) in high.iter_mut().enumerate() {
            self.noise.process_upper_band(band, index, gain);
        }
        bands.iter_mut().for_each(NoiseSuppressor::clamp_frame);
    }

    fn merge(&mut self, bands: &Bands, clean: &mut [f32; BLOCK]) {
        let mut whole = [0.0; BLOCK];
        self.heard.synthesis(bands, &mut whole);
        whole.iter_mut().for_each(|sample| *sample = sound(*sample / FULL_SCALE));
        // It refuses nothing but other lengths and rates.
        if self.loudness.process_capture_f32(&[&whole], &mut [clean]).is_err() {
            clean.copy_from_slice(&whole);
        }
        for sample in clean {
            *sample = sound(*sample);
        }
    }
}

fn silence() -> Bands {
    [[0.0; SPLIT_BAND_SIZE]; NUM_BANDS]
}

fn loudness() -> AudioProcessing {
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
