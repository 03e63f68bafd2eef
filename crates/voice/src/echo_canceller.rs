//! Acoustic echo canceller (AEC3), with settings that WebRTC's public API does not expose.

use sonora::three_band_filter_bank::{NUM_BANDS, SPLIT_BAND_SIZE};
use sonora_aec3::block::Block;
use sonora_aec3::block_processor::BlockProcessor;
use sonora_aec3::common::BLOCK_SIZE;
use sonora_aec3::config::{EchoCanceller3Config, TransparentModeType};

use crate::RATE;

/// A block of 10 ms in three bands of 8 kHz, the lowest first. Full scale is 32,768, as everywhere behind the filter bank.
pub(crate) type Bands = [[f32; SPLIT_BAND_SIZE]; NUM_BANDS];

/// Level from which the microphone counts as clipping.
const SATURATION: f32 = 32_700.0;

/// Removes the echo of the speaker from the microphone's audio.
///
/// Adds a delay of 4 ms: AEC3 processes blocks of 4 ms, which do not divide 10 ms.
#[derive(Debug)]
pub(crate) struct EchoCanceller {
    processor: BlockProcessor,
    speaker: Block,
    microphone: Block,
    /// The last processed block, output up to `filled`.
    clean: Block,
    filled: usize,
}

impl Default for EchoCanceller {
    fn default() -> Self {
        let block = || Block::new(NUM_BANDS, 1);
        Self {
            processor: BlockProcessor::new(&config(), RATE as usize, 1, 1),
            speaker: block(),
            microphone: block(),
            clean: block(),
            filled: 0,
        }
    }
}

impl EchoCanceller {
    /// Replaces the microphone's audio by its echo-free version, given the speaker's audio of the same time. `peak` is the
    /// largest sample of the microphone.
    pub(crate) fn process(&mut self, speaker: &Bands, microphone: &mut Bands, peak: f32) {
        let is_saturated = peak >= SATURATION;
        for index in 0..SPLIT_BAND_SIZE {
            for (band, (speaker, microphone)) in speaker.iter().zip(microphone.iter_mut()).enumerate() {
                self.speaker.view_mut(band, 0)[self.filled] = speaker[index];
                self.microphone.view_mut(band, 0)[self.filled] = microphone[index];
                microphone[index] = self.clean.view(band, 0)[self.filled];
            }
            self.filled += 1;
            if self.filled == BLOCK_SIZE {
                self.filled = 0;
                self.processor.buffer_render(&self.speaker);
                self.processor.process_capture(false, is_saturated, None, &mut self.microphone);
                self.clean.swap(&mut self.microphone);
            }
        }
    }

    /// Sets whether the output is used. The filters adapt in either case.
    pub(crate) fn set_output_used(&mut self, used: bool) {
        self.processor.set_capture_output_usage(used);
    }
}

/// WebRTC's configuration, changed for double talk and headphones: see `docs/decisions/0006-voice.md`.
fn config() -> EchoCanceller3Config {
    let mut config = EchoCanceller3Config::default();
    // Detects the absence of any echo (headphones) after 2 s of remote speech instead of 6 s.
    config.echo_removal_control.transparent_mode = TransparentModeType::Hmm;
    // Number of blocks (of 250) that must agree on a delay. The default of 5 is reached by chance between two voices, and each new
    // delay resets the canceller, which then suppresses the near voice. With 20, a late echo is audible at the start of a call.
    config.delay.delay_selection_thresholds.initial = 10;
    config
}
