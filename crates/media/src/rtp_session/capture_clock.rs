//! Capture times of frames: estimated for the sender reports of sent streams, derived from those of received streams.

/// Streams whose capture-to-send offsets differ by more, in microseconds, were not captured on one clock: no encoder takes that
/// long.
const MAX_OFFSET_DIFFERENCE: i64 = 2_000_000;
/// Window for the least offset, in microseconds: long enough to contain a frame that was not delayed, short enough to follow
/// clock drift.
const WINDOW: i64 = 10_000_000;

/// Capture time of a frame by a sender report (RFC 3550, section 6.4.1), in microseconds since 1900.
pub(super) fn capture_time(ntp: u64, rtp: u32, timestamp: u32, clock_rate: u32) -> u64 {
    let reported = (ntp >> 32) * 1_000_000 + (((ntp & 0xFFFF_FFFF) * 1_000_000) >> 32);
    #[expect(clippy::cast_possible_wrap, reason = "the difference wraps around")]
    let ticks = i64::from(timestamp.wrapping_sub(rtp) as i32);
    reported.saturating_add_signed(ticks * 1_000_000 / i64::from(clock_rate.max(1)))
}

/// Estimate of the offset between the capture clock of a sent stream and the session's clock.
#[derive(Default)]
pub(super) struct CaptureClock {
    /// RTP timestamp and capture time of the last frame.
    last: Option<(u32, u64)>,
    /// Least offset (send time less capture time) in the previous window.
    previous_offset: Option<i64>,
    /// Least offset in the current window.
    offset: Option<i64>,
    window_start: i64,
}

impl CaptureClock {
    /// Records a frame that is about to be sent. `now` and `captured_at` are in microseconds.
    pub fn frame_sent(&mut self, now: i64, timestamp: u32, captured_at: u64) {
        self.last = Some((timestamp, captured_at));
        let offset = now.saturating_sub(i64::try_from(captured_at).unwrap_or(i64::MAX));
        if now - self.window_start > WINDOW {
            self.window_start = now;
            self.previous_offset = self.offset.take();
        }
        self.offset = Some(self.offset.map_or(offset, |least| least.min(offset)));
    }

    /// The least offset in both windows.
    fn least_offset(&self) -> Option<i64> {
        [self.previous_offset, self.offset].into_iter().flatten().min()
    }

    /// RTP timestamp of a frame that would be captured at `now`; `None` before the first frame.
    pub fn timestamp(&self, now: i64, common_offset: Option<i64>, clock_rate: u32) -> Option<u32> {
        let own = self.least_offset()?;
        let is_common = |common: &i64| own.abs_diff(*common) < MAX_OFFSET_DIFFERENCE.unsigned_abs();
        let offset = common_offset.filter(is_common).unwrap_or(own);
        let (timestamp, captured_at) = self.last?;
        let since_last = i128::from(now) - i128::from(offset) - i128::from(captured_at);
        let ticks = since_last * i128::from(clock_rate) / 1_000_000;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "timestamps wrap around")]
        Some(timestamp.wrapping_add(ticks as u32))
    }
}

/// The offset for streams that are captured on one clock: the least of all.
pub(super) fn common_offset(clocks: &[&CaptureClock]) -> Option<i64> {
    clocks.iter().filter_map(|clock| clock.least_offset()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1,000.5 s as an NTP timestamp.
    const NTP: u64 = (1_000 << 32) | (1 << 31);

    #[test]
    fn a_sender_report_yields_capture_times() {
        assert_eq!(capture_time(NTP, 5_000, 5_000, 90_000), 1_000_500_000);
        assert_eq!(capture_time(NTP, 5_000, 5_000 + 90_000, 90_000), 1_001_500_000);
        assert_eq!(capture_time(NTP, 15_000, 15_000 - 9_000, 90_000), 1_000_400_000);
        // Across the wrap.
        assert_eq!(capture_time(NTP, u32::MAX - 44_999, 45_000, 90_000), 1_001_500_000);
    }

    /// Frames of two streams captured at the same time map to the same time, however long encoding took.
    #[test]
    fn streams_on_one_capture_clock_share_an_offset() {
        let mut audio = CaptureClock::default();
        let mut video = CaptureClock::default();
        for frame in 0..100_u32 {
            let captured_at = u64::from(frame) * 40_000 + 7_000_000;
            let now = i64::from(frame) * 40_000;
            audio.frame_sent(now + 3_000, frame * 1_920, captured_at);
            video.frame_sent(now + 60_000, frame * 3_600, captured_at);
        }
        let now = 100 * 40_000 + 3_000;
        let common_offset = common_offset(&[&audio, &video]);
        assert_eq!(audio.timestamp(now, common_offset, 48_000), Some(100 * 1_920));
        assert_eq!(video.timestamp(now, common_offset, 90_000), Some(100 * 3_600));
    }

    #[test]
    fn streams_on_two_capture_clocks_keep_their_own_offsets() {
        let mut audio = CaptureClock::default();
        let mut video = CaptureClock::default();
        audio.frame_sent(1_000_000, 48_000, 0);
        video.frame_sent(1_000_000, 90_000, 500_000_000);
        let common_offset = common_offset(&[&audio, &video]);
        assert_eq!(audio.timestamp(2_000_000, common_offset, 48_000), Some(96_000));
        assert_eq!(video.timestamp(2_000_000, common_offset, 90_000), Some(180_000));
    }

    /// Audio timestamps count the samples of a sound card that stopped for 400 ms; capture times include the pause.
    #[test]
    fn a_pause_of_the_sound_card_keeps_audio_and_video_in_sync() {
        let mut audio = CaptureClock::default();
        let mut video = CaptureClock::default();
        for frame in 0..100_u32 {
            let captured_at = u64::from(frame) * 20_000 + if frame < 50 { 0 } else { 400_000 };
            let now = i64::try_from(captured_at).unwrap();
            audio.frame_sent(now + 3_000, frame * 960, captured_at);
            video.frame_sent(now + 60_000, u32::try_from(captured_at / 100 * 9).unwrap(), captured_at);
        }
        let now = 2_400_000;
        let common_offset = common_offset(&[&audio, &video]);
        assert_eq!(audio.timestamp(now + 3_000, common_offset, 48_000), Some(100 * 960));
        assert_eq!(video.timestamp(now + 3_000, common_offset, 90_000), Some(24_000 * 9));
    }

    #[test]
    fn clock_drift_is_followed() {
        let mut audio = CaptureClock::default();
        // 0.1 % too slow: 60 ms behind after a minute.
        for packet in 0..3_000_i64 {
            let captured_at = u64::try_from(packet).unwrap() * 20_000;
            audio.frame_sent(packet * 20_020, u32::try_from(packet).unwrap() * 960, captured_at);
        }
        let timestamp = audio.timestamp(3_000 * 20_020, None, 48_000).unwrap();
        // The drift of 20 s at most.
        assert!(timestamp.abs_diff(3_000 * 960) <= 20 * 48 + 960, "{timestamp}");
    }
}
