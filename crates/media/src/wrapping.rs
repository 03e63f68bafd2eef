//! Numbers that wrap around on the wire.

/// RTP timestamps without wrapping, from an arbitrary start.
#[derive(Default)]
pub(crate) struct Ticks(Option<u64>);

impl Ticks {
    /// The one nearest to the last.
    pub fn extend(&mut self, timestamp: u32) -> u64 {
        let ticks = match self.0 {
            None => (1 << 32) | u64::from(timestamp),
            #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "the low bits wrap around")]
            Some(last) => last.saturating_add_signed(i64::from(timestamp.wrapping_sub(last as u32) as i32)),
        };
        self.0 = Some(ticks);
        ticks
    }
}

/// Sequence numbers without wrapping (RFC 3550, appendix A.1), from an arbitrary start.
#[derive(Default)]
pub(crate) struct Sequence(Option<u64>);

impl Sequence {
    /// The one nearest to the highest so far.
    pub fn extend(&mut self, sequence: u16) -> u64 {
        let Some(highest) = self.0 else {
            // Room below for packets that were sent earlier and come later.
            let number = (1 << 32) | u64::from(sequence);
            self.0 = Some(number);
            return number;
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "the low bits wrap around")]
        let step = sequence.wrapping_sub(highest as u16) as i16;
        let number = highest.saturating_add_signed(i64::from(step));
        self.0 = Some(highest.max(number));
        number
    }

    /// The highest so far.
    pub fn highest(&self) -> Option<u64> {
        self.0
    }
}
