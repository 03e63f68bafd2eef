//! Shared state of a connection's RTP streams: counters, bitrate estimate and capture clocks. Interceptors and tracks write it;
//! statistics and pacing read it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rtc::interceptor::StreamInfo;
use rtc::rtcp::reception_report::ReceptionReport;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtp;
use rtc::shared::marshal::MarshalSize;
use rtc::shared::time::SystemInstant;
use tokio::sync::watch;

use crate::estimator;
use crate::stats::Stats;
use capture_clock::CaptureClock;
use streams::{InboundStream, OutboundStream, RtpStreams};

pub(crate) use streams::RtcpRequest;

mod capture_clock;
mod rtp_stats;
mod streams;

/// Limit of streams in each direction; a call has fewer. Further streams are not counted.
const MAX_STREAMS: usize = 16;

/// Shared state of a connection's RTP streams.
pub(crate) struct RtpSession {
    streams: Mutex<RtpStreams>,
    bitrate: watch::Sender<Bitrate>,
    /// From sending a packet to its feedback, in microseconds; 0 while unknown.
    feedback_delay_micros: AtomicU64,
    /// Maps the monotonic clock to the wall clock. Fixed for the call, so that setting the system clock has no effect.
    started: SystemInstant,
}

/// Bandwidth estimate, in bits per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bitrate {
    /// Target bitrate of the video encoder.
    pub target: u32,
    /// Available bandwidth for all streams; `None` before the first estimate.
    pub available: Option<f64>,
}

impl Default for RtpSession {
    fn default() -> Self {
        Self {
            streams: Mutex::default(),
            bitrate: watch::Sender::new(Bitrate { target: estimator::START_TARGET, available: None }),
            feedback_delay_micros: AtomicU64::new(0),
            started: SystemInstant::now(Instant::now()),
        }
    }
}

impl RtpSession {
    /// Target bitrate of the video encoder, in bits per second.
    pub fn target_bitrate(&self) -> u32 {
        self.bitrate.borrow().target
    }

    pub fn bitrate(&self) -> watch::Receiver<Bitrate> {
        self.bitrate.subscribe()
    }

    pub fn set_bitrate(&self, target: u32, available: f64) {
        let bitrate = Bitrate { target, available: Some(available) };
        self.bitrate.send_if_modified(|before| std::mem::replace(before, bitrate) != bitrate);
    }

    /// Records the time from sending the newest acknowledged packet to its feedback.
    pub fn set_feedback_delay(&self, delay: Duration) {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.feedback_delay_micros.store(micros, Ordering::Relaxed);
    }

    /// Expected time until feedback on a packet sent now; zero while unknown.
    pub fn feedback_delay(&self) -> Duration {
        Duration::from_micros(self.feedback_delay_micros.load(Ordering::Relaxed))
    }

    pub fn add_outbound(&self, info: &StreamInfo) {
        let mut streams = self.streams();
        if streams.outbound.len() < MAX_STREAMS {
            streams.outbound.entry(info.ssrc).or_insert_with(|| OutboundStream::new(info));
        }
    }

    pub fn add_inbound(&self, info: &StreamInfo) {
        let mut streams = self.streams();
        // The library also reports an RTX stream as a stream of its own. Its packets count for the original stream.
        if let Some(rtx) = info.ssrc_rtx {
            streams.inbound.remove(&rtx);
        }
        let is_rtx = streams.inbound.values().any(|stream| stream.rtx == Some(info.ssrc));
        if streams.inbound.len() < MAX_STREAMS && !is_rtx {
            streams.inbound.entry(info.ssrc).or_insert_with(|| InboundStream::new(info));
        }
    }

    pub fn packet_received(&self, now: Instant, packet: &rtp::Packet) {
        let mut streams = self.streams();
        let ssrc = packet.header.ssrc;
        if let Some(stream) = streams.inbound.get_mut(&ssrc) {
            stream.packet_received(now, packet);
        } else if let Some(stream) = streams.inbound.values_mut().find(|stream| stream.rtx == Some(ssrc)) {
            stream.rtx_packet_received(now, packet);
        }
    }

    pub fn packet_sent(&self, packet: &rtp::Packet) {
        let mut streams = self.streams();
        let ssrc = packet.header.ssrc;
        let headers = packet.header.marshal_size() as u64;
        if let Some(stream) = streams.outbound.get_mut(&ssrc) {
            stream.packet_sent(headers, packet.payload.len() as u64, false);
        } else if let Some(stream) = streams.outbound.values_mut().find(|stream| stream.rtx == Some(ssrc)) {
            stream.packet_sent(headers, packet.payload.len() as u64, true);
        }
    }

    /// Records a sender report: the mapping of RTP timestamps to the remote clock.
    pub fn sender_report_received(&self, report: &SenderReport) {
        if let Some(stream) = self.streams().inbound.get_mut(&report.ssrc) {
            stream.sender_report = Some((report.ntp_time, report.rtp_time));
        }
    }

    /// Capture time of a received frame, in microseconds on the sender's clock; `None` before the stream's first sender report.
    pub fn capture_time(&self, ssrc: u32, timestamp: u32) -> Option<u64> {
        let streams = self.streams();
        let stream = streams.inbound.get(&ssrc)?;
        let (ntp, rtp) = stream.sender_report?;
        Some(capture_clock::capture_time(ntp, rtp, timestamp, stream.clock_rate))
    }

    pub fn reception_reports_received(&self, now: Instant, reports: &[ReceptionReport]) {
        let mut streams = self.streams();
        for report in reports {
            if let Some(stream) = streams.outbound.get_mut(&report.ssrc) {
                stream.reception_report_received(now, report);
            }
        }
    }

    pub fn request_received(&self, ssrc: u32, request: RtcpRequest) {
        if let Some(stream) = self.streams().outbound.get_mut(&ssrc) {
            stream.requests.count(request);
        }
    }

    pub fn request_sent(&self, ssrc: u32, request: RtcpRequest) {
        if let Some(stream) = self.streams().inbound.get_mut(&ssrc) {
            stream.requests.count(request);
        }
    }

    /// Records a frame that is about to be sent. `captured_at` is its capture time, in microseconds on the capture clock.
    pub fn frame_sent(&self, now: Instant, ssrc: u32, timestamp: u32, captured_at: u64, keyframe: bool) {
        let elapsed = self.elapsed_micros(now);
        let mut streams = self.streams();
        // A stream is added with its first packet at the latest, so it may still be unknown here.
        if let Some(stream) = streams.outbound.get_mut(&ssrc) {
            stream.frames += 1;
            stream.keyframes += u64::from(keyframe);
            stream.capture_clock.frame_sent(elapsed, timestamp, captured_at);
        }
    }

    /// Records an assembled frame, and whether it was queued or dropped.
    pub fn frame_received(&self, ssrc: u32, size: Option<(u32, u32)>, keyframe: bool, is_queued: bool) {
        if let Some(stream) = self.streams().inbound.get_mut(&ssrc) {
            stream.frames += 1;
            stream.keyframes += u64::from(keyframe);
            stream.dropped += u64::from(!is_queued);
            stream.size = size.or(stream.size);
        }
    }

    /// Rewrites a sender report so that it maps RTP timestamps to capture times. The library maps them to departure times, which
    /// are later by the encoding and pacing delay: more so for video than for audio.
    pub fn with_capture_clock(&self, now: Instant, report: &SenderReport) -> SenderReport {
        let mut streams = self.streams();
        let clocks: Vec<&CaptureClock> = streams.outbound.values().map(|stream| &stream.capture_clock).collect();
        let common_offset = capture_clock::common_offset(&clocks);
        let mut report = report.clone();
        report.ntp_time = self.started.ntp(now);
        let elapsed = self.elapsed_micros(now);
        if let Some(stream) = streams.outbound.get_mut(&report.ssrc) {
            if let Some(timestamp) = stream.capture_clock.timestamp(elapsed, common_offset, stream.clock_rate) {
                report.rtp_time = timestamp;
            }
            stream.sender_report_sent(now, report.ntp_time);
        }
        report
    }

    pub fn stats(&self, now: SystemTime) -> Vec<Stats> {
        let target = self.target_bitrate();
        rtp_stats::rtp_stats(&self.streams(), target, now)
    }

    fn elapsed_micros(&self, now: Instant) -> i64 {
        let passed = self.started.unix(now).saturating_sub(self.started.duration_since_unix_epoch());
        i64::try_from(passed.as_micros()).unwrap_or(i64::MAX)
    }

    fn streams(&self) -> MutexGuard<'_, RtpStreams> {
        // Nothing panics while the lock is held.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
