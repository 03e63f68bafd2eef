//! Bounded queue of frames for one connection. A push never waits: a slow reader loses presence and gets a roster snapshot.

mod frame;

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use hutong_protocol::{RefusedCode, limits::OUTBOX_CAPACITY};

pub(crate) use frame::Frame;

/// Maximum bytes of queued [`FrameClass::Direct`] frames. Session descriptions are large, so a limit on the number of frames
/// does not bound memory. Setting up a call needs a fifth of this.
const DIRECT_BYTES: usize = 256 * 1024;

/// Maximum bytes and number of queued [`FrameClass::Relayed`] frames. They are beside the other frames' limits, so that what
/// one user sends never makes another too slow. All candidates of a call, several times over.
const RELAYED_BYTES: u32 = 256 * 1024;
const RELAYED_FRAMES: u32 = 256;

/// Maximum number of frames in one write.
const BATCH: usize = 32;

/// Capacity in frames that an empty queue keeps, so that idle connections take little memory.
const IDLE_CAPACITY: usize = 4;

/// The queue that the hub fills under its lock and the connection's task empties.
#[derive(Debug)]
pub(crate) struct Outbox(Mutex<OutboxState>);

#[derive(Debug)]
struct OutboxState {
    queue: VecDeque<(FrameClass, Frame)>,
    /// Bytes of the queued [`FrameClass::Direct`] frames.
    direct_bytes: usize,
    /// Bytes and number of the queued [`FrameClass::Relayed`] frames. Small, because every connection holds them.
    relayed_bytes: u32,
    relayed: u32,
    lag: LagState,
    closing: Option<RefusedCode>,
    waker: Option<Waker>,
}

/// The class of a frame: whether it may be dropped when the reader is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameClass {
    /// Presence. Droppable: a roster snapshot replaces it.
    Presence,
    /// A welcome or a roster. As large as the roster; at most one snapshot is queued at a time.
    Roster,
    /// A message for this connection alone, such as one of a call or an error. Never dropped.
    Direct,
    /// A candidate or description from another user. Refused when too many wait; then its sender gets an error.
    Relayed,
}

/// How far a reader lags behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LagState {
    /// No presence was dropped.
    UpToDate,
    /// Presence was dropped: a snapshot follows when the queue is empty. `dropped` counts frames since the queue was full.
    Behind { dropped: usize },
    /// The snapshot is queued, or taken and being written.
    CatchingUp { taken: bool },
}

/// Error: the reader is too far behind for a snapshot. Close the connection as [`RefusedCode::TooSlow`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooSlow;

/// Error: too much of what another user sends waits for this reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RelayFull;

/// The next task for the connection's writer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OutboxAction {
    /// Write these frames.
    Write(Vec<Frame>),
    /// Ask the hub for a roster snapshot.
    Snapshot,
    /// Send `refused` with this code and close the WebSocket.
    Close(RefusedCode),
}

impl Outbox {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(OutboxState {
            queue: VecDeque::new(),
            direct_bytes: 0,
            relayed_bytes: 0,
            relayed: 0,
            lag: LagState::UpToDate,
            closing: None,
            waker: None,
        }))
    }

    /// Queues a frame of another class than [`FrameClass::Relayed`]. Returns how many presence frames were dropped for it, itself included.
    ///
    /// # Errors
    ///
    /// [`TooSlow`] if a frame would have to be dropped that a snapshot does not replace.
    pub(crate) fn push(&self, class: FrameClass, frame: Frame) -> Result<usize, TooSlow> {
        let mut state = self.lock();
        let mut dropped_now = 0;
        if state.closing.is_some() {
            return Ok(dropped_now);
        }
        if class == FrameClass::Presence
            && let LagState::Behind { dropped } = &mut state.lag
        {
            *dropped += 1;
            return if *dropped > OUTBOX_CAPACITY { Err(TooSlow) } else { Ok(1) };
        }
        if state.queue.len() - state.relayed as usize >= OUTBOX_CAPACITY {
            dropped_now = state.drop_presence(class)?;
            if class == FrameClass::Presence {
                return Ok(dropped_now + 1);
            }
        }
        if class == FrameClass::Direct {
            state.direct_bytes += frame.len();
            if state.direct_bytes > DIRECT_BYTES {
                return Err(TooSlow);
            }
        }
        if class == FrameClass::Roster && matches!(state.lag, LagState::Behind { .. }) {
            state.lag = LagState::CatchingUp { taken: false };
        }
        state.queue.push_back((class, frame));
        state.wake();
        Ok(dropped_now)
    }

    /// Queues a [`FrameClass::Relayed`] frame.
    ///
    /// # Errors
    ///
    /// [`RelayFull`] if its sender has to wait until the reader has caught up. The frame is not queued.
    pub(crate) fn push_relayed(&self, frame: Frame) -> Result<(), RelayFull> {
        let mut state = self.lock();
        if state.closing.is_some() {
            return Ok(());
        }
        let bytes = state.relayed_bytes.saturating_add(length(&frame));
        if state.relayed == RELAYED_FRAMES || bytes > RELAYED_BYTES {
            return Err(RelayFull);
        }
        (state.relayed, state.relayed_bytes) = (state.relayed + 1, bytes);
        state.queue.push_back((FrameClass::Relayed, frame));
        state.wake();
        Ok(())
    }

    /// Closes the connection with this code after the queued frames were written; they are dropped if the reader is too slow.
    pub(crate) fn close(&self, code: RefusedCode) {
        let mut state = self.lock();
        if state.closing.is_some() {
            return;
        }
        state.closing = Some(code);
        if code == RefusedCode::TooSlow {
            state.queue = VecDeque::new();
            (state.relayed, state.relayed_bytes) = (0, 0);
        }
        state.wake();
    }

    /// Waits for the next action. Call it again only after that action is done.
    pub(crate) async fn next(&self) -> OutboxAction {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&self, cx: &Context<'_>) -> Poll<OutboxAction> {
        let mut state = self.lock();
        if state.lag == (LagState::CatchingUp { taken: true }) {
            state.lag = LagState::UpToDate;
        }
        if !state.queue.is_empty() {
            return Poll::Ready(OutboxAction::Write(state.take_batch()));
        }
        if let Some(code) = state.closing {
            return Poll::Ready(OutboxAction::Close(code));
        }
        if matches!(state.lag, LagState::Behind { .. }) {
            return Poll::Ready(OutboxAction::Snapshot);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, OutboxState> {
        // No code under the lock panics halfway through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn length(frame: &Frame) -> u32 {
    u32::try_from(frame.len()).unwrap_or(u32::MAX)
}

impl OutboxState {
    /// Makes room in a full queue for a frame of class `incoming` by dropping all presence. Returns how many frames.
    fn drop_presence(&mut self, incoming: FrameClass) -> Result<usize, TooSlow> {
        if !matches!(self.lag, LagState::UpToDate) {
            return Err(TooSlow);
        }
        let before = self.queue.len();
        self.queue.retain(|(class, _)| *class != FrameClass::Presence);
        let dropped = before - self.queue.len();
        if dropped == 0 && incoming != FrameClass::Presence {
            return Err(TooSlow);
        }
        self.lag = LagState::Behind { dropped: 0 };
        Ok(dropped)
    }

    fn take_batch(&mut self) -> Vec<Frame> {
        let mut batch = Vec::with_capacity(self.queue.len().min(BATCH));
        while batch.len() < BATCH
            && let Some((class, frame)) = self.queue.pop_front()
        {
            match class {
                FrameClass::Direct => self.direct_bytes -= frame.len(),
                FrameClass::Relayed => {
                    self.relayed -= 1;
                    self.relayed_bytes -= length(&frame);
                }
                FrameClass::Roster => {
                    if let LagState::CatchingUp { taken } = &mut self.lag {
                        *taken = true;
                    }
                }
                FrameClass::Presence => {}
            }
            batch.push(frame);
        }
        if self.queue.is_empty() && self.queue.capacity() > IDLE_CAPACITY {
            self.queue.shrink_to(IDLE_CAPACITY);
        }
        batch
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use hutong_protocol::ServerMessage;

    use super::*;

    fn frame(text: &str) -> Frame {
        Frame::text(&ServerMessage::Refused { code: RefusedCode::Full, message: text.into() }).unwrap()
    }

    fn fill(outbox: &Outbox, class: FrameClass) {
        for _ in 0..OUTBOX_CAPACITY {
            outbox.push(class, frame("")).unwrap();
        }
    }

    /// Performs all pending actions without waiting. Returns the numbers of frames written and snapshots requested.
    fn drain(outbox: &Outbox) -> (usize, usize) {
        let (mut written, mut snapshots) = (0, 0);
        while let Some(next) = outbox.next().now_or_never() {
            match next {
                OutboxAction::Write(batch) => written += batch.len(),
                OutboxAction::Snapshot => {
                    snapshots += 1;
                    outbox.push(FrameClass::Roster, frame("roster")).unwrap();
                }
                OutboxAction::Close(_) => break,
            }
        }
        (written, snapshots)
    }

    #[test]
    fn frames_are_taken_in_order_and_before_the_close() {
        let outbox = Outbox::new();
        outbox.push(FrameClass::Direct, frame("1")).unwrap();
        outbox.push(FrameClass::Presence, frame("2")).unwrap();
        outbox.close(RefusedCode::Replaced);
        outbox.push(FrameClass::Direct, frame("too late")).unwrap();
        assert_eq!(outbox.next().now_or_never(), Some(OutboxAction::Write(vec![frame("1"), frame("2")])));
        assert_eq!(outbox.next().now_or_never(), Some(OutboxAction::Close(RefusedCode::Replaced)));
    }

    #[test]
    fn a_slow_reader_gets_its_direct_frames_and_one_snapshot() {
        let outbox = Outbox::new();
        outbox.push(FrameClass::Direct, frame("call")).unwrap();
        fill(&outbox, FrameClass::Presence);
        outbox.push(FrameClass::Presence, frame("")).unwrap();
        outbox.push(FrameClass::Direct, frame("ended")).unwrap();
        assert_eq!(outbox.next().now_or_never(), Some(OutboxAction::Write(vec![frame("call"), frame("ended")])));
        assert_eq!(drain(&outbox), (1, 1));
        outbox.push(FrameClass::Presence, frame("")).unwrap();
        assert_eq!(drain(&outbox), (1, 0));
    }

    #[test]
    fn a_reader_that_stays_behind_is_too_slow() {
        let outbox = Outbox::new();
        fill(&outbox, FrameClass::Presence);
        let more = (0..=OUTBOX_CAPACITY + 1).map(|_| outbox.push(FrameClass::Presence, frame(""))).collect::<Vec<_>>();
        assert_eq!(more.iter().position(Result::is_err), Some(OUTBOX_CAPACITY + 1));

        let outbox = Outbox::new();
        fill(&outbox, FrameClass::Presence);
        outbox.push(FrameClass::Presence, frame("")).unwrap();
        assert_eq!(outbox.next().now_or_never(), Some(OutboxAction::Snapshot));
        outbox.push(FrameClass::Roster, frame("")).unwrap();
        assert!((0..OUTBOX_CAPACITY).any(|_| outbox.push(FrameClass::Presence, frame("")).is_err()));
    }

    #[test]
    fn a_queue_full_of_direct_frames_is_too_slow() {
        let outbox = Outbox::new();
        fill(&outbox, FrameClass::Direct);
        assert_eq!(outbox.push(FrameClass::Direct, frame("")), Err(TooSlow));
        outbox.close(RefusedCode::TooSlow);
        assert_eq!(outbox.next().now_or_never(), Some(OutboxAction::Close(RefusedCode::TooSlow)));
    }

    #[test]
    fn direct_frames_are_bounded_by_their_bytes() {
        let outbox = Outbox::new();
        let large = frame(&"x".repeat(50_000));
        assert_eq!((0..20).map_while(|_| outbox.push(FrameClass::Direct, large.clone()).ok()).count(), 5);
    }

    #[test]
    fn relayed_frames_are_bounded_and_take_no_room_from_others() {
        for length in [0, 300, 60_000] {
            let outbox = Outbox::new();
            let relayed = frame(&"x".repeat(length));
            let most = RELAYED_FRAMES.min(RELAYED_BYTES / self::length(&relayed)) as usize;
            let push = || (0..1_000).map_while(|_| outbox.push_relayed(relayed.clone()).ok()).count();
            assert_eq!(push(), most);
            fill(&outbox, FrameClass::Presence);
            outbox.push(FrameClass::Presence, frame("")).unwrap();
            assert_eq!(push(), 0, "presence that was dropped makes no room");
            for _ in 0..OUTBOX_CAPACITY {
                outbox.push(FrameClass::Direct, frame("")).unwrap();
            }
            // The snapshot is one more.
            assert_eq!(drain(&outbox), (most + OUTBOX_CAPACITY + 1, 1));
            assert_eq!(push(), most, "the reader has caught up");
        }
    }

    #[test]
    fn an_empty_outbox_frees_its_capacity() {
        let outbox = Outbox::new();
        fill(&outbox, FrameClass::Direct);
        assert_eq!(drain(&outbox), (OUTBOX_CAPACITY, 0));
        assert!(outbox.lock().queue.capacity() <= IDLE_CAPACITY);
    }
}
