//! The echo canceller (AEC3), with settings that WebRTC's own interface does not give.

use sonora::three_band_filter_bank::{NUM_BANDS, SPLIT_BAND_SIZE};
use sonora_aec3::block::Block;
use sonora_aec3::block_processor::BlockProcessor;
use sonora_aec3::common::BLOCK_SIZE;
use sonora_aec3::config::{EchoCanceller3Config, TransparentModeType};

use crate::RATE;

/// 10 ms of sound in three bands of 8 kHz, the lowest first. Its full scale is 32768, as everywhere behind the filter bank.
pub(crate) type Bands = [[f32; SPLIT_BAND_SIZE]; NUM_BANDS];

/// From here on a microphone is taken to be driven beyond its full scale.
const SATURATED: f32 = 32_700.0;

/// Takes what was played out of what was heard. It comes out 4 ms late, for the canceller's blocks of 4 ms do not fit into 10 ms.
#[derive(Debug)]
pub(crate) struct EchoCanceller {
    processor: BlockProcessor,
    played: Block,
    heard: Block,
    /// The last block that is done, of which the frames from `filled` on were not given yet.
    clean: Block,
    filled: usize,
}

impl Default for EchoCanceller {
    fn default() -> Self {
        let block = || Block::new(NUM_BANDS, 1);
        Self {
            processor: BlockProcessor::new(&config(), RATE as usize, 1, 1),
            played: block(),
            heard: block(),
            clean: block(),
            filled: 0,
        }
    }
}

impl EchoCanceller {
    /// Makes what was heard clean, knowing what was played in the same time. `loudest` is the loudest sample that was heard.
    pub(crate) fn process(&mut self, played: &Bands, heard: &mut Bands, loudest: f32) {
        let is_saturated = loudest >= SATURATED;
        for index in 0..SPLIT_BAND_SIZE {
            for (band, (played, heard)) in played.iter().zip(heard.iter_mut()).enumerate() {
                self.played.view_mut(band, 0)[self.filled] = played[index];
                self.heard.view_mut(band, 0)[self.filled] = heard[index];
                heard[index] = self.clean.view(band, 0)[self.filled];
            }
            self.filled += 1;
            if self.filled == BLOCK_SIZE {
                self.filled = 0;
                self.processor.buffer_render(&self.played);
                self.processor.process_capture(false, is_saturated, None, &mut self.heard);
                self.clean.swap(&mut self.heard);
            }
        }
    }

    /// Whether anybody uses what comes out. What was learned of the room is kept up either way.
    pub(crate) fn set_used(&mut self, used: bool) {
        self.processor.set_capture_output_usage(used);
    }
}

/// As WebRTC has it, but for who speaks while the other side does, and into headphones: see `docs/decisions/0006-voice.md`.
fn config() -> EchoCanceller3Config {
    let mut config = EchoCanceller3Config::default();
    // That there is no echo at all is seen after two seconds of the other side's voice, not six.
    config.echo_removal_control.transparent_mode = TransparentModeType::Hmm;
    // Two voices are alike by chance often enough for 5 of 250 blocks to agree on a delay, and each new delay lets the canceller
    // begin from nothing, with the near voice held back. With 20, an echo that comes late is heard at the beginning of a call.
    config.delay.delay_selection_thresholds.initial = 10;
    config
}
