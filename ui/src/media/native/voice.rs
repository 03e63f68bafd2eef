//! Voice: a worklet on the sound card's thread takes the microphone and plays the other side, a worker encodes and decodes.
//! The worklet is `ui/static/voice-worklet.js` around `crates/voice`: jitter buffer and echo cancellation.

use std::{cell::RefCell, rc::Rc};

use hutong_core::native::FrameHeader;
use js_sys::{ArrayBuffer, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AudioContext, AudioContextOptions, AudioContextState, AudioWorkletNode, AudioWorkletNodeOptions, MediaStream,
    MediaStreamAudioDestinationNode, MediaStreamAudioSourceNode, MediaStreamTrack, MessageChannel, MessageEvent,
    Response, Worker,
};

use super::{super::connection::Failed, Made, kind, message, pass, post, worker};
use crate::dom::{self, Listener};

/// Samples a second: what Opus and the worklet speak.
const RATE: f32 = 48_000.0;

/// What the worker tells.
pub enum Tells {
    /// A packet to send.
    Frame(Made),
    /// Of this moment is what is heard now, by the sender's clock in microseconds; null where it is not known.
    Playing(JsValue),
    /// What it has counted.
    Stats(JsValue),
    /// There will be no voice.
    Failed,
}

/// The voice of one connection. Its worker and its sound end with this value.
pub struct Voice {
    context: AudioContext,
    node: AudioWorkletNode,
    destination: MediaStreamAudioDestinationNode,
    microphone: RefCell<Option<MediaStreamAudioSourceNode>>,
    worker: Worker,
    _listeners: [Listener; 2],
}

impl Voice {
    /// Starts worklet and worker.
    pub async fn start(tell: impl Fn(Tells) + 'static) -> Result<Self, Failed> {
        let options = AudioContextOptions::new();
        options.set_sample_rate(RATE);
        options.set_latency_hint(&"interactive".into());
        let context = Sounding(AudioContext::new_with_context_options(&options)?);
        let wasm = fetch("voice");
        let script = dom::asset("voice-worklet").ok_or(Failed)?;
        JsFuture::from(context.0.audio_worklet()?.add_module(&script)?).await?;
        let wasm = wasm.await?;
        let worker = worker("native-voice")?;
        let (node, destination) = connect(&context.0, &worker, &wasm)?;

        let tell = Rc::new(tell);
        let of_worker = {
            let tell = Rc::clone(&tell);
            Listener::new(&worker, "message", move |event| {
                if let Some(told) = event.dyn_ref::<MessageEvent>().and_then(|event| hear(&event.data())) {
                    tell(told);
                }
            })
        };
        let port = node.port()?;
        port.start();
        let of_worklet = Listener::new(&port, "message", move |event| {
            let failed = event.dyn_ref::<MessageEvent>().is_some_and(|event| kind(&event.data()) == "failed");
            if failed {
                tell(Tells::Failed);
            }
        });
        let context = context.keep();
        let voice = Self {
            context,
            node,
            destination,
            microphone: RefCell::default(),
            worker,
            _listeners: [of_worker, of_worklet],
        };
        voice.resume();
        Ok(voice)
    }

    /// The other side's voice.
    pub fn track(&self) -> Option<MediaStreamTrack> {
        self.destination.stream().get_audio_tracks().get(0).dyn_into().ok()
    }

    /// Sends this track from now on; of none, nothing.
    pub fn send(&self, track: Option<&MediaStreamTrack>) -> Result<(), Failed> {
        if let Some(before) = self.microphone.take() {
            before.disconnect()?;
        }
        if let Some(track) = track {
            let stream = MediaStream::new()?;
            stream.add_track(track);
            let microphone = self.context.create_media_stream_source(&stream)?;
            microphone.connect_with_audio_node(&self.node)?;
            self.microphone.replace(Some(microphone));
        }
        self.resume();
        self.tell("sending", &[("on", &track.is_some().into())]);
        Ok(())
    }

    /// Takes a packet of the other side.
    pub fn take(&self, header: &FrameHeader, buffer: &ArrayBuffer) {
        pass(&self.worker, header, buffer);
    }

    /// Asks for [`Tells::Stats`].
    pub fn count(&self) {
        self.tell("stats", &[]);
    }

    /// The system may hold sound back, and take it away for a while.
    pub fn resume(&self) {
        if self.context.state() != AudioContextState::Running {
            drop(self.context.resume());
        }
    }

    fn tell(&self, what: &str, members: &[(&str, &JsValue)]) {
        // A worker that has ended takes nothing more.
        post(&self.worker, &message(what, members), &[]).ok();
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        if let Some(microphone) = self.microphone.take() {
            microphone.disconnect().ok();
        }
        if let Ok(port) = self.node.port() {
            port.post_message(&message("close", &[])).ok();
        }
        self.node.disconnect().ok();
        self.tell("close", &[]);
        drop(self.context.close());
    }
}

/// A context that is closed again where something after it fails.
struct Sounding(AudioContext);

impl Sounding {
    fn keep(self) -> AudioContext {
        let context = self.0.clone();
        std::mem::forget(self);
        context
    }
}

impl Drop for Sounding {
    fn drop(&mut self) {
        drop(self.0.close());
    }
}

/// Puts the worklet between microphone and loudspeaker, and leads it to the worker.
fn connect(
    context: &AudioContext,
    worker: &Worker,
    wasm: &ArrayBuffer,
) -> Result<(AudioWorkletNode, MediaStreamAudioDestinationNode), Failed> {
    let given = Object::new();
    Reflect::set(&given, &"wasm".into(), wasm)?;
    let options = AudioWorkletNodeOptions::new();
    options.set_number_of_inputs(1);
    options.set_number_of_outputs(1);
    options.set_output_channel_count(&js_sys::Array::of1(&1.into()));
    options.set_processor_options(Some(&given));
    let node = AudioWorkletNode::new_with_options(context, "hutong-voice", &options)?;
    let destination = context.create_media_stream_destination()?;
    node.connect_with_audio_node(&destination)?;
    let channel = MessageChannel::new()?;
    let (to_worklet, to_worker) = (channel.port1(), channel.port2());
    let own = js_sys::Array::of1(&to_worklet);
    node.port()?.post_message_with_transferable(&message("connect", &[("port", &to_worklet)]), &own)?;
    let header = JsValue::from(FrameHeader::SIZE as u32);
    post(worker, &message("begin", &[("header", &header), ("port", &to_worker)]), &[&to_worker])?;
    Ok((node, destination))
}

async fn fetch(name: &str) -> Result<ArrayBuffer, Failed> {
    let address = dom::asset(name).ok_or(Failed)?;
    let window = dom::window().ok_or(Failed)?;
    let response: Response = JsFuture::from(window.fetch_with_str(&address)).await?.dyn_into()?;
    if !response.ok() {
        return Err(Failed);
    }
    Ok(JsFuture::from(response.array_buffer()?).await?.dyn_into()?)
}

fn hear(told: &JsValue) -> Option<Tells> {
    match kind(told).as_str() {
        "frame" => Made::from(told).map(Tells::Frame),
        "playing" => Some(Tells::Playing(Reflect::get(told, &"captured".into()).ok()?)),
        "stats" => Some(Tells::Stats(told.clone())),
        "failed" => Some(Tells::Failed),
        _ => None,
    }
}
