//! Fallback for webviews whose workers lack `MediaStreamTrackProcessor` and `VideoTrackGenerator`: captures and renders video
//! frames on the main thread. It costs more, and stops while the window is hidden.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
};

use js_sys::{Function, Reflect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, HtmlVideoElement, MediaStream, MediaStreamTrack, Worker};

use super::worker::{message, post};
use crate::dom;

/// Captures the local track through a `<video>` element, and renders decoded frames into a `<canvas>` element.
pub struct MainThreadVideo {
    me: Weak<Self>,
    worker: Worker,
    capture: RefCell<Option<CaptureElement>>,
    canvas: RefCell<Option<(HtmlCanvasElement, CanvasRenderingContext2d)>>,
}

/// A track that plays in a detached `<video>` element. Stops the track on drop.
struct CaptureElement {
    track: MediaStreamTrack,
    video: HtmlVideoElement,
    on_frame: Closure<dyn FnMut(JsValue, JsValue)>,
}

impl MainThreadVideo {
    /// Creates an inactive fallback for this worker.
    pub fn new(worker: Worker) -> Rc<Self> {
        Rc::new_cyclic(|me| Self { me: me.clone(), worker, capture: RefCell::default(), canvas: RefCell::default() })
    }

    /// Sends the frames of this track to the worker, instead of any other track's.
    pub fn capture(&self, track: Option<MediaStreamTrack>) {
        self.capture.take();
        if let Some(capture) = track.and_then(|track| CaptureElement::start(track, self.me.clone())) {
            capture.request_frame();
            self.capture.replace(Some(capture));
        }
    }

    /// Creates the track of the rendered frames.
    pub fn create_track(&self) -> Option<MediaStreamTrack> {
        let canvas: HtmlCanvasElement = dom::window()?.document()?.create_element("canvas").ok()?.dyn_into().ok()?;
        let context: CanvasRenderingContext2d = canvas.get_context("2d").ok()??.dyn_into().ok()?;
        let stream = canvas.capture_stream().ok()?;
        self.canvas.replace(Some((canvas, context)));
        stream.get_video_tracks().get(0).dyn_into().ok()
    }

    /// Draws a `VideoFrame` and closes it.
    pub fn render(&self, frame: &JsValue) {
        if let Some((canvas, context)) = &*self.canvas.borrow() {
            let length =
                |name| dom::property(frame, name).and_then(|length| length.as_f64()).unwrap_or_default() as u32;
            let (width, height) = (length("displayWidth"), length("displayHeight"));
            if (canvas.width(), canvas.height()) != (width, height) {
                canvas.set_width(width);
                canvas.set_height(height);
            }
            // By name, because web-sys counts `drawImage` with a `VideoFrame` as unstable.
            call(context, "drawImage", &[frame, &0.into(), &0.into()]);
        }
        call(frame, "close", &[]);
    }

    fn on_frame(&self) {
        let capture = self.capture.borrow();
        let Some(capture) = &*capture else { return };
        if let Some(frame) = capture.grab_frame() {
            // Fails only after the worker has ended.
            post(&self.worker, &message("captured", &[("frame", &frame)]), &[&frame]).ok();
        }
        capture.request_frame();
    }
}

impl CaptureElement {
    fn start(track: MediaStreamTrack, owner: Weak<MainThreadVideo>) -> Option<Self> {
        let video: HtmlVideoElement = dom::window()?.document()?.create_element("video").ok()?.dyn_into().ok()?;
        let stream = MediaStream::new().ok()?;
        stream.add_track(&track);
        video.set_muted(true);
        video.set_src_object(Some(&stream));
        drop(video.play().ok()?);
        let on_frame = Closure::<dyn FnMut(JsValue, JsValue)>::new(move |_, _| {
            if let Some(owner) = owner.upgrade() {
                owner.on_frame();
            }
        });
        Some(Self { track, video, on_frame })
    }

    fn request_frame(&self) {
        call(&self.video, "requestVideoFrameCallback", &[self.on_frame.as_ref()]);
    }

    fn grab_frame(&self) -> Option<JsValue> {
        let constructor: Function = dom::property(&dom::window()?.into(), "VideoFrame")?.dyn_into().ok()?;
        let options = message("frame", &[("timestamp", &(dom::now_ms() * 1000.0).round().into())]);
        let arguments = js_sys::Array::of2(&self.video, &options);
        Reflect::construct(&constructor, &arguments).ok()
    }
}

impl Drop for CaptureElement {
    fn drop(&mut self) {
        self.video.set_src_object(None);
        self.track.stop();
    }
}

fn call(object: &JsValue, method: &str, arguments: &[&JsValue]) {
    if let Some(method) = dom::property(object, method).and_then(|method| method.dyn_into::<Function>().ok()) {
        let arguments: js_sys::Array = arguments.iter().copied().collect();
        // A failure costs one frame.
        Reflect::apply(&method, object, &arguments).ok();
    }
}
