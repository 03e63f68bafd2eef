//! When frames were captured, on the way out and in.

/// Two streams whose frames come later than they were captured by amounts that differ by more, in microseconds, are not
/// captured on one clock: no encoder takes so long.
const APART: i64 = 2_000_000;
/// For how long the quickest frame counts, in microseconds.
const WINDOW: i64 = 10_000_000;

/// When a frame with this timestamp was captured (RFC 3550, section 6.4.1), in microseconds since 1900.
pub(super) fn captured(ntp: u64, rtp: u32, timestamp: u32, clock: u32) -> u64 {
    let reported = (ntp >> 32) * 1_000_000 + (((ntp & 0xFFFF_FFFF) * 1_000_000) >> 32);
    #[expect(clippy::cast_possible_wrap, reason = "the difference wraps around")]
    let ticks = i64::from(timestamp.wrapping_sub(rtp) as i32);
    reported.saturating_add_signed(ticks * 1_000_000 / i64::from(clock.max(1)))
}

/// Ties the clock on which frames are captured to ours.
#[derive(Default)]
pub(super) struct CaptureClock {
    /// The RTP timestamp and the time of capture of the last frame.
    last: Option<(u32, u64)>,
    /// By how much frames come later than they were captured, on two clocks: the quickest of the window before and of this one.
    before: Option<i64>,
    offset: Option<i64>,
    since: i64,
}

impl CaptureClock {
    /// A frame comes to be sent. `now` in microseconds.
    pub fn frame(&mut self, now: i64, timestamp: u32, captured: u64) {
        self.last = Some((timestamp, captured));
        let offset = now.saturating_sub(i64::try_from(captured).unwrap_or(i64::MAX));
        if now - self.since > WINDOW {
            self.since = now;
            self.before = self.offset.take();
        }
        self.offset = Some(self.offset.map_or(offset, |quickest| quickest.min(offset)));
    }

    /// The quickest lately.
    fn quickest(&self) -> Option<i64> {
        [self.before, self.offset].into_iter().flatten().min()
    }

    /// The RTP timestamp that a frame would have that is captured now; none before the first frame.
    pub fn timestamp(&self, now: i64, common: Option<i64>, clock: u32) -> Option<u32> {
        let own = self.quickest()?;
        let offset = common.filter(|common| own.abs_diff(*common) < APART.unsigned_abs()).unwrap_or(own);
        let (timestamp, captured) = self.last?;
        let later = i128::from(now) - i128::from(offset) - i128::from(captured);
        let ticks = later * i128::from(clock) / 1_000_000;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "timestamps wrap around")]
        Some(timestamp.wrapping_add(ticks as u32))
    }
}

/// What the streams have in common when they are captured on one clock: the quickest of all.
pub(super) fn common(clocks: &[&CaptureClock]) -> Option<i64> {
    clocks.iter().filter_map(|clock| clock.quickest()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half past a second, in NTP's fixed point.
    const HALF: u64 = (1_000 << 32) | (1 << 31);

    #[test]
    fn a_report_tells_when_frames_were_captured() {
        assert_eq!(captured(HALF, 5_000, 5_000, 90_000), 1_000_500_000);
        assert_eq!(captured(HALF, 5_000, 5_000 + 90_000, 90_000), 1_001_500_000);
        assert_eq!(captured(HALF, 15_000, 15_000 - 9_000, 90_000), 1_000_400_000);
        // Across the end of the numbers.
        assert_eq!(captured(HALF, u32::MAX - 44_999, 45_000, 90_000), 1_001_500_000);
    }

    /// Of two streams on one clock, frames captured together carry timestamps of the same moment, however long encoding took.
    #[test]
    fn streams_on_one_clock_are_told_as_one() {
        let mut voice = CaptureClock::default();
        let mut picture = CaptureClock::default();
        for frame in 0..100_u32 {
            let captured = u64::from(frame) * 40_000 + 7_000_000;
            let now = i64::from(frame) * 40_000;
            voice.frame(now + 3_000, frame * 1_920, captured);
            picture.frame(now + 60_000, frame * 3_600, captured);
        }
        let now = 100 * 40_000 + 3_000;
        let common = common(&[&voice, &picture]);
        assert_eq!(voice.timestamp(now, common, 48_000), Some(100 * 1_920));
        assert_eq!(picture.timestamp(now, common, 90_000), Some(100 * 3_600));
    }

    #[test]
    fn streams_on_two_clocks_are_told_each_by_itself() {
        let mut voice = CaptureClock::default();
        let mut picture = CaptureClock::default();
        voice.frame(1_000_000, 48_000, 0);
        picture.frame(1_000_000, 90_000, 500_000_000);
        let common = common(&[&voice, &picture]);
        assert_eq!(voice.timestamp(2_000_000, common, 48_000), Some(96_000));
        assert_eq!(picture.timestamp(2_000_000, common, 90_000), Some(180_000));
    }

    /// A voice's timestamps count what the sound card took in, which stood still for 400 ms; when that was is told besides.
    #[test]
    fn a_sound_card_that_stood_still_is_told_as_it_was() {
        let mut voice = CaptureClock::default();
        let mut picture = CaptureClock::default();
        for frame in 0..100_u32 {
            let captured = u64::from(frame) * 20_000 + if frame < 50 { 0 } else { 400_000 };
            let now = i64::try_from(captured).unwrap();
            voice.frame(now + 3_000, frame * 960, captured);
            picture.frame(now + 60_000, u32::try_from(captured / 100 * 9).unwrap(), captured);
        }
        let now = 2_400_000;
        let common = common(&[&voice, &picture]);
        assert_eq!(voice.timestamp(now + 3_000, common, 48_000), Some(100 * 960));
        assert_eq!(picture.timestamp(now + 3_000, common, 90_000), Some(24_000 * 9));
    }

    #[test]
    fn a_clock_that_goes_differently_is_followed() {
        let mut voice = CaptureClock::default();
        // A thousandth too slow: after a minute 60 ms behind.
        for packet in 0..3_000_i64 {
            let captured = u64::try_from(packet).unwrap() * 20_000;
            voice.frame(packet * 20_020, u32::try_from(packet).unwrap() * 960, captured);
        }
        let told = voice.timestamp(3_000 * 20_020, None, 48_000).unwrap();
        // Twenty seconds of it at most.
        assert!(told.abs_diff(3_000 * 960) <= 20 * 48 + 960, "{told}");
    }
}
