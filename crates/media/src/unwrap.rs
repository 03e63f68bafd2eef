//! Unwrapping of RTP timestamps and sequence numbers, which wrap around on the wire, to 64 bits.

/// Unwraps RTP timestamps. Starts at an arbitrary value.
#[derive(Default)]
pub(crate) struct TimestampUnwrapper(Option<u64>);

impl TimestampUnwrapper {
    /// Returns the value nearest to the last one.
    pub fn unwrap(&mut self, timestamp: u32) -> u64 {
        let ticks = match self.0 {
            None => (1 << 32) | u64::from(timestamp),
            #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "the low bits wrap around")]
            Some(last) => last.saturating_add_signed(i64::from(timestamp.wrapping_sub(last as u32) as i32)),
        };
        self.0 = Some(ticks);
        ticks
    }
}

/// Unwraps RTP sequence numbers (RFC 3550, appendix A.1). Starts at an arbitrary value.
#[derive(Default)]
pub(crate) struct SequenceUnwrapper(Option<u64>);

impl SequenceUnwrapper {
    /// Returns the value nearest to the highest one so far.
    pub fn unwrap(&mut self, sequence: u16) -> u64 {
        let Some(highest) = self.0 else {
            // Leaves room below for packets that were sent before the first one and arrive after it.
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

    /// The highest value so far.
    pub fn highest(&self) -> Option<u64> {
        self.0
    }
}
