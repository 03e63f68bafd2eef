use std::time::Duration;

use rtc::interceptor::{AttributedPacket, RTPHeaderExtension};
use rtc::rtcp::transport_feedbacks::transport_layer_cc::{PacketStatusChunk, RecvDelta, RunLengthChunk, SymbolTypeTcc};
use rtc::rtp::header::Header;
use rtc::shared::TransportContext;

use super::*;

const EXTENSION: u8 = 5;

fn step() -> Congestion {
    let mut step = Congestion::new(Arc::default());
    step.sends(&StreamInfo {
        ssrc: 1,
        ssrc_rtx: Some(2),
        mime_type: "video/VP8".into(),
        rtp_header_extensions: vec![RTPHeaderExtension { uri: TRANSPORT_CC_URI.into(), id: EXTENSION.into() }],
        ..StreamInfo::default()
    });
    step
}

fn send(step: &mut Congestion, now: Instant, ssrc: u32) -> Option<u16> {
    let packet =
        rtc::rtp::Packet { header: Header { version: 2, ssrc, ..Header::default() }, payload: vec![0; 1_000].into() };
    let message = AttributedPacket::new(Packet::Rtp(packet));
    let sent = step.write(TaggedPacket { now, transport: TransportContext::default(), message }).unwrap();
    let Packet::Rtp(sent) = sent.message.packet else { panic!("another packet") };
    sent.header.get_extension(EXTENSION).map(|bytes| u16::from_be_bytes(bytes.as_ref().try_into().unwrap()))
}

/// So many packets arrived, a millisecond after each other, from a multiple of 64 ms on.
fn arrived(first: u16, count: u16, from: u32) -> TransportLayerCc {
    TransportLayerCc {
        base_sequence_number: first,
        packet_status_count: count,
        reference_time: from,
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
fn numbers_what_was_repeated_too() {
    let mut step = step();
    let now = Instant::now();
    let numbers: Vec<_> = [1, 2, 3, 1].into_iter().map(|ssrc| send(&mut step, now, ssrc)).collect();
    assert_eq!(numbers, [Some(0), Some(1), None, Some(2)]);
}

/// Over more packets than there are numbers.
#[test]
fn finds_what_feedback_is_about() {
    let mut step = step();
    let start = Instant::now();
    let mut target = step.traffic.target();
    for round in 0..2_000_u32 {
        let now = start + Duration::from_millis(64) * round;
        let first = send(&mut step, now, 1).unwrap();
        for later in 1..40 {
            send(&mut step, now + Duration::from_millis(later), 1);
        }
        step.feedback(now + Duration::from_millis(50), &arrived(first, 40, round));
        assert!(step.traffic.target() >= target, "round {round}");
        target = step.traffic.target();
    }
    assert_eq!(target, crate::estimator::CEILING);
}

#[test]
fn feedback_about_nothing_does_nothing() {
    let mut step = step();
    let now = Instant::now();
    step.feedback(now, &arrived(0, 100, 0));
    send(&mut step, now, 1);
    step.feedback(now, &arrived(500, 100, 7));
    step.feedback(now, &arrived(u16::MAX - 50, 100, 7));
    assert_eq!(step.estimator.target(), Estimator::new().target());
}
