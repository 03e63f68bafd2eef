//! Back-pressure for encoded video frames on their way to the app: bounds the frames in flight, and after a dropped frame
//! drops delta frames until the encoder has produced a keyframe.

/// Frames dropped while a requested keyframe is awaited, before the request is repeated: two seconds at 30 frames per second.
const REQUEST_TIMEOUT_FRAMES: usize = 60;

/// Decides for each encoded frame whether to send it, and when to request a keyframe.
#[derive(Debug)]
pub struct SendWindow {
    max_in_flight: usize,
    in_flight: usize,
    chain: DecodeChain,
}

/// Whether the app has every frame that the next delta frame refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DecodeChain {
    /// It has.
    Intact,
    /// A frame was dropped because the window was full. No keyframe is requested yet: it would be dropped as well.
    Broken,
    /// A keyframe was requested; counts the delta frames dropped since.
    KeyframeRequested(usize),
}

/// What the caller has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameAction {
    /// Send the frame, and report its completion.
    Send,
    /// Drop the frame. After a completion: nothing.
    Drop,
    /// Drop the frame, and request a keyframe from the encoder.
    RequestKeyframe,
}

impl SendWindow {
    /// Creates an empty window for at most this many frames in flight.
    pub fn new(max_in_flight: usize) -> Self {
        Self { max_in_flight, in_flight: 0, chain: DecodeChain::Intact }
    }

    /// Handles a frame of the encoder.
    pub fn on_frame(&mut self, keyframe: bool) -> FrameAction {
        if self.in_flight >= self.max_in_flight {
            self.chain = DecodeChain::Broken;
            return FrameAction::Drop;
        }
        match &mut self.chain {
            DecodeChain::KeyframeRequested(dropped) if !keyframe => {
                *dropped += 1;
                if *dropped < REQUEST_TIMEOUT_FRAMES {
                    return FrameAction::Drop;
                }
                self.request_keyframe()
            }
            DecodeChain::Broken if !keyframe => self.request_keyframe(),
            _ => {
                self.chain = DecodeChain::Intact;
                self.in_flight += 1;
                FrameAction::Send
            }
        }
    }

    /// Handles the completion of a sent frame; `refused` if the app lacks the frame that it refers to.
    pub fn on_completion(&mut self, refused: bool) -> FrameAction {
        self.in_flight = self.in_flight.saturating_sub(1);
        match self.chain {
            DecodeChain::Broken => self.request_keyframe(),
            DecodeChain::Intact if refused => self.request_keyframe(),
            _ => FrameAction::Drop,
        }
    }

    fn request_keyframe(&mut self) -> FrameAction {
        self.chain = DecodeChain::KeyframeRequested(0);
        FrameAction::RequestKeyframe
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full_window() -> SendWindow {
        let mut window = SendWindow::new(2);
        assert_eq!(window.on_frame(true), FrameAction::Send);
        assert_eq!(window.on_frame(false), FrameAction::Send);
        window
    }

    #[test]
    fn frames_beyond_the_window_are_dropped_until_a_keyframe() {
        let mut window = full_window();
        assert_eq!(window.on_frame(false), FrameAction::Drop);
        assert_eq!(window.on_completion(false), FrameAction::RequestKeyframe, "there is room");
        assert_eq!(window.on_frame(false), FrameAction::Drop, "the reference frame is missing");
        assert_eq!(window.on_completion(false), FrameAction::Drop, "a keyframe was requested already");
        assert_eq!(window.on_frame(true), FrameAction::Send);
        assert_eq!(window.on_frame(false), FrameAction::Send);
    }

    /// Otherwise the video freezes for the rest of the call.
    #[test]
    fn a_keyframe_that_finds_the_window_full_is_requested_again() {
        let mut window = full_window();
        assert_eq!(window.on_frame(false), FrameAction::Drop);
        assert_eq!(window.on_frame(true), FrameAction::Drop);
        assert_eq!(window.on_frame(false), FrameAction::Drop);
        assert_eq!(window.on_completion(false), FrameAction::RequestKeyframe);
        assert_eq!(window.on_frame(true), FrameAction::Send);
        assert_eq!(window.on_frame(false), FrameAction::Drop, "the window is full");
        assert_eq!(window.on_completion(false), FrameAction::RequestKeyframe);
    }

    #[test]
    fn a_keyframe_is_requested_after_the_app_refused_a_frame() {
        let mut window = full_window();
        assert_eq!(window.on_completion(true), FrameAction::RequestKeyframe);
        assert_eq!(window.on_completion(true), FrameAction::Drop, "one request is enough");
        assert_eq!(window.on_frame(false), FrameAction::Drop);
        assert_eq!(window.on_frame(true), FrameAction::Send);
        assert_eq!(window.on_completion(true), FrameAction::RequestKeyframe, "the keyframe itself was refused");
    }

    #[test]
    fn an_unanswered_request_is_repeated() {
        let mut window = full_window();
        assert_eq!(window.on_completion(true), FrameAction::RequestKeyframe);
        let mut actions = std::iter::repeat_with(|| window.on_frame(false));
        assert_eq!(actions.position(|action| action == FrameAction::RequestKeyframe), Some(REQUEST_TIMEOUT_FRAMES - 1));
    }

    #[cfg(not(target_arch = "wasm32"))]
    proptest::proptest! {
        /// After any history: once all frames have completed and the encoder answers requests, frames are sent again.
        #[test]
        fn the_window_always_recovers(events in proptest::collection::vec((0..3, proptest::bool::ANY), 0..200)) {
            let mut window = SendWindow::new(3);
            let mut in_flight = 0;
            let mut requested = false;
            for (event, flag) in events {
                let action = if event == 0 && in_flight > 0 {
                    in_flight -= 1;
                    window.on_completion(flag)
                } else {
                    // The encoder may ignore a request.
                    window.on_frame(flag && requested)
                };
                in_flight += usize::from(action == FrameAction::Send);
                proptest::prop_assert!(in_flight <= 3);
                requested |= action == FrameAction::RequestKeyframe;
            }
            for _ in 0..in_flight {
                requested |= window.on_completion(false) == FrameAction::RequestKeyframe;
            }
            let mut sent = false;
            for _ in 0..2 * REQUEST_TIMEOUT_FRAMES {
                let action = window.on_frame(std::mem::take(&mut requested));
                requested = action == FrameAction::RequestKeyframe;
                sent = action == FrameAction::Send;
                if sent {
                    window.on_completion(false);
                }
            }
            proptest::prop_assert!(sent);
        }
    }
}
