//! The picture: a worker encodes the camera's or screen's frames and decodes those of the other side into a track.

use std::rc::Rc;

use hutong_core::native::FrameHeader;
use js_sys::{ArrayBuffer, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MediaStreamTrack, MessageEvent, Worker};

use super::{
    super::connection::Failed,
    picture_page::Page,
    worker::{Made, kind, message, pass, post, worker},
};
use crate::dom::{self, Listener};

/// What the worker tells.
pub enum Tells {
    /// A frame to send.
    Frame(Made),
    /// The other side's picture.
    Track(MediaStreamTrack),
    /// The decoder cannot go on without a keyframe.
    KeyframeWanted,
    /// What it has counted.
    Stats(JsValue),
}

/// The picture of one connection. Its worker ends with this value.
pub struct Picture {
    worker: Worker,
    page: Rc<Page>,
    _listener: Listener,
}

impl Picture {
    /// Starts the worker.
    pub fn start(tell: impl Fn(Tells) + 'static) -> Result<Self, Failed> {
        let worker = worker("native-picture")?;
        let page = Page::new(worker.clone());
        let listener = {
            let page = Rc::clone(&page);
            Listener::new(&worker, "message", move |event| {
                let Some(event) = event.dyn_ref::<MessageEvent>() else { return };
                if let Some(told) = hear(&event.data(), &page) {
                    tell(told);
                }
            })
        };
        post(&worker, &message("begin", &[("header", &(FrameHeader::SIZE as u32).into())]), &[])?;
        Ok(Self { worker, page, _listener: listener })
    }

    /// Sends this track's frames from now on; of none, nothing.
    pub fn send(&self, track: Option<&MediaStreamTrack>) -> Result<(), Failed> {
        // The worker gets a copy of its own, since what is given to a worker is gone here, and is still shown.
        let own = track.map_or(JsValue::NULL, |track| track.clone().into());
        self.page.capture(None);
        let told = message("track", &[("track", &own)]);
        if own.is_null() { post(&self.worker, &told, &[]) } else { post(&self.worker, &told, &[&own]) }
    }

    /// So many bits a second may be sent.
    pub fn allow(&self, bits: u32) {
        self.tell("bitrate", &[("bits", &bits.into())]);
    }

    /// The next frame is to be a keyframe.
    pub fn want_keyframe(&self) {
        self.tell("keyframe", &[]);
    }

    /// Takes a frame of the other side.
    pub fn take(&self, header: &FrameHeader, buffer: &ArrayBuffer) {
        pass(&self.worker, header, buffer);
    }

    /// Has it keep with the voice, whose worker tells so which moment is heard and when that was.
    pub fn keep_with(&self, playing: &Object) {
        // A worker that has ended takes nothing more.
        post(&self.worker, playing, &[]).ok();
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

impl Drop for Picture {
    /// The worker lets go of the camera before it ends: ended from here, it would leave that to the collector.
    fn drop(&mut self) {
        self.page.capture(None);
        self.tell("close", &[]);
    }
}

fn hear(told: &JsValue, page: &Rc<Page>) -> Option<Tells> {
    match kind(told).as_str() {
        "frame" => Made::from(told).map(Tells::Frame),
        "track" => Some(Tells::Track(dom::property(told, "track")?.dyn_into().ok()?)),
        // This webview takes frames from tracks, and makes tracks of frames, in the page alone.
        "uncaptured" => {
            page.capture(dom::property(told, "track")?.dyn_into().ok());
            None
        }
        "untracked" => page.show().map(Tells::Track),
        "picture" => {
            page.draw(&Reflect::get(told, &"frame".into()).ok()?);
            None
        }
        "keyframe-wanted" => Some(Tells::KeyframeWanted),
        "stats" => Some(Tells::Stats(told.clone())),
        _ => None,
    }
}
