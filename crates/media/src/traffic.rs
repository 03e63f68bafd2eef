//! What the connection's streams did so far: told by the steps of the packet chain and by the tracks, read for statistics.

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
use clock::CaptureClock;
use streams::{Inbound, Outbound, Streams};

pub(crate) use streams::Asked;

mod clock;
mod report;
mod streams;

/// More streams than a call has. What else comes is not counted.
const MOST: usize = 16;

/// Shared by everything that carries media.
pub(crate) struct Traffic {
    streams: Mutex<Streams>,
    /// What the encoder of the picture shall make.
    target: watch::Sender<Bitrate>,
    /// There and back, with the wait for feedback, in microseconds. Zero while that is not known.
    took: AtomicU64,
    /// Ties the monotonic clock to the wall clock, once: a clock that is set during a call changes nothing.
    started: SystemInstant,
}

/// An estimate, in bits per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bitrate {
    /// For the encoder of the picture.
    pub target: u32,
    /// For everything; none before there was an estimate.
    pub available: Option<f64>,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            streams: Mutex::default(),
            target: watch::Sender::new(Bitrate { target: estimator::START, available: None }),
            took: AtomicU64::new(0),
            started: SystemInstant::now(Instant::now()),
        }
    }
}

impl Traffic {
    /// What the encoder of the picture shall make, in bits per second.
    pub fn target(&self) -> u32 {
        self.target.borrow().target
    }

    /// The same, and when it changes.
    pub fn bitrate(&self) -> watch::Receiver<Bitrate> {
        self.target.subscribe()
    }

    /// There is an estimate.
    pub fn estimated(&self, target: u32, available: f64) {
        let bitrate = Bitrate { target, available: Some(available) };
        self.target.send_if_modified(|before| std::mem::replace(before, bitrate) != bitrate);
    }

    /// Feedback came for a packet that left so long ago, the newest that it speaks of.
    pub fn took(&self, time: Duration) {
        self.took.store(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// When at the earliest something can be heard of what leaves now; zero while that is not known.
    pub fn answer(&self) -> Duration {
        Duration::from_micros(self.took.load(Ordering::Relaxed))
    }

    /// A stream goes out from now on.
    pub fn sends(&self, info: &StreamInfo) {
        let mut streams = self.streams();
        if streams.outbound.len() < MOST {
            streams.outbound.entry(info.ssrc).or_insert_with(|| Outbound::new(info));
        }
    }

    /// A stream comes in from now on.
    pub fn receives(&self, info: &StreamInfo) {
        let mut streams = self.streams();
        // The library gives a stream of retransmissions as one of its own, too. It counts for the one that it repeats.
        if let Some(rtx) = info.ssrc_rtx {
            streams.inbound.remove(&rtx);
        }
        let repeats = streams.inbound.values().any(|stream| stream.rtx == Some(info.ssrc));
        if streams.inbound.len() < MOST && !repeats {
            streams.inbound.entry(info.ssrc).or_insert_with(|| Inbound::new(info));
        }
    }

    /// A packet comes in.
    pub fn received(&self, now: Instant, packet: &rtp::Packet) {
        let mut streams = self.streams();
        let ssrc = packet.header.ssrc;
        if let Some(stream) = streams.inbound.get_mut(&ssrc) {
            stream.received(now, packet);
        } else if let Some(stream) = streams.inbound.values_mut().find(|stream| stream.rtx == Some(ssrc)) {
            stream.received_again(now, packet);
        }
    }

    /// A packet goes out.
    pub fn sent(&self, packet: &rtp::Packet) {
        let mut streams = self.streams();
        let ssrc = packet.header.ssrc;
        let headers = packet.header.marshal_size() as u64;
        if let Some(stream) = streams.outbound.get_mut(&ssrc) {
            stream.sent(headers, packet.payload.len() as u64, false);
        } else if let Some(stream) = streams.outbound.values_mut().find(|stream| stream.rtx == Some(ssrc)) {
            stream.sent(headers, packet.payload.len() as u64, true);
        }
    }

    /// The other side says how its clock goes.
    pub fn sender_report(&self, report: &SenderReport) {
        if let Some(stream) = self.streams().inbound.get_mut(&report.ssrc) {
            stream.report = Some((report.ntp_time, report.rtp_time));
        }
    }

    /// When a frame was captured, in microseconds on the sender's clock; none before its first report.
    pub fn captured(&self, ssrc: u32, timestamp: u32) -> Option<u64> {
        let streams = self.streams();
        let stream = streams.inbound.get(&ssrc)?;
        let (ntp, rtp) = stream.report?;
        Some(clock::captured(ntp, rtp, timestamp, stream.clock))
    }

    /// The other side says how it receives.
    pub fn reception_reports(&self, now: Instant, reports: &[ReceptionReport]) {
        let mut streams = self.streams();
        for report in reports {
            if let Some(stream) = streams.outbound.get_mut(&report.ssrc) {
                stream.reported(now, report);
            }
        }
    }

    /// The other side asks for something.
    pub fn asked_us(&self, ssrc: u32, what: Asked) {
        if let Some(stream) = self.streams().outbound.get_mut(&ssrc) {
            stream.asked.count(what);
        }
    }

    /// This side asks for something.
    pub fn we_asked(&self, ssrc: u32, what: Asked) {
        if let Some(stream) = self.streams().inbound.get_mut(&ssrc) {
            stream.asked.count(what);
        }
    }

    /// A frame is about to be sent with this RTP timestamp; when it was captured, in microseconds on its own clock.
    pub fn frame_sent(&self, now: Instant, ssrc: u32, timestamp: u32, captured: u64, keyframe: bool) {
        let since = self.since(now);
        let mut streams = self.streams();
        // Bound to the chain with its first packet at the latest, which is yet to come.
        if let Some(stream) = streams.outbound.get_mut(&ssrc) {
            stream.frames += 1;
            stream.keyframes += u64::from(keyframe);
            stream.capture.frame(since, timestamp, captured);
        }
    }

    /// A frame was put together, and taken or dropped.
    pub fn frame_received(&self, ssrc: u32, size: Option<(u32, u32)>, keyframe: bool, taken: bool) {
        if let Some(stream) = self.streams().inbound.get_mut(&ssrc) {
            stream.frames += 1;
            stream.keyframes += u64::from(keyframe);
            stream.dropped += u64::from(!taken);
            stream.size = size.or(stream.size);
        }
    }

    /// A sender report that ties the stream's timestamps to when its frames were captured. The library's ties them to when they
    /// left, which is later by what encoding and pacing took: for voice less than for the picture.
    pub fn clocked(&self, now: Instant, report: &SenderReport) -> SenderReport {
        let mut streams = self.streams();
        let clocks: Vec<&CaptureClock> = streams.outbound.values().map(|stream| &stream.capture).collect();
        let common = clock::common(&clocks);
        let mut report = report.clone();
        report.ntp_time = self.started.ntp(now);
        let since = self.since(now);
        if let Some(stream) = streams.outbound.get_mut(&report.ssrc) {
            if let Some(timestamp) = stream.capture.timestamp(since, common, stream.clock) {
                report.rtp_time = timestamp;
            }
            stream.told(now, report.ntp_time);
        }
        report
    }

    /// What the streams did so far.
    pub fn stats(&self, now: SystemTime) -> Vec<Stats> {
        let target = self.target();
        report::stats(&self.streams(), target, now)
    }

    /// Microseconds since this began.
    fn since(&self, now: Instant) -> i64 {
        let passed = self.started.unix(now).saturating_sub(self.started.duration_since_unix_epoch());
        i64::try_from(passed.as_micros()).unwrap_or(i64::MAX)
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        // Nothing that can panic happens under the lock.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
