//! One connection over the app's native peer.

use std::{
    cell::{Cell, RefCell},
    future::{poll_fn, ready},
    rc::{Rc, Weak},
    task::Poll,
};

use futures_util::FutureExt;
use hutong_core::{
    MediaProblem,
    native::{FrameHeader, FrameKind, NativeId, Order, Reply, Told},
};
use hutong_protocol::{IceCandidate, IceServer};
use js_sys::ArrayBuffer;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use web_sys::MediaStreamTrack;
use yew::Callback;

use super::{
    super::connection::{Connection, ConnectionEvent, Failed, Pending, TrackKind},
    app::{App, Heard},
    codecs,
    frame_sender::FrameSender,
    picture::{self, Picture},
    state::{Effect, PhaseEvent, State},
    stats,
    voice::{self, Voice},
    worker_slot::WorkerSlot,
};
use crate::driver::Internals;

/// One connection. Closed when dropped.
pub struct Native(Rc<Inner>);

struct Inner {
    app: App,
    events: Callback<ConnectionEvent>,
    state: RefCell<State>,
    signaling: Cell<Signaling>,
    workers: RefCell<Workers>,
    frames: Rc<FrameSender>,
    /// What the workers counted last.
    counted: RefCell<Counted>,
}

/// The workers of both kinds of media.
#[derive(Default)]
struct Workers {
    picture: WorkerSlot<Picture, MediaStreamTrack>,
    voice: WorkerSlot<Voice, MediaStreamTrack>,
}

/// As `RTCSignalingState`, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signaling {
    Stable,
    HaveLocalOffer,
}

#[derive(Default)]
struct Counted {
    picture: Option<JsValue>,
    voice: Option<JsValue>,
}

impl Native {
    /// Begins to make it.
    pub fn begin(
        internals: Internals,
        ice_servers: &[IceServer],
        events: Callback<ConnectionEvent>,
    ) -> Result<Rc<dyn Connection>, Failed> {
        let app = App::new(internals);
        let inner = Rc::new(Inner {
            app: app.clone(),
            events,
            state: RefCell::default(),
            signaling: Cell::new(Signaling::Stable),
            workers: RefCell::default(),
            frames: FrameSender::new(app),
            counted: RefCell::default(),
        });
        // The picture does not wait for the voice: a keyframe that comes before there is a worker is lost, and the next takes its
        // time.
        spawn_local(start_picture(Rc::downgrade(&inner)));
        spawn_local(check_codecs(Rc::downgrade(&inner)));
        spawn_local(start_voice(Rc::downgrade(&inner)));
        spawn_local(open_and_listen(Rc::downgrade(&inner), inner.app.clone(), ice_servers.to_vec()));
        Ok(Rc::new(Self(inner)))
    }

    /// Has the app do something as soon as it can.
    fn order(&self, order: Order) -> Pending<Reply> {
        let inner = Rc::clone(&self.0);
        async move { inner.order(&order).await }.boxed_local()
    }

    /// The same, for a description.
    fn describe(&self, order: Order, signaling: Signaling) -> Pending<String> {
        let inner = Rc::clone(&self.0);
        async move {
            let Reply::Sdp(sdp) = inner.order(&order).await? else { return Err(Failed) };
            inner.signaling.set(signaling);
            Ok(sdp)
        }
        .boxed_local()
    }
}

impl Connection for Native {
    fn offer(&self, restart_ice: bool) -> Pending<String> {
        self.describe(Order::Offer { restart_ice }, Signaling::HaveLocalOffer)
    }

    fn answer(&self, offer: &str) -> Pending<String> {
        self.describe(Order::Answer { offer: offer.to_owned() }, Signaling::Stable)
    }

    fn accept(&self, answer: &str) -> Pending<()> {
        let inner = Rc::clone(&self.0);
        let answer = answer.to_owned();
        async move {
            inner.order(&Order::Accept { answer }).await?;
            inner.signaling.set(Signaling::Stable);
            Ok(())
        }
        .boxed_local()
    }

    fn offered(&self) -> bool {
        self.0.signaling.get() == Signaling::HaveLocalOffer
    }

    fn add_candidate(&self, candidate: &IceCandidate) -> Pending<()> {
        let done = self.order(Order::Candidate { candidate: candidate.clone() });
        // It waits for no other: a round trip to the app takes 10 to 30 ms where processors are short, and the one that the call will go
        // by is rarely the first. One that does not fit is passed over: others do.
        spawn_local(async move { drop(done.await) });
        ready(Ok(())).boxed_local()
    }

    fn send(&self, kind: TrackKind, track: Option<&MediaStreamTrack>) -> Pending<()> {
        let inner = Rc::clone(&self.0);
        inner.workers.borrow_mut().set_track(kind, track.cloned());
        async move {
            // A call that cannot come about rings nobody.
            inner.open().await?;
            inner.flush(kind)
        }
        .boxed_local()
    }

    fn send_text(&self, text: &str) {
        let done = self.order(Order::Text { text: text.to_owned() });
        spawn_local(async move {
            // Before the channel is open there is nobody to read it, and when it opens all is told anew.
            drop(done.await);
        });
    }

    fn stats(&self) -> Pending<Vec<serde_json::Value>> {
        let inner = Rc::clone(&self.0);
        async move {
            let Reply::Stats(stats) = inner.order(&Order::Stats).await? else { return Err(Failed) };
            let stats = serde_json::from_str(&stats).map_err(|_| Failed)?;
            let counted = inner.count();
            Ok(stats::complete(stats, counted))
        }
        .boxed_local()
    }

    fn close(&self) {
        self.0.close();
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Inner {
    /// Waits until it is open.
    async fn open(&self) -> Result<NativeId, Failed> {
        poll_fn(|context| self.state.borrow_mut().poll_open(context)).await
    }

    async fn order(&self, order: &Order) -> Result<Reply, Failed> {
        let id = self.open().await?;
        self.app.order(id, order).await
    }

    /// Takes up what happened, and does what is to be done about it.
    fn step(&self, event: PhaseEvent) {
        let effect = self.state.borrow_mut().step(event);
        match effect {
            Effect::None => {}
            Effect::Report(problem) => self.tell(ConnectionEvent::Problem(problem)),
            Effect::ClosePeer(id) => {
                let app = self.app.clone();
                spawn_local(async move { drop(app.order(id, &Order::Close).await) });
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.state.borrow().is_closed()
    }

    fn close(&self) {
        let ended = self.workers.borrow_mut().end();
        drop(ended);
        self.step(PhaseEvent::Close);
    }

    /// Gives the worker the track that is to be sent, where there is a worker for it.
    fn flush(&self, kind: TrackKind) -> Result<(), Failed> {
        let mut workers = self.workers.borrow_mut();
        match kind {
            TrackKind::Voice => workers.voice.flush(|voice, track| voice.send(track.as_ref())),
            TrackKind::Picture => workers.picture.flush(|picture, track| picture.send(track.as_ref())),
        }
    }

    fn tell(&self, event: ConnectionEvent) {
        if !self.is_closed() {
            self.events.emit(event);
        }
    }

    /// Reports a worker that did not start: there will be no call.
    fn report_start(&self, done: Result<(), Failed>) {
        if done.is_err() {
            self.tell(ConnectionEvent::Problem(MediaProblem::Engine));
        }
    }

    fn hear(&self, heard: Heard) {
        match heard {
            Heard::Frame(header, buffer) => self.received(&header, &buffer),
            Heard::Told(Told::Candidate(candidate)) => self.tell(ConnectionEvent::Candidate(candidate)),
            Heard::Told(Told::State(state)) => self.tell(ConnectionEvent::State(state)),
            // Both are there from the start, and silent and dark until something comes.
            Heard::Told(Told::Track(_)) => {}
            Heard::Told(Told::KeyframeWanted) => self.with_picture(Picture::want_keyframe),
            Heard::Told(Told::Bitrate(bits)) => self.with_picture(|picture| picture.allow(bits)),
            Heard::Told(Told::ChannelOpen) => self.tell(ConnectionEvent::ChannelOpen),
            Heard::Told(Told::Text(text)) => self.tell(ConnectionEvent::ChannelText(text)),
        }
    }

    fn received(&self, header: &FrameHeader, buffer: &ArrayBuffer) {
        match header.kind {
            FrameKind::Voice => self.with_voice(|voice| voice.take(header, buffer)),
            FrameKind::Picture => self.with_picture(|picture| picture.take(header, buffer)),
        }
    }

    fn with_picture(&self, act: impl FnOnce(&Picture)) {
        if let Some(picture) = self.workers.borrow().picture.worker() {
            act(picture);
        }
    }

    fn with_voice(&self, act: impl FnOnce(&Voice)) {
        if let Some(voice) = self.workers.borrow().voice.worker() {
            act(voice);
        }
    }

    fn of_picture(self: &Rc<Self>, told: picture::Tells) {
        match told {
            picture::Tells::Frame(made) => {
                let inner = Rc::clone(self);
                self.frames.send_picture(self.peer(), made, move || inner.with_picture(Picture::want_keyframe));
            }
            picture::Tells::Track(track) => self.tell(ConnectionEvent::Track(track)),
            picture::Tells::KeyframeWanted => {
                let inner = Rc::clone(self);
                spawn_local(async move {
                    // Fails only when it is closed.
                    drop(inner.order(&Order::Keyframe).await);
                });
            }
            picture::Tells::Stats(stats) => self.counted.borrow_mut().picture = Some(stats),
        }
    }

    fn of_voice(&self, told: voice::Tells) {
        match told {
            voice::Tells::Frame(made) => self.frames.send_voice(self.peer(), made),
            voice::Tells::Playing(told) => self.with_picture(|picture| picture.keep_with(&told)),
            voice::Tells::Stats(stats) => self.counted.borrow_mut().voice = Some(stats),
            // The call goes on with what there is; the other side sees that nothing is heard.
            voice::Tells::Failed => {}
        }
    }

    fn peer(&self) -> Option<NativeId> {
        self.state.borrow().peer()
    }

    /// What was counted last; the workers count anew meanwhile.
    fn count(&self) -> stats::Workers {
        self.with_picture(Picture::count);
        self.with_voice(Voice::count);
        let counted = self.counted.borrow();
        stats::Workers::from(counted.picture.as_ref(), counted.voice.as_ref())
    }
}

impl Workers {
    fn set_track(&mut self, kind: TrackKind, track: Option<MediaStreamTrack>) {
        match kind {
            TrackKind::Voice => self.voice.set_track(track),
            TrackKind::Picture => self.picture.set_track(track),
        }
    }

    fn end(&mut self) -> Self {
        Self { picture: self.picture.end(), voice: self.voice.end() }
    }
}

/// Asks the app for its peer, and takes what that has, as it comes, until the connection is closed.
async fn open_and_listen(me: Weak<Inner>, app: App, ice_servers: Vec<IceServer>) {
    let opened = app.open(&ice_servers).await;
    match (me.upgrade(), opened) {
        (Some(inner), Ok(id)) => inner.step(PhaseEvent::PeerOpened(id)),
        (Some(inner), Err(Failed)) => inner.step(PhaseEvent::PeerRefused),
        (None, Ok(id)) => drop(app.order(id, &Order::Close).await),
        (None, Err(Failed)) => {}
    }
    let Ok(id) = opened else { return };
    while let Some(batch) = app.next(id).await {
        let Some(inner) = me.upgrade().filter(|inner| !inner.is_closed()) else { return };
        batch.for_each(|heard| inner.hear(heard));
    }
}

/// Finds out whether this webview has the codecs.
async fn check_codecs(me: Weak<Inner>) {
    let missing = codecs::missing().await;
    if let Some(inner) = me.upgrade() {
        inner.step(missing.map_or(PhaseEvent::CodecsFound, PhaseEvent::CodecMissing));
    }
}

/// Waits for a step of a connection that may be dropped meanwhile.
async fn wait<T>(
    me: &Weak<Inner>,
    poll: impl Fn(&mut State, &std::task::Context<'_>) -> Poll<Result<T, Failed>>,
) -> Option<Rc<Inner>> {
    poll_fn(|context| {
        let Some(inner) = me.upgrade() else { return Poll::Ready(None) };
        let done = poll(&mut inner.state.borrow_mut(), context);
        done.map(|done| done.is_ok().then_some(inner))
    })
    .await
}

/// Starts the picture's worker.
async fn start_picture(me: Weak<Inner>) {
    let of_picture = me.clone();
    let picture = Picture::start(move |told| {
        if let Some(inner) = of_picture.upgrade() {
            inner.of_picture(told);
        }
    });
    let Some(inner) = wait(&me, State::poll_open).await else { return };
    inner.report_start(picture.and_then(|picture| {
        inner.workers.borrow_mut().picture.start(picture);
        inner.flush(TrackKind::Picture)
    }));
}

/// Starts the voice's worker and worklet.
async fn start_voice(me: Weak<Inner>) {
    if wait(&me, State::poll_codecs).await.is_none() {
        return;
    }
    let of_voice = me.clone();
    let voice = Voice::start(move |told| {
        if let Some(inner) = of_voice.upgrade() {
            inner.of_voice(told);
        }
    })
    .await;
    let Some(inner) = wait(&me, State::poll_open).await else { return };
    inner.report_start(voice.and_then(|voice| {
        let track = voice.track().ok_or(Failed)?;
        inner.workers.borrow_mut().voice.start(voice);
        inner.tell(ConnectionEvent::Track(track));
        inner.flush(TrackKind::Voice)
    }));
}
