use std::time::Duration;

use rtc::interceptor::{AttributedPacket, RTPHeaderExtension};
use rtc::rtcp::transport_feedbacks::transport_layer_cc::{PacketStatusChunk, RecvDelta, RunLengthChunk, SymbolTypeTcc};
use rtc::rtp::header::Header;
use rtc::shared::TransportContext;

use super::*;

const EXTENSION: u8 = 5;

fn interceptor() -> TransportWideCc {
    let mut interceptor = TransportWideCc::new(Arc::default());
    interceptor.outgoing_stream_added(&StreamInfo {
        ssrc: 1,
        ssrc_rtx: Some(2),
        mime_type: "video/VP8".into(),
        rtp_header_extensions: vec![RTPHeaderExtension { uri: TRANSPORT_CC_URI.into(), id: EXTENSION.into() }],
        ..StreamInfo::default()
    });
    interceptor
}

fn send(interceptor: &mut TransportWideCc, now: Instant, ssrc: u32) -> Option<u16> {
    let packet =
        rtc::rtp::Packet { header: Header { version: 2, ssrc, ..Header::default() }, payload: vec![0; 1_000].into() };
    let message = AttributedPacket::new(Packet::Rtp(packet));
    let sent = interceptor.outgoing(TaggedPacket { now, transport: TransportContext::default(), message }).unwrap();
    let Packet::Rtp(sent) = sent.message.packet else { panic!("not an RTP packet") };
    sent.header.get_extension(EXTENSION).map(|bytes| u16::from_be_bytes(bytes.as_ref().try_into().unwrap()))
}

/// Feedback: `count` packets from `first` on arrived 1 ms apart, starting at `reference_time`, in units of 64 ms.
fn all_arrived(first: u16, count: u16, reference_time: u32) -> TransportLayerCc {
    TransportLayerCc {
        base_sequence_number: first,
        packet_status_count: count,
        reference_time,
        packet_chunks: vec![PacketStatusChunk::RunLengthChunk(RunLengthChunk {
            packet_status_symbol: SymbolTypeTcc::PacketReceivedSmallDelta,
            run_length: count,
            ..RunLengthChunk::default()
        })],
        recv_deltas: (0..count).map(|_| RecvDelta { delta: 1_000, ..RecvDelta::default() }).collect(),
        ..TransportLayerCc::default()
    }
}

#[test]
fn retransmissions_are_numbered_too() {
    let mut interceptor = interceptor();
    let now = Instant::now();
    let numbers: Vec<_> = [1, 2, 3, 1].into_iter().map(|ssrc| send(&mut interceptor, now, ssrc)).collect();
    assert_eq!(numbers, [Some(0), Some(1), None, Some(2)]);
}

/// Sends more packets than there are sequence numbers.
#[test]
fn feedback_is_matched_across_the_wrap() {
    let mut interceptor = interceptor();
    let start = Instant::now();
    let mut target = interceptor.session.target_bitrate();
    for round in 0..2_000_u32 {
        let now = start + Duration::from_millis(64) * round;
        let first = send(&mut interceptor, now, 1).unwrap();
        for later in 1..40 {
            send(&mut interceptor, now + Duration::from_millis(later), 1);
        }
        interceptor.feedback_received(now + Duration::from_millis(50), &all_arrived(first, 40, round));
        assert!(interceptor.session.target_bitrate() >= target, "round {round}");
        target = interceptor.session.target_bitrate();
    }
    assert_eq!(target, crate::estimator::MAX_TARGET);
}

#[test]
fn feedback_on_unknown_packets_is_ignored() {
    let mut interceptor = interceptor();
    let now = Instant::now();
    interceptor.feedback_received(now, &all_arrived(0, 100, 0));
    send(&mut interceptor, now, 1);
    interceptor.feedback_received(now, &all_arrived(500, 100, 7));
    interceptor.feedback_received(now, &all_arrived(u16::MAX - 50, 100, 7));
    assert_eq!(interceptor.estimator.target(), BandwidthEstimator::new().target());
}

#[test]
fn feedback_on_more_packets_than_were_sent_is_ignored() {
    let mut interceptor = interceptor();
    let now = Instant::now();
    for _ in 0..10 {
        send(&mut interceptor, now, 1);
    }
    for (count, expected) in [(u16::MAX, false), (11, false), (10, true)] {
        interceptor.feedback_received(now, &all_arrived(0, count, 0));
        assert!(interceptor.history.iter().all(|packet| packet.has_feedback == expected), "{count}");
    }
}
