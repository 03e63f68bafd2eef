//! What this crate parses of the other side, of relays and of the network, as functions over arbitrary bytes. For fuzzing only.
//!
//! Each function panics if an invariant does not hold. Their input is a sequence of records: a byte with flags, a byte with the
//! number of bytes that follow, and these.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use webrtc::peer_connection::RTCSessionDescription;

use crate::description::{IceCredentials, count_candidates, ice_credentials, retain_candidates};
use crate::remote_candidates::RemoteCandidates;
use crate::runtime::StunFilterProbe;
use crate::unwrap::TimestampUnwrapper;
use crate::vp8::{self, AssemblyStep, FrameAssembler};
use crate::{codecs, interceptors, runtime};

pub use crate::frame::MediaType;

/// Most records of an input.
const MAX_RECORDS: usize = 2_000;

/// Splits an input into records.
fn records(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let ([flags, length], rest) = bytes.split_first_chunk::<2>()?;
        let (record, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        bytes = rest;
        Some((*flags, record))
    })
    .take(MAX_RECORDS)
}

/// RTP packets of a video track: sequence number, timestamp, payload. Bit 0 of the flags is the marker, bit 1 repeats the packet
/// later, and the upper half lets time pass in steps of 100 ms.
///
/// # Panics
///
/// If a frame is empty, undecodable or too large, or a timestamp leaves its bounds.
pub fn rtp(bytes: &[u8]) {
    let mut now = Instant::now();
    let mut assembler = FrameAssembler::default();
    let mut audio = TimestampUnwrapper::default();
    let mut needs_keyframe = true;
    for (flags, record) in records(bytes) {
        now += Duration::from_millis(100) * u32::from(flags >> 4);
        let Some(([s0, s1, t0, t1, t2, t3], payload)) = record.split_first_chunk::<6>() else { continue };
        let (sequence, timestamp) = (u16::from_be_bytes([*s0, *s1]), u32::from_be_bytes([*t0, *t1, *t2, *t3]));
        let micros = audio.micros(timestamp, codecs::clock_rate(MediaType::Audio));
        assert!(micros < 1 << 53, "{micros}");
        let payload = Bytes::copy_from_slice(payload);
        for _ in 0..=(flags >> 1 & 1) {
            assembler.push(sequence, timestamp, flags & 1 != 0, &payload);
        }
        loop {
            match assembler.next(now) {
                AssemblyStep::Frame(frame, _) => {
                    assert!(!frame.data.is_empty() && frame.timestamp < 1 << 53, "{frame:?}");
                    assert!(frame.keyframe || !needs_keyframe, "{frame:?} without a keyframe");
                    if frame.keyframe {
                        let (width, height) = vp8::size(&frame.data).unwrap_or_default();
                        assert!((1..=1 << 24).contains(&(width * height)), "{width} {height}");
                    }
                    needs_keyframe = false;
                }
                AssemblyStep::Lost => needs_keyframe = true,
                AssemblyStep::Wait(until) => {
                    assert!(until.is_none_or(|until| until > now), "waits for the past");
                    break;
                }
            }
        }
        needs_keyframe |= assembler.needs_keyframe();
    }
}

/// RTCP packets, which go through this crate's interceptors.
///
/// # Panics
///
/// If the bitrate estimate leaves its bounds.
pub fn rtcp(bytes: &[u8]) {
    interceptors::inspect_rtcp(records(bytes));
}

/// Bytes of a stream from a TURN server.
///
/// # Panics
///
/// If a packet is too long.
pub fn turn_stream(bytes: &[u8]) {
    runtime::inspect_turn_stream(bytes);
}

/// Session descriptions (flags 0), candidates (1), packets to send (2) and received packets (3).
///
/// # Panics
///
/// If a candidate of a description is left for the WebRTC library, too many candidates are admitted, or too many packets are
/// due.
pub fn ice(bytes: &[u8]) {
    let start = Instant::now();
    let mut candidates = RemoteCandidates::default();
    candidates.start_generation(IceCredentials { ufrag: "a".to_owned(), password: "b".to_owned() });
    let mut filter = StunFilterProbe::new(IceCredentials { ufrag: "a".to_owned(), password: "b".to_owned() });
    let mut admitted = 0;
    for (number, (flags, record)) in records(bytes).enumerate() {
        let now = start + Duration::from_millis(10) * u32::try_from(number).unwrap_or(u32::MAX);
        let address = SocketAddr::from((Ipv4Addr::new(192, 0, 2, flags >> 4), 3_478));
        match (flags & 3, std::str::from_utf8(record)) {
            (0, Ok(text)) => description(text),
            (1, Ok(text)) => {
                admitted +=
                    usize::from(candidates.admit(now, text) == Ok(crate::remote_candidates::Admission::Admitted));
                assert!(admitted <= 64, "{admitted} candidates");
            }
            (2, _) => filter.send(now, address, record),
            _ => filter.receive(address, record),
        }
    }
}

fn description(text: &str) {
    let head = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n";
    for sdp in [text.to_owned(), format!("{head}{text}")] {
        for kept in [0, 1] {
            let mut left = kept;
            let text = retain_candidates(&sdp, |_| std::mem::replace(&mut left, 0) > 0);
            let Ok(description) = RTCSessionDescription::offer(text) else { continue };
            assert!(count_candidates(&description) <= kept, "{sdp:?}");
            ice_credentials(&description);
        }
    }
}
