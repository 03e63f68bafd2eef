//! Counters and state of each RTP stream.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use rtc::interceptor::StreamInfo;
use rtc::rtcp::reception_report::ReceptionReport;
use rtc::rtp;
use rtc::shared::marshal::MarshalSize;

use super::capture_clock::CaptureClock;
use crate::frame::MediaType;
use crate::unwrap::SequenceUnwrapper;

/// Sender reports kept to compute the round trip time: one is sent every second.
const SENT_REPORTS: usize = 16;

/// An RTCP feedback message that requests something from the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RtcpRequest {
    /// Negative acknowledgement: requests retransmission of lost packets.
    Nack,
    /// Picture loss indication: requests a keyframe.
    Pli,
    /// Full intra request: requests a keyframe.
    Fir,
}

/// All RTP streams of a connection.
#[derive(Default)]
pub(super) struct RtpStreams {
    /// By SSRC.
    pub inbound: BTreeMap<u32, InboundStream>,
    /// By SSRC.
    pub outbound: BTreeMap<u32, OutboundStream>,
}

/// Counters of RTCP requests.
#[derive(Default)]
pub(super) struct RequestCounts {
    pub nack: u32,
    pub pli: u32,
    pub fir: u32,
}

impl RequestCounts {
    pub fn count(&mut self, request: RtcpRequest) {
        match request {
            RtcpRequest::Nack => self.nack += 1,
            RtcpRequest::Pli => self.pli += 1,
            RtcpRequest::Fir => self.fir += 1,
        }
    }
}

/// State of an inbound stream.
pub(super) struct InboundStream {
    pub kind: MediaType,
    /// SSRC of the RTX stream.
    pub rtx: Option<u32>,
    pub payload_type: u8,
    pub clock_rate: u32,
    pub packets: u64,
    pub bytes: u64,
    pub header_bytes: u64,
    pub rtx_packets: u64,
    pub rtx_bytes: u64,
    pub last_received: Option<Instant>,
    pub requests: RequestCounts,
    pub frames: u64,
    pub keyframes: u64,
    pub dropped: u64,
    /// Width and height of the last keyframe.
    pub size: Option<(u32, u32)>,
    /// NTP and RTP timestamp of the last sender report.
    pub sender_report: Option<(u64, u32)>,
    sequence: SequenceUnwrapper,
    /// The lowest sequence number.
    first: u64,
    /// Arrival and RTP timestamp of the last packet, and the jitter so far in RTP ticks.
    jitter: Option<(Instant, u32, f64)>,
}

impl InboundStream {
    pub fn new(info: &StreamInfo) -> Self {
        Self {
            kind: kind(info),
            rtx: info.ssrc_rtx,
            payload_type: info.payload_type,
            clock_rate: info.clock_rate,
            packets: 0,
            bytes: 0,
            header_bytes: 0,
            rtx_packets: 0,
            rtx_bytes: 0,
            last_received: None,
            requests: RequestCounts::default(),
            frames: 0,
            keyframes: 0,
            dropped: 0,
            size: None,
            sender_report: None,
            sequence: SequenceUnwrapper::default(),
            first: u64::MAX,
            jitter: None,
        }
    }

    pub fn packet_received(&mut self, now: Instant, packet: &rtp::Packet) {
        let number = self.sequence.unwrap(packet.header.sequence_number);
        self.first = self.first.min(number);
        self.count(now, packet);
        let (last_arrival, last_timestamp, jitter) = self.jitter.unwrap_or((now, packet.header.timestamp, 0.0));
        #[expect(clippy::cast_possible_wrap, reason = "the difference wraps around")]
        let ticks = f64::from(packet.header.timestamp.wrapping_sub(last_timestamp) as i32);
        let difference = now.duration_since(last_arrival).as_secs_f64() * f64::from(self.clock_rate) - ticks;
        self.jitter = Some((now, packet.header.timestamp, jitter + (difference.abs() - jitter) / 16.0));
    }

    pub fn rtx_packet_received(&mut self, now: Instant, packet: &rtp::Packet) {
        self.count(now, packet);
        self.rtx_packets += 1;
        self.rtx_bytes += packet.payload.len() as u64;
    }

    fn count(&mut self, now: Instant, packet: &rtp::Packet) {
        self.last_received = Some(now);
        self.packets += 1;
        self.bytes += packet.payload.len() as u64;
        self.header_bytes += packet.header.marshal_size() as u64;
    }

    /// Cumulative packets lost; negative after duplicates (RFC 3550, section 6.4.1).
    pub fn lost(&self) -> i64 {
        let expected = self.sequence.highest().map_or(0, |highest| highest - self.first + 1);
        let received = self.packets - self.rtx_packets;
        i64::try_from(expected).unwrap_or(i64::MAX) - i64::try_from(received).unwrap_or(i64::MAX)
    }

    /// Interarrival jitter in seconds (RFC 3550, section 6.4.1).
    pub fn jitter(&self) -> Option<f64> {
        self.jitter.map(|(_, _, ticks)| ticks / f64::from(self.clock_rate.max(1)))
    }
}

/// The last reception report on an outbound stream.
pub(super) struct RemoteReport {
    pub at: Instant,
    pub lost: i64,
    /// From 0 to 1.
    pub fraction_lost: f64,
    /// In seconds.
    pub jitter: f64,
}

/// State of an outbound stream.
pub(super) struct OutboundStream {
    pub kind: MediaType,
    /// SSRC of the RTX stream.
    pub rtx: Option<u32>,
    pub payload_type: u8,
    pub clock_rate: u32,
    pub packets: u64,
    pub bytes: u64,
    pub header_bytes: u64,
    pub rtx_packets: u64,
    pub rtx_bytes: u64,
    pub requests: RequestCounts,
    pub frames: u64,
    pub keyframes: u64,
    pub capture_clock: CaptureClock,
    pub remote_report: Option<RemoteReport>,
    /// In seconds.
    pub round_trip_time: Option<f64>,
    pub round_trip_times: u64,
    /// In seconds.
    pub round_trip_times_sum: f64,
    /// Compact NTP timestamps of sent reports, and when they were sent.
    sent_reports: VecDeque<(u32, Instant)>,
}

impl OutboundStream {
    pub fn new(info: &StreamInfo) -> Self {
        Self {
            kind: kind(info),
            rtx: info.ssrc_rtx,
            payload_type: info.payload_type,
            clock_rate: info.clock_rate,
            packets: 0,
            bytes: 0,
            header_bytes: 0,
            rtx_packets: 0,
            rtx_bytes: 0,
            requests: RequestCounts::default(),
            frames: 0,
            keyframes: 0,
            capture_clock: CaptureClock::default(),
            remote_report: None,
            round_trip_time: None,
            round_trip_times: 0,
            round_trip_times_sum: 0.0,
            sent_reports: VecDeque::new(),
        }
    }

    pub fn packet_sent(&mut self, headers: u64, payload: u64, is_rtx: bool) {
        self.packets += 1;
        self.bytes += payload;
        self.header_bytes += headers;
        if is_rtx {
            self.rtx_packets += 1;
            self.rtx_bytes += payload;
        }
    }

    /// Records a sent sender report.
    pub fn sender_report_sent(&mut self, now: Instant, ntp: u64) {
        if self.sent_reports.len() >= SENT_REPORTS {
            self.sent_reports.pop_front();
        }
        self.sent_reports.push_back((compact_ntp(ntp), now));
    }

    pub fn reception_report_received(&mut self, now: Instant, report: &ReceptionReport) {
        self.remote_report = Some(RemoteReport {
            at: now,
            lost: sign_extend(report.total_lost),
            fraction_lost: f64::from(report.fraction_lost) / 256.0,
            jitter: f64::from(report.jitter) / f64::from(self.clock_rate.max(1)),
        });
        // In units of 1/65,536 s (RFC 3550, section 6.4.1).
        let delay = f64::from(report.delay) / 65_536.0;
        let sent = self.sent_reports.iter().find(|(compact, _)| *compact == report.last_sender_report);
        if let Some((_, at)) = sent.filter(|_| report.last_sender_report != 0) {
            let time = (now.duration_since(*at).as_secs_f64() - delay).max(0.0);
            self.round_trip_time = Some(time);
            self.round_trip_times += 1;
            self.round_trip_times_sum += time;
        }
    }
}

fn kind(info: &StreamInfo) -> MediaType {
    if info.mime_type.to_ascii_lowercase().starts_with("audio/") { MediaType::Audio } else { MediaType::Video }
}

/// The compact NTP timestamp, by which receivers refer to a sender report.
#[expect(clippy::cast_possible_truncation, reason = "the middle 32 bits (RFC 3550, section 6.4.1)")]
fn compact_ntp(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// Sign-extends a 24-bit number.
#[expect(clippy::cast_possible_wrap, reason = "a signed number (RFC 3550, section 6.4.1)")]
fn sign_extend(lost: u32) -> i64 {
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
    fn missing_packets_count_as_lost_across_the_wrap() {
        let mut stream = InboundStream::new(&info());
        let now = Instant::now();
        for number in [65_533, 65_534, 0, 1, 3, 2] {
            stream.packet_received(now, &packet(number, 0));
        }
        assert_eq!(stream.lost(), 1);
        stream.rtx_packet_received(now, &packet(0, 0));
        assert_eq!((stream.lost(), stream.packets, stream.rtx_packets), (1, 7, 1));
        // Duplicates.
        stream.packet_received(now, &packet(3, 0));
        stream.packet_received(now, &packet(3, 0));
        assert_eq!(stream.lost(), -1);
    }

    #[test]
    fn evenly_spaced_packets_have_no_jitter() {
        let mut stream = InboundStream::new(&info());
        let start = Instant::now();
        assert_eq!(stream.jitter(), None);
        for number in 0..100_u16 {
            stream.packet_received(
                start + Duration::from_millis(10) * number.into(),
                &packet(number, u32::from(number) * 900),
            );
        }
        assert!(stream.jitter().unwrap() < 0.000_1);
        for number in 0..100_u16 {
            let late = Duration::from_millis(1_000 + 10 * u64::from(number) + 5 * u64::from(number % 2));
            stream.packet_received(start + late, &packet(100 + number, 90_000 + u32::from(number) * 900));
        }
        let jitter = stream.jitter().unwrap();
        assert!((0.004..0.006).contains(&jitter), "{jitter}");
    }

    #[test]
    fn a_reception_report_yields_the_round_trip_time() {
        let mut stream = OutboundStream::new(&info());
        let start = Instant::now();
        stream.sender_report_sent(start, 0x1234_5678_9ABC_DEF0);
        let mut reception_report = ReceptionReport {
            last_sender_report: 0x5678_9ABC,
            delay: 65_536 / 2,
            total_lost: 0x00FF_FFFE,
            fraction_lost: 64,
            jitter: 900,
            ..ReceptionReport::default()
        };
        stream.reception_report_received(start + Duration::from_millis(620), &reception_report);
        let time = stream.round_trip_time.unwrap();
        assert!((time - 0.12).abs() < 1e-9, "{time}");
        let report = stream.remote_report.as_ref().unwrap();
        assert_eq!((report.lost, report.fraction_lost, report.jitter), (-2, 0.25, 0.01));
        // 0: the remote side received no sender report.
        reception_report.last_sender_report = 0;
        stream.reception_report_received(start + Duration::from_secs(9), &reception_report);
        assert_eq!(stream.round_trip_times, 1);
    }
}
