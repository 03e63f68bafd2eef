//! Video of a native connection: a worker encodes the local track's frames, and decodes received frames into a track.

use std::rc::Rc;

use hutong_core::native_peer::FrameHeader;
use js_sys::{ArrayBuffer, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MediaStreamTrack, MessageEvent, Worker};

use super::{
    super::connection::ConnectionError,
    main_thread_video::MainThreadVideo,
    worker::{WorkerFrame, message, message_type, post, post_frame, spawn_worker},
};
use crate::dom::{self, EventListener};

/// An event of the video worker.
pub enum VideoEvent {
    /// An encoded frame to send.
    Frame(WorkerFrame),
    /// The track of decoded frames.
    RemoteTrack(MediaStreamTrack),
    /// The decoder needs a keyframe from the remote side.
    KeyframeNeeded,
    /// Counters of the worker.
    Stats(JsValue),
}

/// Handle of the video worker. Ends the worker on drop.
pub struct NativeVideo {
    worker: Worker,
    main_thread: Rc<MainThreadVideo>,
    _listener: EventListener,
}

impl NativeVideo {
    /// Starts the worker.
    pub fn start(emit: impl Fn(VideoEvent) + 'static) -> Result<Self, ConnectionError> {
        let worker = spawn_worker("native-video")?;
        let main_thread = MainThreadVideo::new(worker.clone());
        let listener = {
            let main_thread = Rc::clone(&main_thread);
            EventListener::new(&worker, "message", move |event| {
                let Some(event) = event.dyn_ref::<MessageEvent>() else { return };
                if let Some(event) = handle_message(&event.data(), &main_thread) {
                    emit(event);
                }
            })
        };
        post(&worker, &message("begin", &[("header", &(FrameHeader::SIZE as u32).into())]), &[])?;
        Ok(Self { worker, main_thread, _listener: listener })
    }

    /// Sets the local track, or stops sending.
    pub fn send(&self, track: Option<&MediaStreamTrack>) -> Result<(), ConnectionError> {
        // The worker gets a clone: a transferred track is no longer usable in the page, which still shows it.
        let clone = track.map_or(JsValue::NULL, |track| track.clone().into());
        self.main_thread.capture(None);
        let message = message("track", &[("track", &clone)]);
        if clone.is_null() { post(&self.worker, &message, &[]) } else { post(&self.worker, &message, &[&clone]) }
    }

    /// Sets the target bitrate of the encoder, in bits per second.
    pub fn set_bitrate(&self, bits: u32) {
        self.post("bitrate", &[("bits", &bits.into())]);
    }

    /// Has the encoder produce a keyframe next.
    pub fn request_keyframe(&self) {
        self.post("keyframe", &[]);
    }

    /// Decodes a received frame.
    pub fn decode(&self, header: &FrameHeader, buffer: &ArrayBuffer) {
        post_frame(&self.worker, header, buffer);
    }

    /// Synchronizes the display with the audio playout, as reported by the audio worker.
    pub fn sync_to_audio(&self, playing: &Object) {
        // Fails only after the worker has ended.
        post(&self.worker, playing, &[]).ok();
    }

    /// Requests [`VideoEvent::Stats`].
    pub fn request_stats(&self) {
        self.post("stats", &[]);
    }

    fn post(&self, message_type: &str, members: &[(&str, &JsValue)]) {
        // Fails only after the worker has ended.
        post(&self.worker, &message(message_type, members), &[]).ok();
    }
}

impl Drop for NativeVideo {
    /// Asks the worker to stop the camera and end itself. After `Worker.terminate()` the camera would stay on until garbage
    /// collection.
    fn drop(&mut self) {
        self.main_thread.capture(None);
        self.post("close", &[]);
    }
}

fn handle_message(message: &JsValue, main_thread: &Rc<MainThreadVideo>) -> Option<VideoEvent> {
    match message_type(message).as_str() {
        "frame" => WorkerFrame::parse(message).map(VideoEvent::Frame),
        "track" => Some(VideoEvent::RemoteTrack(dom::property(message, "track")?.dyn_into().ok()?)),
        // In this webview only the main thread can read frames from a track, and make a track of frames.
        "capture-on-main-thread" => {
            main_thread.capture(dom::property(message, "track")?.dyn_into().ok());
            None
        }
        "render-on-main-thread" => main_thread.create_track().map(VideoEvent::RemoteTrack),
        "render" => {
            main_thread.render(&Reflect::get(message, &"frame".into()).ok()?);
            None
        }
        "keyframe-wanted" => Some(VideoEvent::KeyframeNeeded),
        "stats" => Some(VideoEvent::Stats(message.clone())),
        _ => None,
    }
}
