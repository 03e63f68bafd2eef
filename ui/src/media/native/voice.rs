//! Voice: a worklet on the sound card's thread takes the microphone and plays the other side, a worker encodes and decodes.
//! The worklet is `ui/static/voice-worklet.js` around `crates/voice`: jitter buffer and echo cancellation.

use std::{cell::RefCell, rc::Rc};

use futures_channel::oneshot;
use futures_util::future::select;
use gloo_timers::future::TimeoutFuture;
use hutong_core::native::FrameHeader;
use js_sys::{ArrayBuffer, Object, Reflect, WebAssembly::Module};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{
    AudioContext, AudioWorkletNode, AudioWorkletNodeOptions, MediaStream, MediaStreamAudioDestinationNode,
    MediaStreamAudioSourceNode, MediaStreamTrack, MessageChannel, MessageEvent, Worker,
};

use super::{
    super::connection::Failed,
    hall::Hall,
    worker::{Made, kind, message, pass, post, worker},
};
use crate::dom::Listener;

/// How long a worklet's node may take to run for the last time: it runs every 3 ms.
const LAST_RUN_MS: u32 = 1_000;

/// What the worker tells.
pub enum Tells {
    /// A packet to send.
    Frame(Made),
    /// Of which moment is what is heard, by the sender's clock: a message for the picture's worker.
    Playing(Object),
    /// What it has counted.
    Stats(JsValue),
    /// There will be no voice.
    Failed,
}

/// The voice of one connection. Its worker and its sound end with this value.
pub struct Voice {
    hall: Rc<Hall>,
    node: AudioWorkletNode,
    destination: MediaStreamAudioDestinationNode,
    microphone: RefCell<Option<MediaStreamAudioSourceNode>>,
    worker: Worker,
    _listeners: [Listener; 2],
}

impl Voice {
    /// Starts worklet and worker.
    pub async fn start(tell: impl Fn(Tells) + 'static) -> Result<Self, Failed> {
        let (hall, module) = Hall::open().await?;
        let hall = Rc::new(hall);
        let worker = worker("native-voice")?;
        let (node, destination) = connect(&hall.context, &worker, &module)?;

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
        Ok(Self {
            hall,
            node,
            destination,
            microphone: RefCell::default(),
            worker,
            _listeners: [of_worker, of_worklet],
        })
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
            let microphone = self.hall.context.create_media_stream_source(&stream)?;
            microphone.connect_with_audio_node(&self.node)?;
            self.microphone.replace(Some(microphone));
        }
        self.hall.resume();
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
        self.tell("close", &[]);
        spawn_local(end(Rc::clone(&self.hall), self.node.clone()));
    }
}

/// Ends the worklet's node, and then the context: `WebKitGTK` 2.50 keeps both for ever, with the worklet's thread, where a context
/// is closed before its nodes have run for the last time.
async fn end(hall: Rc<Hall>, node: AudioWorkletNode) {
    if let Ok(port) = node.port() {
        let (closed, last) = oneshot::channel();
        let closed = RefCell::new(Some(closed));
        let _listener = Listener::new(&port, "message", move |event| {
            let is_closed = event.dyn_ref::<MessageEvent>().is_some_and(|event| kind(&event.data()) == "closed");
            if let Some(closed) = closed.borrow_mut().take_if(|_| is_closed) {
                // Nobody waits any more: it took too long.
                closed.send(()).ok();
            }
        });
        port.post_message(&message("close", &[])).ok();
        // A context that the system holds back never runs.
        select(last, TimeoutFuture::new(LAST_RUN_MS)).await;
        port.close();
    }
    node.disconnect().ok();
    drop(hall);
}

/// Puts the worklet between microphone and loudspeaker, and leads it to the worker.
fn connect(
    context: &AudioContext,
    worker: &Worker,
    module: &Module,
) -> Result<(AudioWorkletNode, MediaStreamAudioDestinationNode), Failed> {
    let given = Object::new();
    Reflect::set(&given, &"module".into(), module)?;
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

fn hear(told: &JsValue) -> Option<Tells> {
    match kind(told).as_str() {
        "frame" => Made::from(told).map(Tells::Frame),
        "playing" => Some(Tells::Playing(told.dyn_ref::<Object>()?.clone())),
        "stats" => Some(Tells::Stats(told.clone())),
        "failed" => Some(Tells::Failed),
        _ => None,
    }
}
