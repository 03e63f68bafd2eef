//! A peer connection over the app's native peer: forwards descriptions and candidates to the app, and frames between the app
//! and the workers.

use std::{
    cell::{Cell, RefCell},
    future::{poll_fn, ready},
    rc::{Rc, Weak},
    task::Poll,
};

use futures_util::FutureExt;
use hutong_core::{
    MediaProblem,
    native_peer::{FrameHeader, FrameKind, NativePeerId, PeerEvent, PeerRequest, PeerResponse},
};
use hutong_protocol::{IceCandidate, IceServer};
use js_sys::ArrayBuffer;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use web_sys::MediaStreamTrack;
use yew::Callback;

use super::{
    super::connection::{ConnectionError, ConnectionEvent, ConnectionFuture, MediaConnection, TrackKind},
    app_peer::{AppPeer, PeerMessage},
    audio::{AudioEvent, NativeAudio},
    codecs,
    frame_sender::FrameSender,
    state::{NativeEffect, NativeEvent, NativeState},
    stats::{self, WorkerStats},
    video::{NativeVideo, VideoEvent},
    worker_slot::WorkerSlot,
};
use crate::driver::TauriInternals;

/// A native connection. Closed on drop.
pub struct NativeConnection(Rc<NativeInner>);

struct NativeInner {
    app: AppPeer,
    events: Callback<ConnectionEvent>,
    state: RefCell<NativeState>,
    signaling: Cell<SignalingState>,
    workers: RefCell<MediaWorkers>,
    frames: Rc<FrameSender>,
    latest_stats: RefCell<LatestStats>,
}

/// The worker of each kind.
#[derive(Default)]
struct MediaWorkers {
    video: WorkerSlot<NativeVideo, MediaStreamTrack>,
    audio: WorkerSlot<NativeAudio, MediaStreamTrack>,
}

/// The states of `RTCSignalingState` that the peer depends on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SignalingState {
    Stable,
    HaveLocalOffer,
}

/// The last `stats` message of each worker.
#[derive(Default)]
struct LatestStats {
    video: Option<JsValue>,
    audio: Option<JsValue>,
}

impl NativeConnection {
    /// Starts the app's peer, the codec check and the workers.
    pub fn start(
        internals: TauriInternals,
        ice_servers: &[IceServer],
        events: Callback<ConnectionEvent>,
    ) -> Rc<dyn MediaConnection> {
        let app = AppPeer::new(internals);
        let inner = Rc::new(NativeInner {
            app: app.clone(),
            events,
            state: RefCell::default(),
            signaling: Cell::new(SignalingState::Stable),
            workers: RefCell::default(),
            frames: FrameSender::new(app),
            latest_stats: RefCell::default(),
        });
        // Video does not wait for audio: a keyframe that arrives before the worker runs is lost.
        spawn_local(start_video(Rc::downgrade(&inner)));
        spawn_local(check_codecs(Rc::downgrade(&inner)));
        spawn_local(start_audio(Rc::downgrade(&inner)));
        spawn_local(open_and_receive(Rc::downgrade(&inner), inner.app.clone(), ice_servers.to_vec()));
        Rc::new(Self(inner))
    }

    /// Sends a request as soon as the connection is open.
    fn request(&self, request: PeerRequest) -> ConnectionFuture<PeerResponse> {
        let inner = Rc::clone(&self.0);
        async move { inner.request(&request).await }.boxed_local()
    }

    /// Requests a local description, and then sets the signaling state.
    fn create_description(&self, request: PeerRequest, signaling: SignalingState) -> ConnectionFuture<String> {
        let inner = Rc::clone(&self.0);
        async move {
            let PeerResponse::Sdp(sdp) = inner.request(&request).await? else { return Err(ConnectionError) };
            inner.signaling.set(signaling);
            Ok(sdp)
        }
        .boxed_local()
    }
}

impl MediaConnection for NativeConnection {
    fn offer(&self, restart_ice: bool) -> ConnectionFuture<String> {
        self.create_description(PeerRequest::CreateOffer { restart_ice }, SignalingState::HaveLocalOffer)
    }

    fn answer(&self, offer: &str) -> ConnectionFuture<String> {
        self.create_description(PeerRequest::CreateAnswer { offer: offer.to_owned() }, SignalingState::Stable)
    }

    fn accept(&self, answer: &str) -> ConnectionFuture<()> {
        let inner = Rc::clone(&self.0);
        let answer = answer.to_owned();
        async move {
            inner.request(&PeerRequest::SetAnswer { answer }).await?;
            inner.signaling.set(SignalingState::Stable);
            Ok(())
        }
        .boxed_local()
    }

    fn has_local_offer(&self) -> bool {
        self.0.signaling.get() == SignalingState::HaveLocalOffer
    }

    fn set_ice_servers(&self, ice_servers: &[IceServer]) -> ConnectionFuture<()> {
        let set = self.request(PeerRequest::SetIceServers { ice_servers: ice_servers.to_vec() });
        async move { set.await.map(drop) }.boxed_local()
    }

    fn add_candidate(&self, candidate: &IceCandidate) -> ConnectionFuture<()> {
        let done = self.request(PeerRequest::AddCandidate { candidate: candidate.clone() });
        // Not awaited: a round trip to the app takes 10 to 30 ms on a busy machine, and the candidate that connects is rarely
        // the first. A refused candidate is ignored: others may connect.
        spawn_local(async move { drop(done.await) });
        ready(Ok(())).boxed_local()
    }

    fn send(&self, kind: TrackKind, track: Option<&MediaStreamTrack>) -> ConnectionFuture<()> {
        let inner = Rc::clone(&self.0);
        inner.workers.borrow_mut().set_track(kind, track.cloned());
        async move {
            // Fails before the callee's device rings if no connection is possible.
            inner.open().await?;
            inner.flush(kind)
        }
        .boxed_local()
    }

    fn send_text(&self, text: &str) {
        let done = self.request(PeerRequest::SendText { text: text.to_owned() });
        spawn_local(async move {
            // Fails until the channel is open; the status is sent again when it opens.
            drop(done.await);
        });
    }

    fn stats(&self) -> ConnectionFuture<Vec<serde_json::Value>> {
        let inner = Rc::clone(&self.0);
        async move {
            let PeerResponse::Stats(stats) = inner.request(&PeerRequest::GetStats).await? else {
                return Err(ConnectionError);
            };
            let stats = serde_json::from_str(&stats).map_err(|_| ConnectionError)?;
            Ok(stats::merge(stats, &inner.worker_stats()))
        }
        .boxed_local()
    }

    fn close(&self) {
        self.0.close();
    }
}

impl Drop for NativeConnection {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl NativeInner {
    /// Waits until the connection is open.
    async fn open(&self) -> Result<NativePeerId, ConnectionError> {
        poll_fn(|context| self.state.borrow_mut().poll_open(context)).await
    }

    async fn request(&self, request: &PeerRequest) -> Result<PeerResponse, ConnectionError> {
        let id = self.open().await?;
        self.app.request(id, request).await
    }

    /// Passes an event to the state machine, and performs its effect.
    fn handle(&self, event: NativeEvent) {
        let effect = self.state.borrow_mut().handle(event);
        match effect {
            NativeEffect::None => {}
            NativeEffect::Report(problem) => self.emit(ConnectionEvent::Problem(problem)),
            NativeEffect::ClosePeer(id) => {
                let app = self.app.clone();
                spawn_local(async move { drop(app.request(id, &PeerRequest::Close).await) });
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.state.borrow().is_closed()
    }

    fn close(&self) {
        let ended = self.workers.borrow_mut().end();
        drop(ended);
        self.handle(NativeEvent::Close);
    }

    /// Passes a changed track to its worker, if the worker is running.
    fn flush(&self, kind: TrackKind) -> Result<(), ConnectionError> {
        let mut workers = self.workers.borrow_mut();
        match kind {
            TrackKind::Audio => workers.audio.flush(|audio, track| audio.send(track.as_ref())),
            TrackKind::Video => workers.video.flush(|video, track| video.send(track.as_ref())),
        }
    }

    fn emit(&self, event: ConnectionEvent) {
        if !self.is_closed() {
            self.events.emit(event);
        }
    }

    /// Reports a worker that could not start: the call cannot take place.
    fn report_start(&self, started: Result<(), ConnectionError>) {
        if started.is_err() {
            self.emit(ConnectionEvent::Problem(MediaProblem::Engine));
        }
    }

    fn handle_peer_message(&self, message: PeerMessage) {
        match message {
            PeerMessage::Frame(header, buffer) => self.decode(&header, &buffer),
            PeerMessage::Event(PeerEvent::LocalCandidate(candidate)) => {
                self.emit(ConnectionEvent::Candidate(candidate));
            }
            PeerMessage::Event(PeerEvent::Connectivity(state)) => self.emit(ConnectionEvent::State(state)),
            // The workers create both tracks at the start.
            PeerMessage::Event(PeerEvent::RemoteTrack(_)) => {}
            PeerMessage::Event(PeerEvent::KeyframeRequested) => self.with_video(NativeVideo::request_keyframe),
            PeerMessage::Event(PeerEvent::TargetBitrate(bits)) => self.with_video(|video| video.set_bitrate(bits)),
            PeerMessage::Event(PeerEvent::DataChannelOpen) => self.emit(ConnectionEvent::ChannelOpen),
            PeerMessage::Event(PeerEvent::Text(text)) => self.emit(ConnectionEvent::ChannelText(text)),
        }
    }

    fn decode(&self, header: &FrameHeader, buffer: &ArrayBuffer) {
        match header.kind {
            FrameKind::Audio => self.with_audio(|audio| audio.decode(header, buffer)),
            FrameKind::Video => self.with_video(|video| video.decode(header, buffer)),
        }
    }

    fn with_video(&self, act: impl FnOnce(&NativeVideo)) {
        if let Some(video) = self.workers.borrow().video.worker() {
            act(video);
        }
    }

    fn with_audio(&self, act: impl FnOnce(&NativeAudio)) {
        if let Some(audio) = self.workers.borrow().audio.worker() {
            act(audio);
        }
    }

    fn handle_video_event(self: &Rc<Self>, event: VideoEvent) {
        match event {
            VideoEvent::Frame(frame) => {
                let inner = Rc::clone(self);
                self.frames.send_video(self.peer(), frame, move || inner.with_video(NativeVideo::request_keyframe));
            }
            VideoEvent::RemoteTrack(track) => self.emit(ConnectionEvent::Track(track)),
            VideoEvent::KeyframeNeeded => {
                let inner = Rc::clone(self);
                spawn_local(async move {
                    // Fails only after the close.
                    drop(inner.request(&PeerRequest::RequestKeyframe).await);
                });
            }
            VideoEvent::Stats(stats) => self.latest_stats.borrow_mut().video = Some(stats),
        }
    }

    fn handle_audio_event(&self, event: AudioEvent) {
        match event {
            AudioEvent::Frame(frame) => self.frames.send_audio(self.peer(), frame),
            AudioEvent::Playing(playing) => self.with_video(|video| video.sync_to_audio(&playing)),
            AudioEvent::Stats(stats) => self.latest_stats.borrow_mut().audio = Some(stats),
            // The call continues with what still works.
            AudioEvent::Failed => {}
        }
    }

    fn peer(&self) -> Option<NativePeerId> {
        self.state.borrow().peer()
    }

    /// The last counters of the workers. Requests new ones for the next call.
    fn worker_stats(&self) -> WorkerStats {
        self.with_video(NativeVideo::request_stats);
        self.with_audio(NativeAudio::request_stats);
        let latest = self.latest_stats.borrow();
        WorkerStats::parse(latest.video.as_ref(), latest.audio.as_ref())
    }
}

impl MediaWorkers {
    fn set_track(&mut self, kind: TrackKind, track: Option<MediaStreamTrack>) {
        match kind {
            TrackKind::Audio => self.audio.set_track(track),
            TrackKind::Video => self.video.set_track(track),
        }
    }

    fn end(&mut self) -> Self {
        Self { video: self.video.end(), audio: self.audio.end() }
    }
}

/// Has the app create its peer, and receives its messages until the connection is closed.
async fn open_and_receive(me: Weak<NativeInner>, app: AppPeer, ice_servers: Vec<IceServer>) {
    let opened = app.open(&ice_servers).await;
    match (me.upgrade(), opened) {
        (Some(inner), Ok(id)) => inner.handle(NativeEvent::PeerOpened(id)),
        (Some(inner), Err(ConnectionError)) => inner.handle(NativeEvent::PeerRefused),
        (None, Ok(id)) => drop(app.request(id, &PeerRequest::Close).await),
        (None, Err(ConnectionError)) => {}
    }
    let Ok(id) = opened else { return };
    while let Some(batch) = app.receive(id).await {
        let Some(inner) = me.upgrade().filter(|inner| !inner.is_closed()) else { return };
        batch.for_each(|message| inner.handle_peer_message(message));
    }
}

/// Checks whether this webview has all codecs.
async fn check_codecs(me: Weak<NativeInner>) {
    let missing = codecs::missing_codec().await;
    if let Some(inner) = me.upgrade() {
        inner.handle(missing.map_or(NativeEvent::CodecsFound, NativeEvent::CodecMissing));
    }
}

/// Waits for a phase without keeping the connection alive. `None` if the connection failed, was closed or was dropped.
async fn wait<T>(
    me: &Weak<NativeInner>,
    poll: impl Fn(&mut NativeState, &std::task::Context<'_>) -> Poll<Result<T, ConnectionError>>,
) -> Option<Rc<NativeInner>> {
    poll_fn(|context| {
        let Some(inner) = me.upgrade() else { return Poll::Ready(None) };
        let reached = poll(&mut inner.state.borrow_mut(), context);
        reached.map(|reached| reached.is_ok().then_some(inner))
    })
    .await
}

/// Starts the video worker.
async fn start_video(me: Weak<NativeInner>) {
    let owner = me.clone();
    let video = NativeVideo::start(move |event| {
        if let Some(inner) = owner.upgrade() {
            inner.handle_video_event(event);
        }
    });
    let Some(inner) = wait(&me, NativeState::poll_open).await else { return };
    inner.report_start(video.and_then(|video| {
        inner.workers.borrow_mut().video.start(video);
        inner.flush(TrackKind::Video)
    }));
}

/// Starts the audio worker and worklet.
async fn start_audio(me: Weak<NativeInner>) {
    if wait(&me, NativeState::poll_codecs).await.is_none() {
        return;
    }
    let owner = me.clone();
    let audio = NativeAudio::start(move |event| {
        if let Some(inner) = owner.upgrade() {
            inner.handle_audio_event(event);
        }
    })
    .await;
    let Some(inner) = wait(&me, NativeState::poll_open).await else { return };
    inner.report_start(audio.and_then(|audio| {
        let track = audio.remote_track().ok_or(ConnectionError)?;
        inner.workers.borrow_mut().audio.start(audio);
        inner.emit(ConnectionEvent::Track(track));
        inner.flush(TrackKind::Audio)
    }));
}
