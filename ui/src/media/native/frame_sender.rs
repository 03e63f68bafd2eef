//! Sends encoded frames to the app, as many as it keeps up with.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use hutong_core::native::{FrameHeader, FrameKind, NativeId, NativeProblem};
use wasm_bindgen_futures::spawn_local;

use super::{
    app::App,
    gate::{Gate, Next},
    worker::Made,
};

/// Frames of the picture that may be on their way to the app. More says that it does not keep up: frames are left out.
const PICTURES_UNDER_WAY: usize = 8;
/// Packets of voice that may be on their way to the app: a second.
const VOICES_UNDER_WAY: usize = 50;

/// Counts what is on its way to the app.
pub struct FrameSender {
    app: App,
    pictures: RefCell<Gate>,
    voices: Cell<usize>,
}

impl FrameSender {
    /// Nothing is on its way.
    pub fn new(app: App) -> Rc<Self> {
        Rc::new(Self { app, pictures: RefCell::new(Gate::new(PICTURES_UNDER_WAY)), voices: Cell::new(0) })
    }

    /// Sends a frame of the picture, where there is room and nothing before it is missing. The encoder is asked for a keyframe
    /// where the next frame has to be one.
    pub fn send_picture(self: &Rc<Self>, id: Option<NativeId>, made: Made, want_keyframe: impl Fn() + 'static) {
        let apply = move |next| {
            if next == Next::Ask {
                want_keyframe();
            }
        };
        let next = self.pictures.borrow_mut().made(made.keyframe);
        if next != Next::Send {
            return apply(next);
        }
        let sent = self.send(id, FrameKind::Picture, made);
        let sender = Rc::clone(self);
        spawn_local(async move {
            let refused = sent.await == Err(NativeProblem::KeyframeNeeded);
            let next = sender.pictures.borrow_mut().ended(refused);
            apply(next);
        });
    }

    /// Sends a packet of voice, where there is room.
    pub fn send_voice(self: &Rc<Self>, id: Option<NativeId>, made: Made) {
        if self.voices.get() >= VOICES_UNDER_WAY {
            return;
        }
        self.voices.set(self.voices.get() + 1);
        let sent = self.send(id, FrameKind::Voice, made);
        let sender = Rc::clone(self);
        spawn_local(async move {
            // One that was not taken is not worth sending again.
            let _ = sent.await;
            sender.voices.set(sender.voices.get().saturating_sub(1));
        });
    }

    /// Begins to send at once: frames must not overtake each other.
    fn send(
        &self,
        id: Option<NativeId>,
        kind: FrameKind,
        made: Made,
    ) -> impl Future<Output = Result<(), NativeProblem>> + use<> {
        let Made { keyframe, timestamp, captured, .. } = made;
        let sent = id.map(|connection| {
            self.app.send(&made.message(FrameHeader { kind, keyframe, connection, timestamp, captured }))
        });
        async move {
            match sent {
                Some(sent) => sent.await,
                None => Err(NativeProblem::NotSending),
            }
        }
    }
}
