//! Which frames of the own picture go to the app: none that cannot be decoded there, and not more than it keeps up with.

/// Frames that may be left out while a keyframe is waited for, before it is asked for once more: two seconds of them.
const PATIENCE: usize = 60;

/// What passes to the app, and when the encoder is to make a keyframe.
#[derive(Debug)]
pub struct Gate {
    /// Frames that may be on their way to the app at once.
    most: usize,
    under_way: usize,
    flow: Flow,
}

/// Whether the next delta frame has all that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    /// It has.
    Whole,
    /// One before it was left out while there was no room. A keyframe that came now would be left out as well.
    Broken,
    /// A keyframe is asked for; so many frames have come since that were none.
    Asked(usize),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send it. Its end is to be told.
    Send,
    /// Leave it out.
    Leave,
    /// Leave it out, and ask the encoder for a keyframe.
    Ask,
}

impl Gate {
    /// With room for so many frames.
    pub fn new(most: usize) -> Self {
        Self { most, under_way: 0, flow: Flow::Whole }
    }

    /// A frame was made.
    pub fn made(&mut self, keyframe: bool) -> Next {
        if self.under_way >= self.most {
            self.flow = Flow::Broken;
            return Next::Leave;
        }
        match &mut self.flow {
            Flow::Asked(left) if !keyframe => {
                *left += 1;
                if *left < PATIENCE {
                    return Next::Leave;
                }
                self.ask()
            }
            Flow::Broken if !keyframe => self.ask(),
            _ => {
                self.flow = Flow::Whole;
                self.under_way += 1;
                Next::Send
            }
        }
    }

    /// A frame that was sent has arrived, or was not taken since one before it is missing.
    pub fn ended(&mut self, refused: bool) -> Next {
        self.under_way = self.under_way.saturating_sub(1);
        match self.flow {
            Flow::Broken => self.ask(),
            Flow::Whole if refused => self.ask(),
            _ => Next::Leave,
        }
    }

    fn ask(&mut self) -> Next {
        self.flow = Flow::Asked(0);
        Next::Ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Gate {
        let mut gate = Gate::new(2);
        assert_eq!(gate.made(true), Next::Send);
        assert_eq!(gate.made(false), Next::Send);
        gate
    }

    #[test]
    fn what_is_too_much_is_left_out_until_a_keyframe_comes() {
        let mut gate = full();
        assert_eq!(gate.made(false), Next::Leave);
        assert_eq!(gate.ended(false), Next::Ask, "there is room");
        assert_eq!(gate.made(false), Next::Leave, "the one before is missing");
        assert_eq!(gate.ended(false), Next::Leave, "it is asked for");
        assert_eq!(gate.made(true), Next::Send);
        assert_eq!(gate.made(false), Next::Send);
    }

    /// The picture stood still for the rest of the call: the keyframe was left out, and never asked for again.
    #[test]
    fn a_keyframe_that_finds_no_room_is_asked_for_again() {
        let mut gate = full();
        assert_eq!(gate.made(false), Next::Leave);
        assert_eq!(gate.made(true), Next::Leave);
        assert_eq!(gate.made(false), Next::Leave);
        assert_eq!(gate.ended(false), Next::Ask);
        assert_eq!(gate.made(true), Next::Send);
        assert_eq!(gate.made(false), Next::Leave, "no room");
        assert_eq!(gate.ended(false), Next::Ask);
    }

    #[test]
    fn what_the_app_refuses_is_followed_by_a_keyframe() {
        let mut gate = full();
        assert_eq!(gate.ended(true), Next::Ask);
        assert_eq!(gate.ended(true), Next::Leave, "once is enough");
        assert_eq!(gate.made(false), Next::Leave);
        assert_eq!(gate.made(true), Next::Send);
        assert_eq!(gate.ended(true), Next::Ask, "the keyframe was refused itself");
    }

    #[test]
    fn a_request_that_was_lost_is_repeated() {
        let mut gate = full();
        assert_eq!(gate.ended(true), Next::Ask);
        let mut frames = std::iter::repeat_with(|| gate.made(false));
        assert_eq!(frames.position(|next| next == Next::Ask), Some(PATIENCE - 1));
    }

    #[cfg(not(target_arch = "wasm32"))]
    proptest::proptest! {
        /// Whatever happened: once all has arrived and whoever is asked makes a keyframe, frames pass again.
        #[test]
        fn nothing_stops_it_for_good(happened in proptest::collection::vec((0..3, proptest::bool::ANY), 0..200)) {
            let mut gate = Gate::new(3);
            let mut under_way = 0;
            let mut asked = false;
            for (what, flag) in happened {
                let next = if what == 0 && under_way > 0 {
                    under_way -= 1;
                    gate.ended(flag)
                } else {
                    // An encoder that is asked may lose it.
                    gate.made(flag && asked)
                };
                under_way += usize::from(next == Next::Send);
                proptest::prop_assert!(under_way <= 3);
                asked |= next == Next::Ask;
            }
            for _ in 0..under_way {
                asked |= gate.ended(false) == Next::Ask;
            }
            let mut passed = false;
            for _ in 0..2 * PATIENCE {
                let next = gate.made(std::mem::take(&mut asked));
                asked = next == Next::Ask;
                passed = next == Next::Send;
                if passed {
                    gate.ended(false);
                }
            }
            proptest::prop_assert!(passed);
        }
    }
}
