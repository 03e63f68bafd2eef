//! State machine of a native connection's start and end: the app's peer, the codecs, and the tasks that wait for them. Pure:
//! it calls no browser API.

use std::task::{Context, Poll, Waker};

use hutong_core::{MediaProblem, native_peer::NativePeerId};

use super::super::connection::ConnectionError;

/// Phase of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum NativePhase {
    /// The app is creating its peer, and the codecs are being checked.
    #[default]
    Starting,
    /// The app has created its peer; the codecs are still being checked.
    PeerOpened(NativePeerId),
    /// The app refused to create a peer. The codec check, still pending, decides which problem is reported.
    PeerRefused,
    /// All codecs are available; the app has not answered yet.
    CodecsFound,
    /// Peer and codecs are available.
    Open(NativePeerId),
    /// The connection failed, and the problem was reported. The app's peer, if any, is closed with the connection.
    Failed(Option<NativePeerId>),
    /// Closed. A peer that the app still creates is closed at once.
    Closed,
}

/// Input of the state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NativeEvent {
    /// The app has created its peer.
    PeerOpened(NativePeerId),
    /// The app refused to create a peer.
    PeerRefused,
    /// The webview has all codecs.
    CodecsFound,
    /// The webview lacks a codec.
    CodecMissing(MediaProblem),
    /// The connection is being closed.
    Close,
}

/// Output of the state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NativeEffect {
    /// Nothing.
    None,
    /// Report this problem: the call cannot take place.
    Report(MediaProblem),
    /// Close the app's peer.
    ClosePeer(NativePeerId),
}

impl NativePhase {
    fn next(self, event: NativeEvent) -> (Self, NativeEffect) {
        match (self, event) {
            (Self::Starting, NativeEvent::PeerOpened(id)) => (Self::PeerOpened(id), NativeEffect::None),
            (Self::Starting, NativeEvent::PeerRefused) => (Self::PeerRefused, NativeEffect::None),
            (Self::Starting, NativeEvent::CodecsFound) => (Self::CodecsFound, NativeEffect::None),
            (Self::CodecsFound, NativeEvent::PeerOpened(id)) | (Self::PeerOpened(id), NativeEvent::CodecsFound) => {
                (Self::Open(id), NativeEffect::None)
            }
            (Self::CodecsFound, NativeEvent::PeerRefused) | (Self::PeerRefused, NativeEvent::CodecsFound) => {
                (Self::Failed(None), NativeEffect::Report(MediaProblem::Engine))
            }
            // A missing codec explains more than the app's refusal.
            (Self::Starting | Self::PeerRefused, NativeEvent::CodecMissing(problem)) => {
                (Self::Failed(None), NativeEffect::Report(problem))
            }
            (Self::PeerOpened(id), NativeEvent::CodecMissing(problem)) => {
                (Self::Failed(Some(id)), NativeEffect::Report(problem))
            }
            (Self::Failed(None), NativeEvent::PeerOpened(id)) => (Self::Failed(Some(id)), NativeEffect::None),
            (Self::Closed, NativeEvent::PeerOpened(id)) => (Self::Closed, NativeEffect::ClosePeer(id)),
            (Self::PeerOpened(id) | Self::Open(id) | Self::Failed(Some(id)), NativeEvent::Close) => {
                (Self::Closed, NativeEffect::ClosePeer(id))
            }
            (_, NativeEvent::Close) => (Self::Closed, NativeEffect::None),
            (phase, _) => (phase, NativeEffect::None),
        }
    }
}

/// Phase of a connection, and the tasks to wake when it changes.
#[derive(Debug, Default)]
pub struct NativeState {
    phase: NativePhase,
    wakers: Vec<Waker>,
}

impl NativeState {
    /// Handles an event.
    pub fn handle(&mut self, event: NativeEvent) -> NativeEffect {
        let (phase, effect) = self.phase.next(event);
        self.phase = phase;
        self.wakers.drain(..).for_each(Waker::wake);
        effect
    }

    /// Whether the connection is closed, and must report nothing.
    pub fn is_closed(&self) -> bool {
        self.phase == NativePhase::Closed
    }

    /// The app's peer, once the connection is open.
    pub fn peer(&self) -> Option<NativePeerId> {
        match self.phase {
            NativePhase::Open(id) => Some(id),
            _ => None,
        }
    }

    /// Polls until the connection is open; an error once it has failed or is closed.
    pub fn poll_open(&mut self, context: &Context<'_>) -> Poll<Result<NativePeerId, ConnectionError>> {
        match self.phase {
            NativePhase::Open(id) => Poll::Ready(Ok(id)),
            NativePhase::Failed(_) | NativePhase::Closed => Poll::Ready(Err(ConnectionError)),
            NativePhase::Starting
            | NativePhase::PeerOpened(_)
            | NativePhase::PeerRefused
            | NativePhase::CodecsFound => self.wait(context),
        }
    }

    /// Polls until the codecs are available, whether or not the app has answered.
    pub fn poll_codecs(&mut self, context: &Context<'_>) -> Poll<Result<(), ConnectionError>> {
        match self.phase {
            NativePhase::CodecsFound | NativePhase::Open(_) => Poll::Ready(Ok(())),
            NativePhase::Failed(_) | NativePhase::Closed => Poll::Ready(Err(ConnectionError)),
            NativePhase::Starting | NativePhase::PeerOpened(_) | NativePhase::PeerRefused => self.wait(context),
        }
    }

    fn wait<T>(&mut self, context: &Context<'_>) -> Poll<T> {
        self.wakers.push(context.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
        task::Wake,
    };

    use super::*;

    const PEER: NativePeerId = NativePeerId(7);
    const MISSING: NativeEvent = NativeEvent::CodecMissing(MediaProblem::AudioCodecMissing);
    const EVENTS: [NativeEvent; 5] = [
        NativeEvent::PeerOpened(PEER),
        NativeEvent::PeerRefused,
        NativeEvent::CodecsFound,
        MISSING,
        NativeEvent::Close,
    ];

    #[test]
    fn a_connection_opens_once_peer_and_codecs_are_available() {
        let engine = NativeEffect::Report(MediaProblem::Engine);
        let codec = NativeEffect::Report(MediaProblem::AudioCodecMissing);
        for (events, phase, effects) in [
            (vec![NativeEvent::PeerOpened(PEER), NativeEvent::CodecsFound], NativePhase::Open(PEER), vec![]),
            (vec![NativeEvent::CodecsFound, NativeEvent::PeerOpened(PEER)], NativePhase::Open(PEER), vec![]),
            (vec![NativeEvent::PeerRefused], NativePhase::PeerRefused, vec![]),
            (vec![NativeEvent::PeerRefused, NativeEvent::CodecsFound], NativePhase::Failed(None), vec![engine]),
            (vec![NativeEvent::CodecsFound, NativeEvent::PeerRefused], NativePhase::Failed(None), vec![engine]),
            (vec![NativeEvent::PeerRefused, MISSING], NativePhase::Failed(None), vec![codec]),
            (vec![MISSING, NativeEvent::PeerRefused], NativePhase::Failed(None), vec![codec]),
            (vec![MISSING, NativeEvent::PeerOpened(PEER)], NativePhase::Failed(Some(PEER)), vec![codec]),
            (vec![NativeEvent::PeerOpened(PEER), MISSING], NativePhase::Failed(Some(PEER)), vec![codec]),
        ] {
            let (end, done) = run(&events);
            assert_eq!((end, done), (phase, effects), "{events:?}");
        }
    }

    /// In every order of one answer of the app, one result of the codec check, and the close.
    #[test]
    fn the_apps_peer_is_closed_exactly_once_and_at_most_one_problem_is_reported() {
        for peer in [NativeEvent::PeerOpened(PEER), NativeEvent::PeerRefused] {
            for codecs in [NativeEvent::CodecsFound, MISSING] {
                for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                    let events = order.map(|at| [peer, codecs, NativeEvent::Close][at]);
                    let (end, effects) = run(&events);
                    let closes = effects.iter().filter(|effect| **effect == NativeEffect::ClosePeer(PEER)).count();
                    assert_eq!(end, NativePhase::Closed, "{events:?}");
                    assert_eq!(closes, usize::from(peer == NativeEvent::PeerOpened(PEER)), "{events:?}");
                    assert!(effects.len() - closes <= 1, "{events:?}");
                }
            }
        }
    }

    #[test]
    fn a_closed_connection_stays_closed_and_reports_nothing() {
        for event in EVENTS {
            let (phase, effect) = NativePhase::Closed.next(event);
            assert_eq!(phase, NativePhase::Closed);
            assert!(!matches!(effect, NativeEffect::Report(_)), "{event:?}");
        }
    }

    #[test]
    fn every_event_wakes_the_waiting_tasks() {
        let woken = Arc::new(WakeCounter::default());
        let waker = Waker::from(Arc::clone(&woken));
        let context = Context::from_waker(&waker);
        let mut state = NativeState::default();
        assert_eq!(state.poll_codecs(&context), Poll::Pending);
        assert_eq!(state.poll_open(&context), Poll::Pending);
        state.handle(NativeEvent::CodecsFound);
        assert_eq!(woken.0.load(Ordering::Relaxed), 2);
        assert_eq!(state.poll_codecs(&context), Poll::Ready(Ok(())));
        assert_eq!(state.poll_open(&context), Poll::Pending);
        state.handle(NativeEvent::PeerOpened(PEER));
        assert_eq!((woken.0.load(Ordering::Relaxed), state.peer()), (3, Some(PEER)));
        assert_eq!(state.poll_open(&context), Poll::Ready(Ok(PEER)));
        assert_eq!(state.handle(NativeEvent::Close), NativeEffect::ClosePeer(PEER));
        assert_eq!(state.poll_open(&context), Poll::Ready(Err(ConnectionError)));
        assert_eq!((state.is_closed(), state.peer()), (true, None));
    }

    fn run(events: &[NativeEvent]) -> (NativePhase, Vec<NativeEffect>) {
        let mut phase = NativePhase::default();
        let mut effects = Vec::new();
        for &event in events {
            let (next, effect) = phase.next(event);
            phase = next;
            if effect != NativeEffect::None {
                effects.push(effect);
            }
        }
        (phase, effects)
    }

    #[derive(Default)]
    struct WakeCounter(AtomicU32);

    impl Wake for WakeCounter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}
