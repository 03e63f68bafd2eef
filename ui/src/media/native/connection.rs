//! One connection over the app's native peer.

use std::{
    cell::{Cell, RefCell},
    future::ready,
    rc::{Rc, Weak},
};

use futures_util::{
    FutureExt,
    future::{LocalBoxFuture, Shared},
};
use hutong_core::{
    MediaProblem,
    native::{FrameHeader, FrameKind, NativeId, NativeProblem, Order, Reply, Told},
};
use hutong_protocol::{IceCandidate, IceServer};
use js_sys::ArrayBuffer;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use web_sys::MediaStreamTrack;
use yew::Callback;

use super::{
    super::connection::{Connection, ConnectionEvent, Failed, Pending, TrackKind},
    Made,
    app::{App, Heard},
    codecs,
    gate::{Gate, Next},
    picture::{self, Picture},
    voice::{self, Voice},
};
use crate::driver::Internals;

/// Frames of the picture that may be on their way to the app. More says that it does not keep up: frames are left out.
const PICTURES_UNDER_WAY: usize = 8;
/// Packets of voice that may be on their way to the app: a second.
const VOICES_UNDER_WAY: usize = 50;

/// One connection. Closed when dropped.
pub struct Native(Rc<Inner>);

struct Inner {
    app: App,
    events: Callback<ConnectionEvent>,
    closed: Cell<bool>,
    id: Cell<Option<NativeId>>,
    /// Waits for the app's peer.
    opened: Step<NativeId>,
    /// Waits for the answer whether this webview has the codecs.
    checked: Step<()>,
    /// What is to be sent of each kind, also while there is no worker for it yet: those take longer than a description, and than
    /// the devices. In the order of [`TrackKind::ALL`].
    wanted: RefCell<[Wanted; 2]>,
    picture: RefCell<Option<Picture>>,
    voice: RefCell<Option<Voice>>,
    signaling: Cell<Signaling>,
    pictures: RefCell<Gate>,
    voices_under_way: Cell<usize>,
    /// What the workers counted last.
    counted: RefCell<Counted>,
}

/// A step that several wait for.
type Step<T> = Shared<LocalBoxFuture<'static, Result<T, Failed>>>;

/// What is to be sent of one kind.
#[derive(Default)]
enum Wanted {
    /// The worker knows; at first, that it is nothing.
    #[default]
    Known,
    /// To be told, once: WebKitGTK 2.50 keeps every microphone that was ever led into a context, as long as that is there.
    ToBeTold(Option<MediaStreamTrack>),
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
        let inner = Rc::new_cyclic(|me: &Weak<Inner>| {
            let opened = open(app.clone(), ice_servers.to_vec()).boxed_local().shared();
            let checked = check_codecs(me.clone()).boxed_local().shared();
            // The picture does not wait for the voice: a keyframe that comes before there is a worker is lost, and the next takes its
            // time.
            let picture = furnish_picture(me.clone(), opened.clone(), checked.clone());
            spawn_local(furnish(me.clone(), picture, checked.clone()));
            let voice = furnish_voice(me.clone(), opened.clone(), checked.clone());
            spawn_local(furnish(me.clone(), voice, checked.clone()));
            Inner {
                app,
                events,
                closed: Cell::new(false),
                id: Cell::new(None),
                opened,
                checked,
                wanted: RefCell::default(),
                picture: RefCell::default(),
                voice: RefCell::default(),
                signaling: Cell::new(Signaling::Stable),
                pictures: RefCell::new(Gate::new(PICTURES_UNDER_WAY)),
                voices_under_way: Cell::new(0),
                counted: RefCell::default(),
            }
        });
        spawn_local(listen(Rc::downgrade(&inner), inner.app.clone(), inner.opened.clone()));
        Ok(Rc::new(Self(inner)))
    }

    /// Has the app do something as soon as it can.
    fn order(&self, order: Order) -> Pending<Reply> {
        let inner = Rc::clone(&self.0);
        async move { inner.order(&order).await }.boxed_local()
    }
}

impl Connection for Native {
    fn offer(&self, restart_ice: bool) -> Pending<String> {
        let inner = Rc::clone(&self.0);
        async move {
            let sdp = described(inner.order(&Order::Offer { restart_ice }).await?)?;
            inner.signaling.set(Signaling::HaveLocalOffer);
            Ok(sdp)
        }
        .boxed_local()
    }

    fn answer(&self, offer: &str) -> Pending<String> {
        let inner = Rc::clone(&self.0);
        let offer = offer.to_owned();
        async move {
            let sdp = described(inner.order(&Order::Answer { offer }).await?)?;
            inner.signaling.set(Signaling::Stable);
            Ok(sdp)
        }
        .boxed_local()
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
        inner.wanted.borrow_mut()[kind as usize] = Wanted::ToBeTold(track.cloned());
        async move {
            // A call that cannot come about rings nobody.
            inner.checked.clone().await?;
            inner.opened.clone().await?;
            if inner.closed.get() { Err(Failed) } else { inner.pass_on(kind) }
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
            Ok(super::stats::complete(stats, counted))
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
    async fn order(&self, order: &Order) -> Result<Reply, Failed> {
        let id = self.opened.clone().await?;
        if self.closed.get() {
            return Err(Failed);
        }
        self.app.order(id, order).await
    }

    /// Has what is wanted sent, where there is a worker for it.
    fn pass_on(&self, kind: TrackKind) -> Result<(), Failed> {
        let (voice, picture) = (self.voice.borrow(), self.picture.borrow());
        let is_there = match kind {
            TrackKind::Voice => voice.is_some(),
            TrackKind::Picture => picture.is_some(),
        };
        if !is_there {
            return Ok(());
        }
        let Wanted::ToBeTold(track) = std::mem::take(&mut self.wanted.borrow_mut()[kind as usize]) else {
            return Ok(());
        };
        match kind {
            TrackKind::Voice => voice.as_ref().map_or(Ok(()), |voice| voice.send(track.as_ref())),
            TrackKind::Picture => picture.as_ref().map_or(Ok(()), |picture| picture.send(track.as_ref())),
        }
    }

    fn tell(&self, event: ConnectionEvent) {
        if !self.closed.get() {
            self.events.emit(event);
        }
    }

    fn close(self: &Rc<Self>) {
        if self.closed.replace(true) {
            return;
        }
        self.picture.take();
        self.voice.take();
        self.wanted.take();
        let inner = Rc::clone(self);
        spawn_local(async move {
            if let Ok(id) = inner.opened.clone().await {
                drop(inner.app.order(id, &Order::Close).await);
            }
        });
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
            FrameKind::Voice => {
                if let Some(voice) = &*self.voice.borrow() {
                    voice.take(header, buffer);
                }
            }
            FrameKind::Picture => self.with_picture(|picture| picture.take(header, buffer)),
        }
    }

    fn with_picture(&self, act: impl FnOnce(&Picture)) {
        if let Some(picture) = &*self.picture.borrow() {
            act(picture);
        }
    }

    fn of_picture(self: &Rc<Self>, told: picture::Tells) {
        match told {
            picture::Tells::Frame(made) => self.send_picture(made),
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

    fn of_voice(self: &Rc<Self>, told: voice::Tells) {
        match told {
            voice::Tells::Frame(made) => self.send_voice(made),
            voice::Tells::Playing(told) => self.with_picture(|picture| picture.keep_with(&told)),
            voice::Tells::Stats(stats) => self.counted.borrow_mut().voice = Some(stats),
            // The call goes on with what there is; the other side sees that nothing is heard.
            voice::Tells::Failed => {}
        }
    }

    fn send_picture(self: &Rc<Self>, made: Made) {
        let next = self.pictures.borrow_mut().made(made.keyframe);
        self.heed(next);
        if next != Next::Send {
            return;
        }
        let sent = self.send_frame(FrameKind::Picture, made);
        let inner = Rc::clone(self);
        spawn_local(async move {
            let refused = sent.await == Err(NativeProblem::KeyframeNeeded);
            let next = inner.pictures.borrow_mut().ended(refused);
            inner.heed(next);
        });
    }

    fn heed(&self, next: Next) {
        if next == Next::Ask {
            self.with_picture(Picture::want_keyframe);
        }
    }

    fn send_voice(self: &Rc<Self>, made: Made) {
        if self.voices_under_way.get() >= VOICES_UNDER_WAY {
            return;
        }
        self.voices_under_way.set(self.voices_under_way.get() + 1);
        let sent = self.send_frame(FrameKind::Voice, made);
        let inner = Rc::clone(self);
        spawn_local(async move {
            // One that was not taken is not worth sending again.
            let _ = sent.await;
            inner.voices_under_way.set(inner.voices_under_way.get().saturating_sub(1));
        });
    }

    /// Begins to send a frame at once: frames must not overtake each other.
    fn send_frame(&self, kind: FrameKind, made: Made) -> impl Future<Output = Result<(), NativeProblem>> + use<> {
        let Made { keyframe, timestamp, captured, .. } = made;
        let sent = self.id.get().map(|connection| {
            self.app.send(&made.message(FrameHeader { kind, keyframe, connection, timestamp, captured }))
        });
        async move {
            match sent {
                Some(sent) => sent.await,
                None => Err(NativeProblem::NotSending),
            }
        }
    }

    /// What was counted last; the workers count anew meanwhile.
    fn count(&self) -> super::stats::Workers {
        self.with_picture(Picture::count);
        if let Some(voice) = &*self.voice.borrow() {
            voice.count();
        }
        let counted = self.counted.borrow();
        super::stats::Workers::from(counted.picture.as_ref(), counted.voice.as_ref())
    }
}

async fn open(app: App, ice_servers: Vec<IceServer>) -> Result<NativeId, Failed> {
    app.open(&ice_servers).await
}

/// Tells what is missing, where something is.
async fn check_codecs(me: Weak<Inner>) -> Result<(), Failed> {
    let Some(problem) = codecs::missing().await else { return Ok(()) };
    if let Some(inner) = me.upgrade() {
        inner.tell(ConnectionEvent::Problem(problem));
    }
    Err(Failed)
}

/// Waits for what is made for one kind, and tells where it comes to nothing.
async fn furnish(me: Weak<Inner>, made: impl Future<Output = Result<(), Failed>>, checked: Step<()>) {
    // Of a codec that is missing it is told already, and more clearly.
    if made.await.is_err()
        && checked.await.is_ok()
        && let Some(inner) = me.upgrade()
    {
        inner.tell(ConnectionEvent::Problem(MediaProblem::Engine));
    }
}

/// Makes the picture's worker.
async fn furnish_picture(me: Weak<Inner>, opened: Step<NativeId>, checked: Step<()>) -> Result<(), Failed> {
    let of_picture = me.clone();
    let picture = Picture::start(move |told| {
        if let Some(inner) = of_picture.upgrade() {
            inner.of_picture(told);
        }
    })?;
    checked.await?;
    let id = opened.await?;
    let inner = me.upgrade().filter(|inner| !inner.closed.get()).ok_or(Failed)?;
    inner.id.set(Some(id));
    inner.picture.replace(Some(picture));
    inner.pass_on(TrackKind::Picture)
}

/// Makes the voice's worker and worklet.
async fn furnish_voice(me: Weak<Inner>, opened: Step<NativeId>, checked: Step<()>) -> Result<(), Failed> {
    checked.await?;
    let of_voice = me.clone();
    let voice = Voice::start(move |told| {
        if let Some(inner) = of_voice.upgrade() {
            inner.of_voice(told);
        }
    })
    .await?;
    let id = opened.await?;
    let inner = me.upgrade().filter(|inner| !inner.closed.get()).ok_or(Failed)?;
    inner.id.set(Some(id));
    let track = voice.track().ok_or(Failed)?;
    inner.voice.replace(Some(voice));
    inner.tell(ConnectionEvent::Track(track));
    inner.pass_on(TrackKind::Voice)
}

/// Takes what the app has, as it comes, until the connection is closed.
async fn listen(me: Weak<Inner>, app: App, opened: Step<NativeId>) {
    let Ok(id) = opened.await else { return };
    while let Some(batch) = app.next(id).await {
        let Some(inner) = me.upgrade().filter(|inner| !inner.closed.get()) else { return };
        batch.for_each(|heard| inner.hear(heard));
    }
}

fn described(reply: Reply) -> Result<String, Failed> {
    match reply {
        Reply::Sdp(sdp) => Ok(sdp),
        Reply::Done | Reply::Stats(_) => Err(Failed),
    }
}
