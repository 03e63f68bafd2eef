//! The microphone's sound, made fit to be sent.

use sonora::config::{
    AdaptiveDigital, EchoCanceller, GainController2, HighPassFilter, MaxProcessingRate, NoiseSuppression, Pipeline,
};
use sonora::{AudioProcessing, Config, StreamConfig};

use crate::{BLOCK, RATE, sound};

/// Takes out of the microphone's sound what the speaker plays (AEC3), noise, and differences in loudness (AGC2).
///
/// The echo may come up to about half a second after it was played. Which delay it is is found out.
#[derive(Debug)]
pub struct Microphone {
    processing: AudioProcessing,
    played: Vec<f32>,
}

impl Default for Microphone {
    fn default() -> Self {
        let stream = StreamConfig::new(RATE, 1);
        let processing =
            AudioProcessing::builder().config(config()).capture_config(stream).render_config(stream).build();
        Self { processing, played: vec![0.0; BLOCK] }
    }
}

impl Microphone {
    /// Makes `clean` of a block that the microphone heard, knowing what the speaker was given in the same time.
    pub fn process(&mut self, speaker: &[f32; BLOCK], microphone: &[f32; BLOCK], clean: &mut [f32; BLOCK]) {
        let played = self.processing.process_render_f32(&[speaker], &mut [&mut self.played]);
        let heard = self.processing.process_capture_f32(&[microphone], &mut [clean]);
        // It refuses nothing but other lengths and rates.
        if played.and(heard).is_err() {
            clean.copy_from_slice(microphone);
        }
        for sample in clean {
            *sample = sound(*sample);
        }
    }

    /// Whether anybody uses what comes out. What was learned of the room is kept up either way.
    pub fn set_used(&mut self, used: bool) {
        self.processing.set_capture_output_used(used);
    }
}

fn config() -> Config {
    Config {
        pipeline: Pipeline { maximum_internal_processing_rate: MaxProcessingRate::Rate48kHz, ..Pipeline::default() },
        high_pass_filter: Some(HighPassFilter::default()),
        echo_canceller: Some(EchoCanceller::default()),
        noise_suppression: Some(NoiseSuppression::default()),
        gain_controller2: Some(GainController2 {
            adaptive_digital: Some(AdaptiveDigital::default()),
            ..GainController2::default()
        }),
        ..Config::default()
    }
}
