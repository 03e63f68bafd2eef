//! The counts of every stream.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use rtc::interceptor::StreamInfo;
use rtc::rtcp::reception_report::ReceptionReport;
use rtc::rtp;
use rtc::shared::marshal::MarshalSize;

use super::clock::CaptureClock;
use crate::frame::Kind;
use crate::wrapping::Sequence;

/// How many of our reports are remembered, to work out the round trip: they go out every second.
const REPORTS: usize = 16;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Packets that are missing (NACK).
    Again,
    /// A keyframe (PLI).
    Keyframe,
    /// A keyframe (FIR).
    FullKeyframe,
}

/// The streams of a connection.
#[derive(Default)]
pub(super) struct Streams {
    /// By their numbers.
    pub inbound: BTreeMap<u32, Inbound>,
    /// By their numbers.
    pub outbound: BTreeMap<u32, Outbound>,
}

/// How often what was asked for.
#[derive(Default)]
pub(super) struct Requests {
    pub again: u32,
    pub keyframe: u32,
    pub full_keyframe: u32,
}

impl Requests {
    pub fn count(&mut self, what: Asked) {
        match what {
            Asked::Again => self.again += 1,
            Asked::Keyframe => self.keyframe += 1,
            Asked::FullKeyframe => self.full_keyframe += 1,
        }
    }
}

/// A stream that comes in.
pub(super) struct Inbound {
    pub kind: Kind,
    pub rtx: Option<u32>,
    pub payload_type: u8,
    pub clock: u32,
    pub packets: u64,
    pub bytes: u64,
    pub header_bytes: u64,
    pub repeated_packets: u64,
    pub repeated_bytes: u64,
    pub last: Option<Instant>,
    pub asked: Requests,
    pub frames: u64,
    pub keyframes: u64,
    pub dropped: u64,
    /// Width and height of the last keyframe.
    pub size: Option<(u32, u32)>,
    /// NTP and RTP timestamp of the other side's last report.
    pub report: Option<(u64, u32)>,
    sequence: Sequence,
    first: u64,
    /// When the last packet came, its RTP timestamp, and the jitter so far in ticks.
    jitter: Option<(Instant, u32, f64)>,
}

impl Inbound {
    pub fn new(info: &StreamInfo) -> Self {
        Self {
            kind: kind(info),
            rtx: info.ssrc_rtx,
            payload_type: info.payload_type,
            clock: info.clock_rate,
            packets: 0,
            bytes: 0,
            header_bytes: 0,
            repeated_packets: 0,
            repeated_bytes: 0,
            last: None,
            asked: Requests::default(),
            frames: 0,
            keyframes: 0,
            dropped: 0,
            size: None,
            report: None,
            sequence: Sequence::default(),
            first: u64::MAX,
            jitter: None,
        }
    }

    pub fn received(&mut self, now: Instant, packet: &rtp::Packet) {
        let number = self.sequence.extend(packet.header.sequence_number);
        self.first = self.first.min(number);
        self.count(now, packet);
        let (before, timestamp, jitter) = self.jitter.unwrap_or((now, packet.header.timestamp, 0.0));
        #[expect(clippy::cast_possible_wrap, reason = "the difference wraps around")]
        let ticks = f64::from(packet.header.timestamp.wrapping_sub(timestamp) as i32);
        let apart = now.duration_since(before).as_secs_f64() * f64::from(self.clock) - ticks;
        self.jitter = Some((now, packet.header.timestamp, jitter + (apart.abs() - jitter) / 16.0));
    }

    pub fn received_again(&mut self, now: Instant, packet: &rtp::Packet) {
        self.count(now, packet);
        self.repeated_packets += 1;
        self.repeated_bytes += packet.payload.len() as u64;
    }

    fn count(&mut self, now: Instant, packet: &rtp::Packet) {
        self.last = Some(now);
        self.packets += 1;
        self.bytes += packet.payload.len() as u64;
        self.header_bytes += packet.header.marshal_size() as u64;
    }

    pub fn lost(&self) -> i64 {
        let expected = self.sequence.highest().map_or(0, |highest| highest - self.first + 1);
        let received = self.packets - self.repeated_packets;
        i64::try_from(expected).unwrap_or(i64::MAX) - i64::try_from(received).unwrap_or(i64::MAX)
    }

    /// In seconds.
    pub fn jitter(&self) -> Option<f64> {
        self.jitter.map(|(_, _, ticks)| ticks / f64::from(self.clock.max(1)))
    }
}

/// What the other side says of a stream.
pub(super) struct Reported {
    pub at: Instant,
    pub lost: i64,
    pub fraction: f64,
    /// In seconds.
    pub jitter: f64,
}

/// A stream that goes out.
pub(super) struct Outbound {
    pub kind: Kind,
    pub rtx: Option<u32>,
    pub payload_type: u8,
    pub clock: u32,
    pub packets: u64,
    pub bytes: u64,
    pub header_bytes: u64,
    pub repeated_packets: u64,
    pub repeated_bytes: u64,
    pub asked: Requests,
    pub frames: u64,
    pub keyframes: u64,
    pub capture: CaptureClock,
    pub reported: Option<Reported>,
    /// In seconds.
    pub round_trip: Option<f64>,
    pub round_trips: u64,
    pub round_trips_sum: f64,
    /// The middle of our reports' NTP timestamps, and when they left.
    told: VecDeque<(u32, Instant)>,
}

impl Outbound {
    pub fn new(info: &StreamInfo) -> Self {
        Self {
            kind: kind(info),
            rtx: info.ssrc_rtx,
            payload_type: info.payload_type,
            clock: info.clock_rate,
            packets: 0,
            bytes: 0,
            header_bytes: 0,
            repeated_packets: 0,
            repeated_bytes: 0,
            asked: Requests::default(),
            frames: 0,
            keyframes: 0,
            capture: CaptureClock::default(),
            reported: None,
            round_trip: None,
            round_trips: 0,
            round_trips_sum: 0.0,
            told: VecDeque::new(),
        }
    }

    pub fn sent(&mut self, headers: u64, payload: u64, again: bool) {
        self.packets += 1;
        self.bytes += payload;
        self.header_bytes += headers;
        if again {
            self.repeated_packets += 1;
            self.repeated_bytes += payload;
        }
    }

    /// A report of ours leaves.
    pub fn told(&mut self, now: Instant, ntp: u64) {
        if self.told.len() >= REPORTS {
            self.told.pop_front();
        }
        self.told.push_back((middle(ntp), now));
    }

    pub fn reported(&mut self, now: Instant, report: &ReceptionReport) {
        self.reported = Some(Reported {
            at: now,
            lost: signed(report.total_lost),
            fraction: f64::from(report.fraction_lost) / 256.0,
            jitter: f64::from(report.jitter) / f64::from(self.clock.max(1)),
        });
        // The delay is in steps of 1/65536 s (RFC 3550, section 6.4.1).
        let delay = f64::from(report.delay) / 65_536.0;
        let told = self.told.iter().find(|(middle, _)| *middle == report.last_sender_report);
        if let Some((_, at)) = told.filter(|_| report.last_sender_report != 0) {
            let time = (now.duration_since(*at).as_secs_f64() - delay).max(0.0);
            self.round_trip = Some(time);
            self.round_trips += 1;
            self.round_trips_sum += time;
        }
    }
}

fn kind(info: &StreamInfo) -> Kind {
    if info.mime_type.to_ascii_lowercase().starts_with("audio/") { Kind::Voice } else { Kind::Video }
}

/// By which a report is known to the other side.
#[expect(clippy::cast_possible_truncation, reason = "the middle 32 bits (RFC 3550, section 6.4.1)")]
fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// From 24 bits.
#[expect(clippy::cast_possible_wrap, reason = "it is a signed number (RFC 3550, section 6.4.1)")]
fn signed(lost: u32) -> i64 {
    i64::from((lost << 8) as i32 >> 8)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use rtc::rtp::header::Header;

    use super::*;

    fn packet(sequence_number: u16, timestamp: u32) -> rtp::Packet {
        let header = Header { version: 2, sequence_number, timestamp, ..Header::default() };
        rtp::Packet { header, payload: Bytes::from_static(&[0; 100]) }
    }

    fn info() -> StreamInfo {
        StreamInfo { clock_rate: 90_000, mime_type: "video/VP8".into(), ..StreamInfo::default() }
    }

    #[test]
    fn what_is_missing_is_lost_also_across_the_wrap() {
        let mut stream = Inbound::new(&info());
        let now = Instant::now();
        for number in [65_533, 65_534, 0, 1, 3, 2] {
            stream.received(now, &packet(number, 0));
        }
        assert_eq!(stream.lost(), 1);
        stream.received_again(now, &packet(0, 0));
        assert_eq!((stream.lost(), stream.packets, stream.repeated_packets), (1, 7, 1));
        // Twice.
        stream.received(now, &packet(3, 0));
        stream.received(now, &packet(3, 0));
        assert_eq!(stream.lost(), -1);
    }

    #[test]
    fn even_packets_have_no_jitter() {
        let mut stream = Inbound::new(&info());
        let start = Instant::now();
        assert_eq!(stream.jitter(), None);
        for number in 0..100_u16 {
            stream
                .received(start + Duration::from_millis(10) * number.into(), &packet(number, u32::from(number) * 900));
        }
        assert!(stream.jitter().unwrap() < 0.000_1);
        for number in 0..100_u16 {
            let late = Duration::from_millis(1_000 + 10 * u64::from(number) + 5 * u64::from(number % 2));
            stream.received(start + late, &packet(100 + number, 90_000 + u32::from(number) * 900));
        }
        let jitter = stream.jitter().unwrap();
        assert!((0.004..0.006).contains(&jitter), "{jitter}");
    }

    #[test]
    fn a_report_gives_the_round_trip() {
        let mut stream = Outbound::new(&info());
        let start = Instant::now();
        stream.told(start, 0x1234_5678_9ABC_DEF0);
        let mut report = ReceptionReport {
            last_sender_report: 0x5678_9ABC,
            delay: 65_536 / 2,
            total_lost: 0x00FF_FFFE,
            fraction_lost: 64,
            jitter: 900,
            ..ReceptionReport::default()
        };
        stream.reported(start + Duration::from_millis(620), &report);
        let time = stream.round_trip.unwrap();
        assert!((time - 0.12).abs() < 1e-9, "{time}");
        let reported = stream.reported.as_ref().unwrap();
        assert_eq!((reported.lost, reported.fraction, reported.jitter), (-2, 0.25, 0.01));
        // Of a report that it never got from us nothing can be worked out.
        report.last_sender_report = 0;
        stream.reported(start + Duration::from_secs(9), &report);
        assert_eq!(stream.round_trips, 1);
    }
}
