//! Frames in the page, for webviews whose workers have neither `MediaStreamTrackProcessor` nor `VideoTrackGenerator`. Costs
//! more, and stands still while the window is hidden.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
};

use js_sys::{Function, Reflect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, HtmlVideoElement, MediaStream, MediaStreamTrack, Worker};

use super::worker::{message, post};
use crate::dom;

/// What the page does in place of the worker.
pub struct Page {
    me: Weak<Self>,
    worker: Worker,
    capture: RefCell<Option<Capture>>,
    canvas: RefCell<Option<(HtmlCanvasElement, CanvasRenderingContext2d)>>,
}

/// A track that is captured in the page. Its track ends with this value.
struct Capture {
    track: MediaStreamTrack,
    video: HtmlVideoElement,
    frame: Closure<dyn FnMut(JsValue, JsValue)>,
}

impl Page {
    /// Does nothing yet.
    pub fn new(worker: Worker) -> Rc<Self> {
        Rc::new_cyclic(|me| Self { me: me.clone(), worker, capture: RefCell::default(), canvas: RefCell::default() })
    }

    /// Hands the frames of this track to the worker, in place of any other's.
    pub fn capture(&self, track: Option<MediaStreamTrack>) {
        self.capture.take();
        if let Some(capture) = track.and_then(|track| Capture::start(track, self.me.clone())) {
            capture.next();
            self.capture.replace(Some(capture));
        }
    }

    /// A track that shows what is drawn.
    pub fn show(&self) -> Option<MediaStreamTrack> {
        let canvas: HtmlCanvasElement = dom::window()?.document()?.create_element("canvas").ok()?.dyn_into().ok()?;
        let context: CanvasRenderingContext2d = canvas.get_context("2d").ok()??.dyn_into().ok()?;
        let stream = canvas.capture_stream().ok()?;
        self.canvas.replace(Some((canvas, context)));
        stream.get_video_tracks().get(0).dyn_into().ok()
    }

    /// Draws a frame, and lets go of it.
    pub fn draw(&self, frame: &JsValue) {
        if let Some((canvas, context)) = &*self.canvas.borrow() {
            let length =
                |name| dom::property(frame, name).and_then(|length| length.as_f64()).unwrap_or_default() as u32;
            let (width, height) = (length("displayWidth"), length("displayHeight"));
            if (canvas.width(), canvas.height()) != (width, height) {
                canvas.set_width(width);
                canvas.set_height(height);
            }
            // `drawImage` takes a VideoFrame, which the bindings count as unstable.
            call(context, "drawImage", &[frame, &0.into(), &0.into()]);
        }
        call(frame, "close", &[]);
    }

    fn captured(&self) {
        let capture = self.capture.borrow();
        let Some(capture) = &*capture else { return };
        if let Some(frame) = capture.grab() {
            // A worker that has ended takes nothing more.
            post(&self.worker, &message("captured", &[("frame", &frame)]), &[&frame]).ok();
        }
        capture.next();
    }
}

impl Capture {
    fn start(track: MediaStreamTrack, page: Weak<Page>) -> Option<Self> {
        let video: HtmlVideoElement = dom::window()?.document()?.create_element("video").ok()?.dyn_into().ok()?;
        let stream = MediaStream::new().ok()?;
        stream.add_track(&track);
        video.set_muted(true);
        video.set_src_object(Some(&stream));
        drop(video.play().ok()?);
        let frame = Closure::<dyn FnMut(JsValue, JsValue)>::new(move |_, _| {
            if let Some(page) = page.upgrade() {
                page.captured();
            }
        });
        Some(Self { track, video, frame })
    }

    fn next(&self) {
        call(&self.video, "requestVideoFrameCallback", &[self.frame.as_ref()]);
    }

    fn grab(&self) -> Option<JsValue> {
        let constructor: Function = dom::property(&dom::window()?.into(), "VideoFrame")?.dyn_into().ok()?;
        let options = message("frame", &[("timestamp", &(dom::now_ms() * 1000.0).round().into())]);
        let arguments = js_sys::Array::of2(&self.video, &options);
        Reflect::construct(&constructor, &arguments).ok()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.video.set_src_object(None);
        self.track.stop();
    }
}

fn call(object: &JsValue, method: &str, arguments: &[&JsValue]) {
    if let Some(method) = dom::property(object, method).and_then(|method| method.dyn_into::<Function>().ok()) {
        let arguments: js_sys::Array = arguments.iter().copied().collect();
        // What fails here is a frame less.
        Reflect::apply(&method, object, &arguments).ok();
    }
}
