//! What waits to be written to one connection: bounded, and never waited for by whoever puts something in.

mod frame;

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use hutong_protocol::{RefusedCode, limits::OUTGOING_QUEUE};

pub(crate) use frame::Frame;

/// Bytes of messages for this reader alone that may wait. Session descriptions are large, so that counting messages does
/// not bound memory; a call's set-up needs a tenth of this.
const OUTGOING_BYTES: usize = 512 * 1024;

/// How many frames are written at once.
const BATCH: usize = 32;

/// Room that an empty queue keeps, so that an idle user costs next to nothing.
const IDLE_ROOM: usize = 4;

/// The queue between the hub, which fills it under its own lock, and the connection's task, which empties it.
#[derive(Debug)]
pub(crate) struct Outbox(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    queue: VecDeque<(Kind, Frame)>,
    /// Bytes of the queue's [`Kind::Own`].
    own_bytes: usize,
    standing: Standing,
    closing: Option<RefusedCode>,
    waker: Option<Waker>,
}

/// What a frame is to its reader, and so what may become of it when the reader is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// News of others, which a snapshot replaces.
    Presence,
    /// The welcome or a snapshot: as large as the roster is, and at most one at a time.
    Roster,
    /// Of a call, or an error: it cannot be left out.
    Own,
}

/// How well a reader keeps up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It has everything, or it is in the queue.
    Current,
    /// It has missed news, and gets a snapshot once it has read the rest. `lost` messages of news were left out.
    Missed { lost: usize },
    /// The snapshot is in the queue, or being written.
    CatchingUp { taken: bool },
}

/// The reader is hopelessly behind: close the connection as [`RefusedCode::TooSlow`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooSlow;

/// What the connection's task is to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Write these.
    Write(Vec<Frame>),
    /// Have the hub put a snapshot in.
    Snapshot,
    /// Say so, and close.
    Close(RefusedCode),
}

impl Outbox {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Inner {
            queue: VecDeque::new(),
            own_bytes: 0,
            standing: Standing::Current,
            closing: None,
            waker: None,
        }))
    }

    /// Puts a frame in. Gives how many messages of news, this one among them, a snapshot will have to make up for now.
    ///
    /// # Errors
    ///
    /// [`TooSlow`] when it, or one before it, would have to be lost and no snapshot can make up for it.
    pub(crate) fn push(&self, kind: Kind, frame: Frame) -> Result<usize, TooSlow> {
        let mut inner = self.lock();
        let mut left_out = 0;
        if inner.closing.is_some() {
            return Ok(left_out);
        }
        if kind == Kind::Presence
            && let Standing::Missed { lost } = &mut inner.standing
        {
            *lost += 1;
            return if *lost > OUTGOING_QUEUE { Err(TooSlow) } else { Ok(1) };
        }
        if inner.queue.len() >= OUTGOING_QUEUE {
            left_out = inner.leave_news_out(kind)?;
            if kind == Kind::Presence {
                return Ok(left_out + 1);
            }
        }
        if kind == Kind::Own {
            inner.own_bytes += frame.len();
            if inner.own_bytes > OUTGOING_BYTES {
                return Err(TooSlow);
            }
        }
        if kind == Kind::Roster && matches!(inner.standing, Standing::Missed { .. }) {
            inner.standing = Standing::CatchingUp { taken: false };
        }
        inner.queue.push_back((kind, frame));
        inner.wake();
        Ok(left_out)
    }

    /// Says why the connection ends. What waits is still written first, unless the reader does not read.
    pub(crate) fn close(&self, code: RefusedCode) {
        let mut inner = self.lock();
        if inner.closing.is_some() {
            return;
        }
        inner.closing = Some(code);
        if code == RefusedCode::TooSlow {
            inner.queue = VecDeque::new();
        }
        inner.wake();
    }

    /// Waits for something to do. To be asked again only when what it said is done.
    pub(crate) async fn next(&self) -> Next {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&self, cx: &Context<'_>) -> Poll<Next> {
        let mut inner = self.lock();
        if inner.standing == (Standing::CatchingUp { taken: true }) {
            inner.standing = Standing::Current;
        }
        if !inner.queue.is_empty() {
            return Poll::Ready(Next::Write(inner.take_batch()));
        }
        if let Some(code) = inner.closing {
            return Poll::Ready(Next::Close(code));
        }
        if matches!(inner.standing, Standing::Missed { .. }) {
            return Poll::Ready(Next::Snapshot);
        }
        inner.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here can leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The queue is full: what a snapshot can replace makes room for `coming`. Gives how much that was.
    fn leave_news_out(&mut self, coming: Kind) -> Result<usize, TooSlow> {
        if !matches!(self.standing, Standing::Current) {
            return Err(TooSlow);
        }
        let before = self.queue.len();
        self.queue.retain(|(kind, _)| *kind != Kind::Presence);
        let lost = before - self.queue.len();
        if lost == 0 && coming != Kind::Presence {
            return Err(TooSlow);
        }
        self.standing = Standing::Missed { lost: 0 };
        Ok(lost)
    }

    fn take_batch(&mut self) -> Vec<Frame> {
        let mut batch = Vec::with_capacity(self.queue.len().min(BATCH));
        while batch.len() < BATCH
            && let Some((kind, frame)) = self.queue.pop_front()
        {
            match kind {
                Kind::Own => self.own_bytes -= frame.len(),
                Kind::Roster => {
                    if let Standing::CatchingUp { taken } = &mut self.standing {
                        *taken = true;
                    }
                }
                Kind::Presence => {}
            }
            batch.push(frame);
        }
        if self.queue.is_empty() && self.queue.capacity() > IDLE_ROOM {
            self.queue.shrink_to(IDLE_ROOM);
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

    fn fill(outbox: &Outbox, kind: Kind) {
        for _ in 0..OUTGOING_QUEUE {
            outbox.push(kind, frame("")).unwrap();
        }
    }

    /// Everything that is there to do, in order, without waiting; a snapshot is put in where it is asked for.
    fn drain(outbox: &Outbox) -> (usize, usize) {
        let (mut written, mut snapshots) = (0, 0);
        while let Some(next) = outbox.next().now_or_never() {
            match next {
                Next::Write(batch) => written += batch.len(),
                Next::Snapshot => {
                    snapshots += 1;
                    outbox.push(Kind::Roster, frame("roster")).unwrap();
                }
                Next::Close(_) => break,
            }
        }
        (written, snapshots)
    }

    #[test]
    fn frames_come_out_as_they_went_in() {
        let outbox = Outbox::new();
        outbox.push(Kind::Own, frame("1")).unwrap();
        outbox.push(Kind::Presence, frame("2")).unwrap();
        outbox.close(RefusedCode::Replaced);
        outbox.push(Kind::Own, frame("too late")).unwrap();
        assert_eq!(outbox.next().now_or_never(), Some(Next::Write(vec![frame("1"), frame("2")])));
        assert_eq!(outbox.next().now_or_never(), Some(Next::Close(RefusedCode::Replaced)));
    }

    #[test]
    fn a_slow_reader_gets_what_concerns_it_and_one_snapshot() {
        let outbox = Outbox::new();
        outbox.push(Kind::Own, frame("call")).unwrap();
        fill(&outbox, Kind::Presence);
        outbox.push(Kind::Presence, frame("")).unwrap();
        outbox.push(Kind::Own, frame("ended")).unwrap();
        assert_eq!(outbox.next().now_or_never(), Some(Next::Write(vec![frame("call"), frame("ended")])));
        assert_eq!(drain(&outbox), (1, 1));
        outbox.push(Kind::Presence, frame("")).unwrap();
        assert_eq!(drain(&outbox), (1, 0));
    }

    #[test]
    fn a_reader_that_stays_behind_is_too_slow() {
        let outbox = Outbox::new();
        fill(&outbox, Kind::Presence);
        let more = (0..=OUTGOING_QUEUE + 1).map(|_| outbox.push(Kind::Presence, frame(""))).collect::<Vec<_>>();
        assert_eq!(more.iter().position(Result::is_err), Some(OUTGOING_QUEUE + 1));

        let outbox = Outbox::new();
        fill(&outbox, Kind::Presence);
        outbox.push(Kind::Presence, frame("")).unwrap();
        assert_eq!(outbox.next().now_or_never(), Some(Next::Snapshot));
        outbox.push(Kind::Roster, frame("")).unwrap();
        assert!((0..OUTGOING_QUEUE).any(|_| outbox.push(Kind::Presence, frame("")).is_err()));
    }

    #[test]
    fn losing_what_cannot_be_made_up_for_is_too_slow() {
        let outbox = Outbox::new();
        fill(&outbox, Kind::Own);
        assert_eq!(outbox.push(Kind::Own, frame("")), Err(TooSlow));
        outbox.close(RefusedCode::TooSlow);
        assert_eq!(outbox.next().now_or_never(), Some(Next::Close(RefusedCode::TooSlow)));
    }

    #[test]
    fn large_messages_are_bounded_by_their_bytes() {
        let outbox = Outbox::new();
        let large = frame(&"x".repeat(50_000));
        assert_eq!((0..20).map_while(|_| outbox.push(Kind::Own, large.clone()).ok()).count(), 10);
    }

    #[test]
    fn an_idle_outbox_keeps_no_room() {
        let outbox = Outbox::new();
        fill(&outbox, Kind::Own);
        assert_eq!(drain(&outbox), (OUTGOING_QUEUE, 0));
        assert!(outbox.lock().queue.capacity() <= IDLE_ROOM);
    }
}
