//! Codec parameters: VP8 with RTX, and Opus. One codec for each media type, so that negotiation has one outcome.

use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_RTX, MIME_TYPE_VP8, MediaEngine};
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RTCRtpRtxParameters, RtpCodecKind,
};

use crate::frame::MediaType;

/// Payload types in this side's offers; an answer uses the offer's.
const VP8: u8 = 96;
const RTX: u8 = 97;
const OPUS: u8 = 111;

/// RTP clock rate of VP8, in Hz (RFC 7741, section 4.1).
const VIDEO_CLOCK_RATE: u32 = 90_000;
/// RTP clock rate of Opus, in Hz (RFC 7587, section 4.1).
const AUDIO_CLOCK_RATE: u32 = 48_000;

/// RTP clock rate of a media type, in Hz.
pub(crate) const fn clock_rate(kind: MediaType) -> u32 {
    match kind {
        MediaType::Audio => AUDIO_CLOCK_RATE,
        MediaType::Video => VIDEO_CLOCK_RATE,
    }
}

/// Creates the WebRTC library's media engine with these codecs.
pub(crate) fn media_engine() -> webrtc::error::Result<MediaEngine> {
    let mut engine = MediaEngine::default();
    let opus = RTCRtpCodecParameters { rtp_codec: codec(MediaType::Audio), payload_type: OPUS };
    engine.register_codec(opus, RtpCodecKind::Audio)?;
    let vp8 = RTCRtpCodecParameters { rtp_codec: codec(MediaType::Video), payload_type: VP8 };
    engine.register_codec(vp8, RtpCodecKind::Video)?;
    let rtx = RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: MIME_TYPE_RTX.to_owned(),
            clock_rate: VIDEO_CLOCK_RATE,
            channels: 0,
            sdp_fmtp_line: format!("apt={VP8}"),
            rtcp_feedback: Vec::new(),
        },
        payload_type: RTX,
    };
    engine.register_codec(rtx, RtpCodecKind::Video)?;
    Ok(engine)
}

/// Creates a track to send, and returns it with its SSRC.
pub(crate) fn new_track(kind: MediaType) -> (MediaStreamTrack, u32) {
    let ssrc = fastrand::u32(1..);
    let rtx = match kind {
        MediaType::Audio => None,
        // Must differ from `ssrc` and from 0.
        MediaType::Video => Some(RTCRtpRtxParameters { ssrc: if ssrc == u32::MAX { 1 } else { ssrc + 1 } }),
    };
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), rtx, ..Default::default() },
        codec: codec(kind),
        ..Default::default()
    };
    let name = match kind {
        MediaType::Audio => "voice",
        MediaType::Video => "video",
    };
    // Unique in the session: a browser would take a track with a known ID for the earlier one.
    let id = format!("{name}-{ssrc}");
    // One stream ID for both: browsers synchronize the tracks of a stream.
    let track = MediaStreamTrack::new("hutong".into(), id, name.into(), codec_kind(kind), vec![encoding]);
    (track, ssrc)
}

/// The codec of a media type.
pub(crate) fn codec(kind: MediaType) -> RTCRtpCodec {
    match kind {
        MediaType::Audio => RTCRtpCodec {
            mime_type: MIME_TYPE_OPUS.to_owned(),
            clock_rate: AUDIO_CLOCK_RATE,
            channels: 2,
            sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
            rtcp_feedback: Vec::new(),
        },
        MediaType::Video => RTCRtpCodec {
            mime_type: MIME_TYPE_VP8.to_owned(),
            clock_rate: VIDEO_CLOCK_RATE,
            channels: 0,
            sdp_fmtp_line: String::new(),
            rtcp_feedback: vec![RTCPFeedback { typ: "ccm".to_owned(), parameter: "fir".to_owned() }],
        },
    }
}

const fn codec_kind(kind: MediaType) -> RtpCodecKind {
    match kind {
        MediaType::Audio => RtpCodecKind::Audio,
        MediaType::Video => RtpCodecKind::Video,
    }
}
