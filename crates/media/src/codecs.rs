//! The codecs: VP8 with retransmission, and Opus. One each, so that what is agreed on is never a surprise.

use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_RTX, MIME_TYPE_VP8, MediaEngine};
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RTCRtpRtxParameters, RtpCodecKind,
};

use crate::frame::Kind;

/// Payload types in our own offers; an answer uses the offerer's.
const VP8: u8 = 96;
const RTX: u8 = 97;
const OPUS: u8 = 111;

/// RTP ticks per second of the picture (RFC 7741, section 4.1).
const VIDEO_CLOCK: u32 = 90_000;
/// RTP ticks per second of voice (RFC 7587, section 4.1).
const VOICE_CLOCK: u32 = 48_000;

/// Ticks per second of the RTP timestamps.
pub(crate) const fn clock(kind: Kind) -> u32 {
    match kind {
        Kind::Voice => VOICE_CLOCK,
        Kind::Video => VIDEO_CLOCK,
    }
}

/// The library's engine with our codecs.
pub(crate) fn engine() -> webrtc::error::Result<MediaEngine> {
    let mut engine = MediaEngine::default();
    let opus = RTCRtpCodecParameters { rtp_codec: codec(Kind::Voice), payload_type: OPUS };
    engine.register_codec(opus, RtpCodecKind::Audio)?;
    let vp8 = RTCRtpCodecParameters { rtp_codec: codec(Kind::Video), payload_type: VP8 };
    engine.register_codec(vp8, RtpCodecKind::Video)?;
    let rtx = RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: MIME_TYPE_RTX.to_owned(),
            clock_rate: VIDEO_CLOCK,
            channels: 0,
            sdp_fmtp_line: format!("apt={VP8}"),
            rtcp_feedback: Vec::new(),
        },
        payload_type: RTX,
    };
    engine.register_codec(rtx, RtpCodecKind::Video)?;
    Ok(engine)
}

/// A track to send on, and the number of its stream.
pub(crate) fn track(kind: Kind) -> (MediaStreamTrack, u32) {
    let ssrc = fastrand::u32(1..);
    let rtx = match kind {
        Kind::Voice => None,
        // Differs from `ssrc`, and is not 0.
        Kind::Video => Some(RTCRtpRtxParameters { ssrc: if ssrc == u32::MAX { 1 } else { ssrc + 1 } }),
    };
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), rtx, ..Default::default() },
        codec: codec(kind),
        ..Default::default()
    };
    let name = match kind {
        Kind::Voice => "voice",
        Kind::Video => "video",
    };
    // Never used again in the session: a browser would take a track of the same id for the old one.
    let id = format!("{name}-{ssrc}");
    // The same stream id for both: a browser plays the tracks of one stream in step.
    let track = MediaStreamTrack::new("hutong".into(), id, name.into(), codec_kind(kind), vec![encoding]);
    (track, ssrc)
}

/// The codec of a kind of media.
pub(crate) fn codec(kind: Kind) -> RTCRtpCodec {
    match kind {
        Kind::Voice => RTCRtpCodec {
            mime_type: MIME_TYPE_OPUS.to_owned(),
            clock_rate: VOICE_CLOCK,
            channels: 2,
            sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
            rtcp_feedback: Vec::new(),
        },
        Kind::Video => RTCRtpCodec {
            mime_type: MIME_TYPE_VP8.to_owned(),
            clock_rate: VIDEO_CLOCK,
            channels: 0,
            sdp_fmtp_line: String::new(),
            rtcp_feedback: vec![RTCPFeedback { typ: "ccm".to_owned(), parameter: "fir".to_owned() }],
        },
    }
}

const fn codec_kind(kind: Kind) -> RtpCodecKind {
    match kind {
        Kind::Voice => RtpCodecKind::Audio,
        Kind::Video => RtpCodecKind::Video,
    }
}
