//! Sends encoded frames to the app with bounded concurrency, and drops frames when the app does not keep up.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use hutong_core::native_peer::{FrameHeader, FrameKind, NativePeerError, NativePeerId};
use wasm_bindgen_futures::spawn_local;

use super::{
    app_peer::AppPeer,
    send_window::{FrameAction, SendWindow},
    worker::WorkerFrame,
};

/// Video frames in flight to the app. With more, the app does not keep up.
const MAX_VIDEO_IN_FLIGHT: usize = 8;
/// Audio packets in flight to the app: one second.
const MAX_AUDIO_IN_FLIGHT: usize = 50;

/// Sends frames, and counts those in flight.
pub struct FrameSender {
    app: AppPeer,
    video: RefCell<SendWindow>,
    audio_in_flight: Cell<usize>,
}

impl FrameSender {
    /// Creates a sender with nothing in flight.
    pub fn new(app: AppPeer) -> Rc<Self> {
        let video = RefCell::new(SendWindow::new(MAX_VIDEO_IN_FLIGHT));
        Rc::new(Self { app, video, audio_in_flight: Cell::new(0) })
    }

    /// Sends a video frame, or drops it when the window is full or its reference frame was dropped. Calls
    /// `request_keyframe` when the encoder has to produce one.
    pub fn send_video(
        self: &Rc<Self>,
        id: Option<NativePeerId>,
        frame: WorkerFrame,
        request_keyframe: impl Fn() + 'static,
    ) {
        let apply = move |action| {
            if action == FrameAction::RequestKeyframe {
                request_keyframe();
            }
        };
        let action = self.video.borrow_mut().on_frame(frame.keyframe);
        if action != FrameAction::Send {
            return apply(action);
        }
        let sent = self.send(id, FrameKind::Video, frame);
        let sender = Rc::clone(self);
        spawn_local(async move {
            let refused = sent.await == Err(NativePeerError::KeyframeNeeded);
            let action = sender.video.borrow_mut().on_completion(refused);
            apply(action);
        });
    }

    /// Sends an audio packet, or drops it when too many are in flight.
    pub fn send_audio(self: &Rc<Self>, id: Option<NativePeerId>, frame: WorkerFrame) {
        if self.audio_in_flight.get() >= MAX_AUDIO_IN_FLIGHT {
            return;
        }
        self.audio_in_flight.set(self.audio_in_flight.get() + 1);
        let sent = self.send(id, FrameKind::Audio, frame);
        let sender = Rc::clone(self);
        spawn_local(async move {
            // A refused packet is not repeated: it would arrive too late.
            let _ = sent.await;
            sender.audio_in_flight.set(sender.audio_in_flight.get().saturating_sub(1));
        });
    }

    /// Starts the request before it returns, so that frames keep their order.
    fn send(
        &self,
        id: Option<NativePeerId>,
        kind: FrameKind,
        frame: WorkerFrame,
    ) -> impl Future<Output = Result<(), NativePeerError>> + use<> {
        let WorkerFrame { keyframe, timestamp, captured, .. } = frame;
        let sent = id.map(|connection| {
            self.app.send_frame(&frame.into_message(FrameHeader { kind, keyframe, connection, timestamp, captured }))
        });
        async move {
            match sent {
                Some(sent) => sent.await,
                None => Err(NativePeerError::NotSending),
            }
        }
    }
}
