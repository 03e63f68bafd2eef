//! Audio of a native connection: a worklet on the audio thread captures the microphone and plays remote audio, a worker
//! encodes and decodes. The worklet is `ui/static-app/voice-worklet.js` around `crates/voice` (jitter buffer, echo cancellation).

use std::{cell::RefCell, rc::Rc};

use futures_channel::oneshot;
use futures_util::future::select;
use gloo_timers::future::TimeoutFuture;
use hutong_core::native_peer::FrameHeader;
use js_sys::{ArrayBuffer, Object, Reflect, WebAssembly::Module};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{
    AudioContext, AudioWorkletNode, AudioWorkletNodeOptions, MediaStream, MediaStreamAudioDestinationNode,
    MediaStreamAudioSourceNode, MediaStreamTrack, MessageChannel, MessageEvent, Worker,
};

use super::{
    super::connection::ConnectionError,
    audio_context::CallAudioContext,
    worker::{WorkerFrame, message, message_type, post, post_frame, spawn_worker},
};
use crate::dom::EventListener;

/// Timeout for the last `process()` call of the worklet's node, in milliseconds. It is called every 3 ms.
const LAST_PROCESS_TIMEOUT_MS: u32 = 1_000;

/// An event of the audio worker or worklet.
pub enum AudioEvent {
    /// An encoded packet to send.
    Frame(WorkerFrame),
    /// Capture time, on the sender's clock, of the audio that is playing now: a message for the video worker.
    Playing(Object),
    /// Counters of the worker.
    Stats(JsValue),
    /// Audio has failed for the rest of the call.
    Failed,
}

/// Handle of the audio worker and worklet. Ends both on drop.
pub struct NativeAudio {
    audio: Rc<CallAudioContext>,
    node: AudioWorkletNode,
    destination: MediaStreamAudioDestinationNode,
    microphone: RefCell<Option<MediaStreamAudioSourceNode>>,
    worker: Worker,
    _listeners: [EventListener; 2],
}

impl NativeAudio {
    /// Starts worklet and worker.
    pub async fn start(emit: impl Fn(AudioEvent) + 'static) -> Result<Self, ConnectionError> {
        let (audio, module) = CallAudioContext::open().await?;
        let audio = Rc::new(audio);
        let worker = spawn_worker("native-audio")?;
        let (node, destination) = connect_nodes(&audio.context, &worker, &module)?;

        let emit = Rc::new(emit);
        let worker_listener = {
            let emit = Rc::clone(&emit);
            EventListener::new(&worker, "message", move |event| {
                if let Some(event) = event.dyn_ref::<MessageEvent>().and_then(|event| parse_message(&event.data())) {
                    emit(event);
                }
            })
        };
        let port = node.port()?;
        port.start();
        let worklet_listener = EventListener::new(&port, "message", move |event| {
            let failed = event.dyn_ref::<MessageEvent>().is_some_and(|event| message_type(&event.data()) == "failed");
            if failed {
                emit(AudioEvent::Failed);
            }
        });
        Ok(Self {
            audio,
            node,
            destination,
            microphone: RefCell::default(),
            worker,
            _listeners: [worker_listener, worklet_listener],
        })
    }

    /// The track of the remote audio.
    pub fn remote_track(&self) -> Option<MediaStreamTrack> {
        self.destination.stream().get_audio_tracks().get(0).dyn_into().ok()
    }

    /// Sets the local track, or stops sending.
    pub fn send(&self, track: Option<&MediaStreamTrack>) -> Result<(), ConnectionError> {
        if let Some(previous) = self.microphone.take() {
            previous.disconnect()?;
        }
        if let Some(track) = track {
            let stream = MediaStream::new()?;
            stream.add_track(track);
            let microphone = self.audio.context.create_media_stream_source(&stream)?;
            microphone.connect_with_audio_node(&self.node)?;
            self.microphone.replace(Some(microphone));
        }
        self.audio.resume();
        self.post("sending", &[("on", &track.is_some().into())]);
        Ok(())
    }

    /// Decodes a received packet.
    pub fn decode(&self, header: &FrameHeader, buffer: &ArrayBuffer) {
        post_frame(&self.worker, header, buffer);
    }

    /// Requests [`AudioEvent::Stats`].
    pub fn request_stats(&self) {
        self.post("stats", &[]);
    }

    fn post(&self, message_type: &str, members: &[(&str, &JsValue)]) {
        // Fails only after the worker has ended.
        post(&self.worker, &message(message_type, members), &[]).ok();
    }
}

impl Drop for NativeAudio {
    fn drop(&mut self) {
        if let Some(microphone) = self.microphone.take() {
            microphone.disconnect().ok();
        }
        self.post("close", &[]);
        spawn_local(close(Rc::clone(&self.audio), self.node.clone()));
    }
}

/// Closes the worklet's node, then the context. `WebKitGTK` 2.50 leaks both, with the audio thread, if the context closes
/// before its nodes have processed for the last time.
async fn close(audio: Rc<CallAudioContext>, node: AudioWorkletNode) {
    if let Ok(port) = node.port() {
        let (sender, closed) = oneshot::channel();
        let sender = RefCell::new(Some(sender));
        let _listener = EventListener::new(&port, "message", move |event| {
            let is_closed =
                event.dyn_ref::<MessageEvent>().is_some_and(|event| message_type(&event.data()) == "closed");
            if let Some(sender) = sender.borrow_mut().take_if(|_| is_closed) {
                // Fails after the timeout.
                sender.send(()).ok();
            }
        });
        port.post_message(&message("close", &[])).ok();
        // A suspended context never processes.
        select(closed, TimeoutFuture::new(LAST_PROCESS_TIMEOUT_MS)).await;
        port.close();
    }
    node.disconnect().ok();
    drop(audio);
}

/// Creates the worklet's node, connects it to its destination, and connects worklet and worker by a message channel.
fn connect_nodes(
    context: &AudioContext,
    worker: &Worker,
    module: &Module,
) -> Result<(AudioWorkletNode, MediaStreamAudioDestinationNode), ConnectionError> {
    let processor_options = Object::new();
    Reflect::set(&processor_options, &"module".into(), module)?;
    let options = AudioWorkletNodeOptions::new();
    options.set_number_of_inputs(1);
    options.set_number_of_outputs(1);
    options.set_output_channel_count(&js_sys::Array::of1(&1.into()));
    options.set_processor_options(Some(&processor_options));
    let node = AudioWorkletNode::new_with_options(context, "hutong-voice", &options)?;
    let destination = context.create_media_stream_destination()?;
    node.connect_with_audio_node(&destination)?;
    let channel = MessageChannel::new()?;
    let (worklet_port, worker_port) = (channel.port1(), channel.port2());
    let transfer = js_sys::Array::of1(&worklet_port);
    node.port()?.post_message_with_transferable(&message("connect", &[("port", &worklet_port)]), &transfer)?;
    let header = JsValue::from(FrameHeader::SIZE as u32);
    post(worker, &message("begin", &[("header", &header), ("port", &worker_port)]), &[&worker_port])?;
    Ok((node, destination))
}

fn parse_message(message: &JsValue) -> Option<AudioEvent> {
    match message_type(message).as_str() {
        "frame" => WorkerFrame::parse(message).map(AudioEvent::Frame),
        "playing" => Some(AudioEvent::Playing(message.dyn_ref::<Object>()?.clone())),
        "stats" => Some(AudioEvent::Stats(message.clone())),
        "failed" => Some(AudioEvent::Failed),
        _ => None,
    }
}
