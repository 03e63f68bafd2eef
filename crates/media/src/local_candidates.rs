//! Local ICE candidates on their way to the other side.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hutong_protocol::IceCandidate;
use tokio::time::{Instant, sleep_until};

use crate::events::{Event, EventSender};
use crate::peer_tasks::PeerTasks;

/// How long relayed candidates, and pairs of them, are held back in favour of direct ones. The library keeps the first pair that is
/// nominated, by itself or by a browser, which nominates each better one that it finds. With the library's default of 2 s, every
/// call that needs a relay would start that much later.
pub(crate) const RELAY_DELAY: Duration = Duration::from_millis(500);

/// Time from the last candidate until the end of candidates is reported.
const END_DELAY: Duration = Duration::from_millis(1);

/// The end-of-candidates indication.
const END_OF_CANDIDATES: IceCandidate =
    IceCandidate { candidate: String::new(), sdp_mid: None, sdp_m_line_index: Some(0), username_fragment: None };

/// Reports candidates as events, some of them later.
pub(crate) struct LocalCandidates {
    events: EventSender,
    tasks: PeerTasks,
    /// When the last of those that wait will be reported.
    last: Mutex<Option<Instant>>,
}

impl LocalCandidates {
    pub const fn new(events: EventSender, tasks: PeerTasks) -> Self {
        Self { events, tasks, last: Mutex::new(None) }
    }

    /// Reports a candidate that was just gathered, after this delay.
    pub async fn report(&self, candidate: IceCandidate, delay: Duration) {
        if delay.is_zero() {
            self.events.send(Event::Candidate(candidate)).await;
        } else {
            self.report_later(candidate, delay);
        }
    }

    /// Reports the end of the candidates, after those that wait.
    pub async fn report_end(&self) {
        let now = Instant::now();
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match last.and_then(|last| last.checked_duration_since(now)) {
            Some(wait) => self.report_later(END_OF_CANDIDATES, wait + END_DELAY),
            None => self.events.send(Event::Candidate(END_OF_CANDIDATES)).await,
        }
    }

    fn report_later(&self, candidate: IceCandidate, delay: Duration) {
        let (events, at) = (self.events.clone(), Instant::now() + delay);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = (*last).max(Some(at));
        drop(last);
        self.tasks.spawn(async move {
            sleep_until(at).await;
            events.send(Event::Candidate(candidate)).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;

    fn candidate(text: &str) -> IceCandidate {
        IceCandidate { candidate: text.to_owned(), ..END_OF_CANDIDATES }
    }

    #[tokio::test(start_paused = true)]
    async fn candidates_are_delayed_singly_and_the_end_comes_after_all() {
        let (_close, closed) = watch::channel(false);
        let (events, mut receiver) = EventSender::new(closed);
        let (candidates, start) = (LocalCandidates::new(events, PeerTasks::default()), Instant::now());
        for (text, delay) in [("last", 800), ("relayed", 500), ("direct", 0), ("later", 700)] {
            candidates.report(candidate(text), Duration::from_millis(delay)).await;
        }
        candidates.report_end().await;
        let mut reported = Vec::new();
        while reported.len() < 5 {
            let Some(Event::Candidate(candidate)) = receiver.next().await else { panic!("no candidate") };
            reported.push((candidate.candidate, start.elapsed().as_millis()));
        }
        let expected = [("direct", 0), ("relayed", 500), ("later", 700), ("last", 800), ("", 801)];
        assert_eq!(reported, expected.map(|(text, after)| (text.to_owned(), after)));
        candidates.report_end().await;
        assert!(matches!(receiver.next().await, Some(Event::Candidate(candidate)) if candidate == END_OF_CANDIDATES));
    }
}
