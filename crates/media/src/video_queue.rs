//! Bounded queue of video frames: on overflow it drops all frames up to the next keyframe.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::frame::EncodedFrame;

/// Bounded queue of video frames for one reader, whose output is always decodable. On overflow it drops all queued frames, and
/// rejects delta frames until the next keyframe.
pub(crate) struct VideoQueue {
    state: Mutex<VideoQueueState>,
    pushed: Notify,
    capacity: usize,
}

struct VideoQueueState {
    frames: VecDeque<EncodedFrame>,
    keyframe_needed: bool,
    is_stopped: bool,
}

impl VideoQueue {
    /// Creates a queue of at most `capacity` frames.
    pub fn new(capacity: usize) -> Self {
        let frames = VecDeque::with_capacity(capacity);
        let state = VideoQueueState { frames, keyframe_needed: true, is_stopped: false };
        Self { state: Mutex::new(state), pushed: Notify::new(), capacity }
    }

    /// Queues a frame. Returns false if it was dropped because a keyframe is needed first.
    pub fn push(&self, frame: EncodedFrame) -> bool {
        {
            let mut state = self.state();
            if state.is_stopped {
                return true;
            }
            if state.frames.len() >= self.capacity {
                state.frames.clear();
                state.keyframe_needed = true;
            }
            if state.keyframe_needed && !frame.keyframe {
                return false;
            }
            state.keyframe_needed = false;
            state.frames.push_back(frame);
        }
        self.pushed.notify_one();
        true
    }

    /// Waits for the next frame. Cancel safe.
    pub async fn pop(&self) -> EncodedFrame {
        loop {
            // A push after this line is not missed: `notify_one` stores a permit.
            if let Some(frame) = self.state().frames.pop_front() {
                return frame;
            }
            self.pushed.notified().await;
        }
    }

    /// Total size of the queued frames, in bytes.
    pub fn bytes(&self) -> usize {
        self.state().frames.iter().map(|frame| frame.data.len()).sum()
    }

    /// Discards queued and all further frames; for a queue without a reader.
    pub fn stop(&self) {
        let mut state = self.state();
        state.frames.clear();
        state.is_stopped = true;
    }

    fn state(&self) -> MutexGuard<'_, VideoQueueState> {
        // Nothing panics while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::frame::MediaType;

    fn frame(timestamp: u64, keyframe: bool) -> EncodedFrame {
        EncodedFrame { kind: MediaType::Video, timestamp, captured_at: None, keyframe, data: Bytes::from_static(&[0]) }
    }

    #[tokio::test]
    async fn delta_frames_before_the_first_keyframe_are_dropped() {
        let queue = VideoQueue::new(4);
        assert!(!queue.push(frame(1, false)));
        assert!(queue.push(frame(2, true)));
        assert!(queue.push(frame(3, false)));
        assert_eq!(queue.pop().await.timestamp, 2);
        assert_eq!(queue.pop().await.timestamp, 3);
    }

    #[tokio::test]
    async fn an_overflow_drops_all_frames_until_the_next_keyframe() {
        let queue = VideoQueue::new(2);
        assert!(queue.push(frame(1, true)));
        assert!(queue.push(frame(2, false)));
        assert!(!queue.push(frame(3, false)), "the queue is full");
        assert!(!queue.push(frame(4, false)), "the previous frame was dropped");
        assert!(queue.push(frame(5, true)));
        assert_eq!(queue.pop().await.timestamp, 5);
    }

    #[tokio::test]
    async fn a_keyframe_replaces_the_frames_dropped_by_an_overflow() {
        let queue = VideoQueue::new(2);
        assert!(queue.push(frame(1, true)));
        assert!(queue.push(frame(2, false)));
        assert!(queue.push(frame(3, true)));
        assert_eq!(queue.pop().await.timestamp, 3);
    }
}
