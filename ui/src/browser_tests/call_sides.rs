//! Fixture: both sides of a call in one page, and inboxes for their events.

use std::{cell::RefCell, collections::VecDeque, future::poll_fn, rc::Rc, task::Poll};

use hutong_core::{Connectivity, MediaCommand, MediaEvent, PeerId, WithoutMicrophone};
use hutong_protocol::{MediaKind, SdpKind};
use web_sys::MediaStreamTrack;
use yew::Callback;

use crate::{
    dom,
    media::{self, MediaCallbacks, MediaEngine, MediaView, tracks},
};

/// Queue of items, with one waiting consumer.
pub struct Inbox<T> {
    pub items: RefCell<VecDeque<T>>,
    waker: RefCell<Option<std::task::Waker>>,
}

impl<T: 'static> Inbox<T> {
    pub fn new() -> Rc<Self> {
        Rc::new(Self { items: RefCell::default(), waker: RefCell::default() })
    }

    pub fn callback(self: &Rc<Self>) -> Callback<T> {
        let inbox = Rc::clone(self);
        Callback::from(move |item| {
            inbox.items.borrow_mut().push_back(item);
            if let Some(waker) = inbox.waker.borrow_mut().take() {
                waker.wake();
            }
        })
    }

    /// Waits for the next item for which `select` returns a value, and drops those before it. The test runner bounds the wait.
    pub async fn next<R>(&self, mut select: impl FnMut(T) -> Option<R>) -> R {
        poll_fn(|context| {
            loop {
                let Some(item) = self.items.borrow_mut().pop_front() else { break };
                if let Some(selected) = select(item) {
                    return Poll::Ready(selected);
                }
            }
            *self.waker.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

/// One side of a call.
pub struct TestSide {
    pub peer: PeerId,
    pub engine: Rc<dyn MediaEngine>,
    pub events: Rc<Inbox<MediaEvent>>,
    pub views: Rc<Inbox<MediaView>>,
}

impl TestSide {
    pub fn new(peer: u32) -> Self {
        let (events, views) = (Inbox::new(), Inbox::new());
        let engine = media::start(MediaCallbacks { events: events.callback(), views: views.callback() });
        Self { peer: PeerId(peer), engine, events, views }
    }

    pub async fn acquire(&self, media: MediaKind) -> Vec<MediaStreamTrack> {
        let peer = self.peer;
        self.engine.perform(MediaCommand::Acquire {
            peer,
            media,
            without_microphone: WithoutMicrophone::Fail,
            ice_servers: vec![],
        });
        self.events.next(|event| (event == MediaEvent::Acquired { peer }).then_some(())).await;
        let local = self.views.next(|view| view.local_stream).await;
        tracks(&local)
    }

    pub async fn description(&self, wanted: SdpKind) -> String {
        let sdp = |event| match event {
            MediaEvent::LocalDescription { kind, sdp, .. } if kind == wanted => Some(sdp),
            MediaEvent::LocalCandidate { .. } => panic!("a candidate came before its description"),
            _ => None,
        };
        self.events.next(sdp).await
    }

    /// Passes this side's candidates to the other one, until this side is connected.
    pub async fn connect(&self, other: &Self) {
        let (engine, peer) = (Rc::clone(&other.engine), other.peer);
        let connected = |event| match event {
            MediaEvent::LocalCandidate { candidate, .. } => {
                engine.perform(MediaCommand::AddCandidate { peer, candidate });
                None
            }
            MediaEvent::Connectivity { state: Connectivity::Connected, .. } => Some(()),
            _ => None,
        };
        self.events.next(connected).await;
    }

    pub async fn close(&self) {
        let peer = self.peer;
        self.engine.perform(MediaCommand::Close { peer });
        self.events.next(|event| (event == MediaEvent::Closed { peer }).then_some(())).await;
    }
}

pub async fn call(caller: &TestSide, callee: &TestSide) {
    callee.engine.perform(MediaCommand::CreateOffer { peer: callee.peer });
    let sdp = callee.description(SdpKind::Offer).await;
    assert!(sdp.contains("m=audio") && sdp.contains("m=video"), "every offer has both");
    caller.engine.perform(MediaCommand::CreateAnswer { peer: caller.peer, sdp });
    let sdp = caller.description(SdpKind::Answer).await;
    callee.engine.perform(MediaCommand::SetRemoteDescription {
        peer: callee.peer,
        kind: SdpKind::Answer,
        sdp,
        polite: false,
    });
    join(Box::pin(caller.connect(callee)), Box::pin(callee.connect(caller))).await;
}

async fn join(one: impl Future<Output = ()> + Unpin, other: impl Future<Output = ()> + Unpin) {
    let (mut one, mut other) = (Some(one), Some(other));
    poll_fn(|context| {
        if one.as_mut().is_some_and(|future| std::pin::Pin::new(future).poll(context).is_ready()) {
            one = None;
        }
        if other.as_mut().is_some_and(|future| std::pin::Pin::new(future).poll(context).is_ready()) {
            other = None;
        }
        if one.is_none() && other.is_none() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

pub async fn next_offer(side: &TestSide) -> String {
    let offer = |event| match event {
        MediaEvent::LocalDescription { kind: SdpKind::Offer, sdp, .. } => Some(sdp),
        _ => None,
    };
    side.events.next(offer).await
}

pub fn live(tracks: &[MediaStreamTrack]) -> usize {
    let state = |track: &MediaStreamTrack| dom::text_property(track, "readyState");
    tracks.iter().filter(|track| state(track).as_deref() == Some("live")).count()
}

pub fn of_kind<'a>(tracks: &'a [MediaStreamTrack], kind: &str) -> &'a MediaStreamTrack {
    tracks.iter().find(|track| track.kind() == kind).unwrap()
}
