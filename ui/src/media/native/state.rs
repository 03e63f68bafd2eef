//! State machine of a native connection: the app's peer, the codecs, and the tasks that wait for them. It touches no browser.

use std::task::{Context, Poll, Waker};

use hutong_core::{MediaProblem, native::NativeId};

use super::super::connection::Failed;

/// How far a connection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// The app makes its peer, and the webview is asked for its codecs.
    #[default]
    Starting,
    /// The app's peer is there; the codecs are not known yet.
    PeerOpened(NativeId),
    /// The app made no peer. What is reported depends on the codecs, which are not known yet.
    PeerRefused,
    /// The codecs are there; the app has not answered yet.
    CodecsFound,
    /// Both are there.
    Open(NativeId),
    /// There will be no call, which is reported. A peer of the app is left until the close.
    Failed(Option<NativeId>),
    /// Closed. A peer that the app makes only now is closed at once.
    Closed,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaseEvent {
    /// The app has made its peer.
    PeerOpened(NativeId),
    /// The app has made none.
    PeerRefused,
    /// The webview has all codecs.
    CodecsFound,
    /// The webview lacks one.
    CodecMissing(MediaProblem),
    /// The connection is to be closed.
    Close,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// Report that there will be no call.
    Report(MediaProblem),
    /// Have the app close its peer.
    ClosePeer(NativeId),
}

impl Phase {
    fn next(self, event: PhaseEvent) -> (Self, Effect) {
        match (self, event) {
            (Self::Starting, PhaseEvent::PeerOpened(id)) => (Self::PeerOpened(id), Effect::None),
            (Self::Starting, PhaseEvent::PeerRefused) => (Self::PeerRefused, Effect::None),
            (Self::Starting, PhaseEvent::CodecsFound) => (Self::CodecsFound, Effect::None),
            (Self::CodecsFound, PhaseEvent::PeerOpened(id)) | (Self::PeerOpened(id), PhaseEvent::CodecsFound) => {
                (Self::Open(id), Effect::None)
            }
            (Self::CodecsFound, PhaseEvent::PeerRefused) | (Self::PeerRefused, PhaseEvent::CodecsFound) => {
                (Self::Failed(None), Effect::Report(MediaProblem::Engine))
            }
            // Clearer than that the app has made no peer.
            (Self::Starting | Self::PeerRefused, PhaseEvent::CodecMissing(problem)) => {
                (Self::Failed(None), Effect::Report(problem))
            }
            (Self::PeerOpened(id), PhaseEvent::CodecMissing(problem)) => {
                (Self::Failed(Some(id)), Effect::Report(problem))
            }
            (Self::Failed(None), PhaseEvent::PeerOpened(id)) => (Self::Failed(Some(id)), Effect::None),
            (Self::Closed, PhaseEvent::PeerOpened(id)) => (Self::Closed, Effect::ClosePeer(id)),
            (Self::PeerOpened(id) | Self::Open(id) | Self::Failed(Some(id)), PhaseEvent::Close) => {
                (Self::Closed, Effect::ClosePeer(id))
            }
            (_, PhaseEvent::Close) => (Self::Closed, Effect::None),
            (phase, _) => (phase, Effect::None),
        }
    }
}

/// State of a connection, and what is to be woken when it changes.
#[derive(Debug, Default)]
pub struct State {
    phase: Phase,
    waiting: Vec<Waker>,
}

impl State {
    /// Takes up what happened.
    pub fn step(&mut self, event: PhaseEvent) -> Effect {
        let (phase, effect) = self.phase.next(event);
        self.phase = phase;
        self.waiting.drain(..).for_each(Waker::wake);
        effect
    }

    /// Whether it is closed: nothing is reported any more.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// The app's peer, once the connection is open.
    pub fn peer(&self) -> Option<NativeId> {
        match self.phase {
            Phase::Open(id) => Some(id),
            _ => None,
        }
    }

    /// Waits until the connection is open; an error where it never will be, or is no more.
    pub fn poll_open(&mut self, context: &Context<'_>) -> Poll<Result<NativeId, Failed>> {
        match self.phase {
            Phase::Open(id) => Poll::Ready(Ok(id)),
            Phase::Failed(_) | Phase::Closed => Poll::Ready(Err(Failed)),
            Phase::Starting | Phase::PeerOpened(_) | Phase::PeerRefused | Phase::CodecsFound => self.wait(context),
        }
    }

    /// Waits until the codecs are found, whether or not the app has answered.
    pub fn poll_codecs(&mut self, context: &Context<'_>) -> Poll<Result<(), Failed>> {
        match self.phase {
            Phase::CodecsFound | Phase::Open(_) => Poll::Ready(Ok(())),
            Phase::Failed(_) | Phase::Closed => Poll::Ready(Err(Failed)),
            Phase::Starting | Phase::PeerOpened(_) | Phase::PeerRefused => self.wait(context),
        }
    }

    fn wait<T>(&mut self, context: &Context<'_>) -> Poll<T> {
        self.waiting.push(context.waker().clone());
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

    const PEER: NativeId = NativeId(7);
    const MISSING: PhaseEvent = PhaseEvent::CodecMissing(MediaProblem::VoiceCodecMissing);
    const EVENTS: [PhaseEvent; 5] =
        [PhaseEvent::PeerOpened(PEER), PhaseEvent::PeerRefused, PhaseEvent::CodecsFound, MISSING, PhaseEvent::Close];

    #[test]
    fn a_connection_opens_once_peer_and_codecs_are_there() {
        let engine = Effect::Report(MediaProblem::Engine);
        let codec = Effect::Report(MediaProblem::VoiceCodecMissing);
        for (events, phase, effects) in [
            (vec![PhaseEvent::PeerOpened(PEER), PhaseEvent::CodecsFound], Phase::Open(PEER), vec![]),
            (vec![PhaseEvent::CodecsFound, PhaseEvent::PeerOpened(PEER)], Phase::Open(PEER), vec![]),
            (vec![PhaseEvent::PeerRefused], Phase::PeerRefused, vec![]),
            (vec![PhaseEvent::PeerRefused, PhaseEvent::CodecsFound], Phase::Failed(None), vec![engine]),
            (vec![PhaseEvent::CodecsFound, PhaseEvent::PeerRefused], Phase::Failed(None), vec![engine]),
            (vec![PhaseEvent::PeerRefused, MISSING], Phase::Failed(None), vec![codec]),
            (vec![MISSING, PhaseEvent::PeerRefused], Phase::Failed(None), vec![codec]),
            (vec![MISSING, PhaseEvent::PeerOpened(PEER)], Phase::Failed(Some(PEER)), vec![codec]),
            (vec![PhaseEvent::PeerOpened(PEER), MISSING], Phase::Failed(Some(PEER)), vec![codec]),
        ] {
            let (end, done) = run(&events);
            assert_eq!((end, done), (phase, effects), "{events:?}");
        }
    }

    /// Whatever happens in whichever order: each happens once at most, and of two answers only one.
    #[test]
    fn the_apps_peer_is_closed_exactly_once_and_at_most_one_problem_is_reported() {
        for peer in [PhaseEvent::PeerOpened(PEER), PhaseEvent::PeerRefused] {
            for codecs in [PhaseEvent::CodecsFound, MISSING] {
                for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                    let events = order.map(|at| [peer, codecs, PhaseEvent::Close][at]);
                    let (end, effects) = run(&events);
                    let closes = effects.iter().filter(|effect| **effect == Effect::ClosePeer(PEER)).count();
                    assert_eq!(end, Phase::Closed, "{events:?}");
                    assert_eq!(closes, usize::from(peer == PhaseEvent::PeerOpened(PEER)), "{events:?}");
                    assert!(effects.len() - closes <= 1, "{events:?}");
                }
            }
        }
    }

    #[test]
    fn a_closed_connection_stays_closed_and_reports_nothing() {
        for event in EVENTS {
            let (phase, effect) = Phase::Closed.next(event);
            assert_eq!(phase, Phase::Closed);
            assert!(!matches!(effect, Effect::Report(_)), "{event:?}");
        }
    }

    #[test]
    fn every_step_wakes_the_tasks_that_wait() {
        let woken = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&woken));
        let context = Context::from_waker(&waker);
        let mut state = State::default();
        assert_eq!(state.poll_codecs(&context), Poll::Pending);
        assert_eq!(state.poll_open(&context), Poll::Pending);
        state.step(PhaseEvent::CodecsFound);
        assert_eq!(woken.0.load(Ordering::Relaxed), 2);
        assert_eq!(state.poll_codecs(&context), Poll::Ready(Ok(())));
        assert_eq!(state.poll_open(&context), Poll::Pending);
        state.step(PhaseEvent::PeerOpened(PEER));
        assert_eq!((woken.0.load(Ordering::Relaxed), state.peer()), (3, Some(PEER)));
        assert_eq!(state.poll_open(&context), Poll::Ready(Ok(PEER)));
        assert_eq!(state.step(PhaseEvent::Close), Effect::ClosePeer(PEER));
        assert_eq!(state.poll_open(&context), Poll::Ready(Err(Failed)));
        assert_eq!((state.is_closed(), state.peer()), (true, None));
    }

    fn run(events: &[PhaseEvent]) -> (Phase, Vec<Effect>) {
        let mut phase = Phase::default();
        let mut effects = Vec::new();
        for &event in events {
            let (next, effect) = phase.next(event);
            phase = next;
            if effect != Effect::None {
                effects.push(effect);
            }
        }
        (phase, effects)
    }

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}
