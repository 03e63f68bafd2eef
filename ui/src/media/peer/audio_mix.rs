//! Sound of a shared tab, mixed with the microphone into one track: the connection has one audio track in each direction.

use std::cell::RefCell;

use wasm_bindgen::JsCast;
use web_sys::{
    AudioContext, MediaStream, MediaStreamAudioDestinationNode, MediaStreamAudioSourceNode, MediaStreamTrack,
};

/// RAII guard: the mix of a shared tab's sound and the microphone. Stops the tab's sound on drop.
///
/// Muting disables the microphone's own track, so it does not silence the tab.
pub struct AudioMix {
    context: AudioContext,
    destination: MediaStreamAudioDestinationNode,
    /// The mixed track.
    track: MediaStreamTrack,
    shared: MediaStreamTrack,
    _shared_source: MediaStreamAudioSourceNode,
    microphone: RefCell<Option<(MediaStreamTrack, MediaStreamAudioSourceNode)>>,
}

impl AudioMix {
    /// Mixes the sound of a shared tab, without a microphone yet. `None` where the browser cannot: then the tab's sound is stopped.
    pub fn new(shared: MediaStreamTrack) -> Option<Self> {
        let mix = Self::start(&shared);
        if mix.is_none() {
            shared.stop();
        }
        mix
    }

    fn start(shared: &MediaStreamTrack) -> Option<Self> {
        let context = AudioContext::new().ok()?;
        let destination = context.create_media_stream_destination().ok()?;
        let track = destination.stream().get_audio_tracks().get(0).dyn_into().ok()?;
        let source = connect(&context, &destination, shared)?;
        Some(Self {
            context,
            destination,
            track,
            shared: Clone::clone(shared),
            _shared_source: source,
            microphone: RefCell::default(),
        })
    }

    /// The mixed track.
    pub const fn track(&self) -> &MediaStreamTrack {
        &self.track
    }

    /// Replaces the microphone in the mix.
    pub fn set_microphone(&self, microphone: Option<&MediaStreamTrack>) {
        let mut current = self.microphone.borrow_mut();
        if current.as_ref().map(|(track, _)| track) == microphone {
            return;
        }
        if let Some((_, source)) = current.take() {
            source.disconnect().ok();
        }
        *current = microphone.and_then(|track| {
            let source = connect(&self.context, &self.destination, track)?;
            Some((Clone::clone(track), source))
        });
    }
}

impl Drop for AudioMix {
    fn drop(&mut self) {
        self.shared.stop();
        self.track.stop();
        // Its promise matters to nobody.
        self.context.close().ok();
    }
}

fn connect(
    context: &AudioContext,
    destination: &MediaStreamAudioDestinationNode,
    track: &MediaStreamTrack,
) -> Option<MediaStreamAudioSourceNode> {
    let stream = MediaStream::new().ok()?;
    stream.add_track(track);
    let source = context.create_media_stream_source(&stream).ok()?;
    source.connect_with_audio_node(destination).ok()?;
    Some(source)
}
