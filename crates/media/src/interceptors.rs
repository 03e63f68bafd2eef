//! Interceptor chain of the WebRTC library, extended by this crate's own interceptors.

use std::sync::Arc;
use std::time::Duration;

use rtc::interceptor::{NackGeneratorBuilder, Registry, Slot};
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::peer_connection::configuration::media_engine::MediaEngine;

use crate::rtp_session::RtpSession;
use adapter::InterceptorAdapter;

mod adapter;
mod keyframe_requests;
mod rtx_limiter;
mod rtx_receiver;
mod session_recorder;
mod twcc;

pub(crate) use keyframe_requests::is_keyframe_request;

/// Slot of the session recorder: next to the network, so that it sees every packet.
const SESSION_RECORDER: usize = 900;
/// Slot of transport-wide congestion control: nearer to the network than the library's NACK responder (4,000), so that
/// retransmissions get a transport-wide sequence number, too.
const TWCC: usize = 2_000;
/// Slot of the RTX limiter: between congestion control and NACK responder.
const RTX_LIMITER: usize = 3_500;
/// Slot of the RTX receiver: before the library's NACK generator (7,000), which must see repaired packets.
const RTX_RECEIVER: usize = 6_500;
/// Slot of the keyframe request filter: after every interceptor that reads RTCP.
const KEYFRAME_REQUESTS: usize = 14_000;

/// Interval of NACKs for a missing packet.
const NACK_INTERVAL: Duration = Duration::from_millis(50);
/// Limit of NACKs for a packet: covers the depacketizer's loss timeout of 500 ms.
const MAX_NACKS: u16 = 10;

/// Builds the interceptor chain. Registers the feedback and header extensions to negotiate with the engine.
pub(crate) fn chain(engine: &mut MediaEngine, session: &Arc<RtpSession>) -> webrtc::error::Result<Registry> {
    // Adds NACK, PLI, transport-wide feedback and sender and receiver reports.
    let registry = register_default_interceptors(Registry::new(), engine)?;
    // Replaces the default, which sends NACKs every 100 ms without limit.
    let nack_generator =
        NackGeneratorBuilder::new().with_interval(NACK_INTERVAL).with_max_nacks_per_packet(MAX_NACKS).build();
    let recorder = session_recorder::SessionRecorder::new(session.clone());
    let twcc = twcc::TransportWideCc::new(session.clone());
    let rtx_limiter = rtx_limiter::RtxLimiter::new(session.clone());
    Ok(registry
        .with(Slot::NackGenerator, nack_generator)
        .with(Slot::from(SESSION_RECORDER), InterceptorAdapter::new(recorder))
        .with(Slot::from(TWCC), InterceptorAdapter::new(twcc))
        .with(Slot::from(RTX_LIMITER), InterceptorAdapter::new(rtx_limiter))
        .with(Slot::from(RTX_RECEIVER), InterceptorAdapter::new(rtx_receiver::RtxReceiver::default()))
        .with(Slot::from(KEYFRAME_REQUESTS), InterceptorAdapter::new(keyframe_requests::KeyframeRequestFilter)))
}

/// Sends a few packets, and passes RTCP packets to the interceptors that read it, for fuzzing. Each record begins with the time
/// since the previous one, in steps of 10 ms.
#[cfg(feature = "inspect")]
pub(crate) fn inspect_rtcp<'a>(records: impl Iterator<Item = (u8, &'a [u8])>) {
    use adapter::PacketFilter;
    use rtc::interceptor::{AttributedPacket, Packet, RTPHeaderExtension, StreamInfo, TaggedPacket};
    use rtc::rtp::header::Header;

    let session = Arc::<RtpSession>::default();
    let info = StreamInfo {
        ssrc: 1,
        ssrc_rtx: Some(2),
        mime_type: "video/VP8".to_owned(),
        clock_rate: 90_000,
        rtp_header_extensions: vec![RTPHeaderExtension { uri: rtc::sdp::extmap::TRANSPORT_CC_URI.to_owned(), id: 5 }],
        ..StreamInfo::default()
    };
    session.add_outbound(&info);
    session.add_inbound(&StreamInfo { ssrc: 3, ssrc_rtx: Some(4), ..info.clone() });
    let mut recorder = session_recorder::SessionRecorder::new(session.clone());
    let mut twcc = twcc::TransportWideCc::new(session.clone());
    let mut keyframe_requests = keyframe_requests::KeyframeRequestFilter;
    twcc.outgoing_stream_added(&info);
    let mut now = std::time::Instant::now();
    let tagged = |now, packet| {
        let message = AttributedPacket::new(packet);
        TaggedPacket { now, transport: rtc::shared::TransportContext::default(), message }
    };
    for (flags, mut record) in records {
        now += Duration::from_millis(10) * u32::from(flags);
        for _ in 0..10 {
            let header = Header { version: 2, ssrc: 1, ..Header::default() };
            let packet = rtc::rtp::Packet { header, payload: bytes::Bytes::from_static(&[0; 1_000]) };
            let packet = twcc.outgoing(tagged(now, Packet::Rtp(packet)));
            drop(packet.and_then(|packet| recorder.outgoing(packet)));
        }
        let Ok(packets) = rtc::rtcp::packet::unmarshal(&mut record) else { continue };
        let packet = recorder.incoming(tagged(now, Packet::Rtcp(packets)));
        let packet = packet.and_then(|packet| twcc.incoming(packet));
        drop(packet.and_then(|packet| keyframe_requests.incoming(packet)));
        let target = session.target_bitrate();
        assert!((crate::estimator::MIN_TARGET..=crate::estimator::MAX_TARGET).contains(&target), "{target}");
        assert!(session.capture_time(3, 0).is_none_or(|micros| micros < 1 << 53), "a capture time that is not exact");
    }
    session.stats(std::time::SystemTime::now());
}
