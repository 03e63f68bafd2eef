//! Frames of the picture that wait.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::frame::Frame;

/// Frames that wait, for one reader. A delta frame is taken only when all that it needs were taken: when too many wait, all of
/// them are dropped, and delta frames are refused until a keyframe comes. So what is read can always be decoded.
pub(crate) struct VideoQueue {
    state: Mutex<State>,
    changed: Notify,
    limit: usize,
}

struct State {
    frames: VecDeque<Frame>,
    keyframe_needed: bool,
    /// Nobody reads any more.
    stopped: bool,
}

impl VideoQueue {
    /// At most `limit` frames wait.
    pub fn new(limit: usize) -> Self {
        let state = State { frames: VecDeque::with_capacity(limit), keyframe_needed: true, stopped: false };
        Self { state: Mutex::new(state), changed: Notify::new(), limit }
    }

    /// Whether the frame was taken. If not, a keyframe is needed.
    pub fn push(&self, frame: Frame) -> bool {
        {
            let mut state = self.state();
            if state.stopped {
                return true;
            }
            if state.frames.len() >= self.limit {
                state.frames.clear();
                state.keyframe_needed = true;
            }
            if state.keyframe_needed && !frame.keyframe {
                return false;
            }
            state.keyframe_needed = false;
            state.frames.push_back(frame);
        }
        self.changed.notify_one();
        true
    }

    /// The next frame. Nothing is lost when the future is dropped.
    pub async fn pop(&self) -> Frame {
        loop {
            // What is pushed from here on is noticed: the notification waits for who awaits it.
            if let Some(frame) = self.state().frames.pop_front() {
                return frame;
            }
            self.changed.notified().await;
        }
    }

    /// How many bytes wait.
    pub fn bytes(&self) -> usize {
        self.state().frames.iter().map(|frame| frame.data.len()).sum()
    }

    /// From now on frames are taken and dropped: for when nobody will read them.
    pub fn stop(&self) {
        let mut state = self.state();
        state.frames.clear();
        state.stopped = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic happens under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::frame::Kind;

    fn frame(timestamp: u64, keyframe: bool) -> Frame {
        Frame { kind: Kind::Video, timestamp, captured: None, keyframe, data: Bytes::from_static(&[0]) }
    }

    #[tokio::test]
    async fn starts_with_a_keyframe() {
        let queue = VideoQueue::new(4);
        assert!(!queue.push(frame(1, false)));
        assert!(queue.push(frame(2, true)));
        assert!(queue.push(frame(3, false)));
        assert_eq!(queue.pop().await.timestamp, 2);
        assert_eq!(queue.pop().await.timestamp, 3);
    }

    #[tokio::test]
    async fn drops_the_old_and_goes_on_with_a_keyframe() {
        let queue = VideoQueue::new(2);
        assert!(queue.push(frame(1, true)));
        assert!(queue.push(frame(2, false)));
        assert!(!queue.push(frame(3, false)), "too many wait");
        assert!(!queue.push(frame(4, false)), "the one before was dropped");
        assert!(queue.push(frame(5, true)));
        assert_eq!(queue.pop().await.timestamp, 5);
    }

    #[tokio::test]
    async fn a_keyframe_takes_the_place_of_what_is_too_much() {
        let queue = VideoQueue::new(2);
        assert!(queue.push(frame(1, true)));
        assert!(queue.push(frame(2, false)));
        assert!(queue.push(frame(3, true)));
        assert_eq!(queue.pop().await.timestamp, 3);
    }
}
