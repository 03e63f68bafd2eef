//! What a connection did so far, in the W3C's names (webrtc-stats, section 8). No addresses.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rtc::peer_connection::transport::RTCIceCandidatePair;
use serde::Serialize;
use webrtc::peer_connection::{PeerConnection, RTCIceCandidate, RTCStatsReportEntry, StatsSelector};

/// The only transport there is: everything is bundled.
pub(crate) const TRANSPORT: &str = "transport";

/// One object of the statistics; serialized as what a browser's `getStats` gives. Members are left out when nothing is known
/// of them: a zero was counted. Times are in seconds, `timestamp` is in milliseconds since 1970, counters never go back.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Stats {
    /// A codec in use.
    Codec(CodecStats),
    /// A stream that comes in.
    InboundRtp(InboundRtpStats),
    /// A stream that goes out.
    OutboundRtp(OutboundRtpStats),
    /// What the other side says of a stream that goes out.
    RemoteInboundRtp(RemoteInboundRtpStats),
    /// Two candidates between which ICE tried a path.
    CandidatePair(CandidatePairStats),
    /// A candidate of this side.
    LocalCandidate(CandidateStats),
    /// A candidate of the other side.
    RemoteCandidate(CandidateStats),
    /// The transport that carries everything.
    Transport(TransportStats),
}

/// Voice or picture, in the W3C's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// Voice.
    Audio,
    /// Picture.
    Video,
}

/// `RTCCodecStats`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CodecStats {
    /// Names this object.
    pub id: String,
    /// When this was looked at.
    pub timestamp: f64,
    /// The transport's `id`.
    pub transport_id: String,
    /// As agreed on.
    pub payload_type: u8,
    /// `video/VP8` or `audio/opus`.
    pub mime_type: String,
    /// RTP ticks per second.
    pub clock_rate: u32,
    /// Of sound only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<u16>,
}

/// `RTCInboundRtpStreamStats`. Packets that were sent again count once they are what was missing.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InboundRtpStats {
    /// Names this object.
    pub id: String,
    /// When this was looked at.
    pub timestamp: f64,
    /// The number of the stream.
    pub ssrc: u32,
    /// Voice or picture.
    pub kind: MediaKind,
    /// The transport's `id`.
    pub transport_id: String,
    /// The codec's `id`.
    pub codec_id: String,
    /// RTP packets.
    pub packets_received: u64,
    /// As in RFC 3550, section 6.4.1: packets expected less those received. What came twice makes it smaller, also negative.
    pub packets_lost: i64,
    /// As in RFC 3550, appendix A.8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<f64>,
    /// Payload without headers and padding.
    pub bytes_received: u64,
    /// RTP headers.
    pub header_bytes_received: u64,
    /// Of `packetsReceived`: those that were sent again.
    pub retransmitted_packets_received: u64,
    /// Of `bytesReceived`: those that were sent again.
    pub retransmitted_bytes_received: u64,
    /// When the last packet came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_packet_received_timestamp: Option<f64>,
    /// Packets with which this side asked for missing ones.
    pub nack_count: u32,
    /// How often this side asked for a keyframe. Picture only, like all that follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pli_count: Option<u32>,
    /// Frames that were put together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames_received: Option<u64>,
    /// Of these: those that can be decoded by themselves. Not the W3C's, whose `keyFramesDecoded` is the decoder's to count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_frames_received: Option<u64>,
    /// Frames that were put together, and dropped because nobody read them in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames_dropped: Option<u64>,
    /// Of the last keyframe, in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_width: Option<u32>,
    /// Of the last keyframe, in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_height: Option<u32>,
}

/// `RTCOutboundRtpStreamStats`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutboundRtpStats {
    /// Names this object.
    pub id: String,
    /// When this was looked at.
    pub timestamp: f64,
    /// The number of the stream.
    pub ssrc: u32,
    /// Voice or picture.
    pub kind: MediaKind,
    /// The transport's `id`.
    pub transport_id: String,
    /// The codec's `id`.
    pub codec_id: String,
    /// The `id` of what the other side says of it, once it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_id: Option<String>,
    /// RTP packets, with those that were sent again.
    pub packets_sent: u64,
    /// Payload without headers and padding, with what was sent again.
    pub bytes_sent: u64,
    /// RTP headers.
    pub header_bytes_sent: u64,
    /// Packets that were sent again.
    pub retransmitted_packets_sent: u64,
    /// Payload that was sent again.
    pub retransmitted_bytes_sent: u64,
    /// Packets with which the other side asked for missing ones.
    pub nack_count: u32,
    /// How often the other side asked for a keyframe by PLI. Picture only, like all that follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pli_count: Option<u32>,
    /// How often the other side asked for a keyframe by FIR.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fir_count: Option<u32>,
    /// Frames that were sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames_sent: Option<u64>,
    /// Of these: those that can be decoded by themselves. Not the W3C's, whose `keyFramesEncoded` is the encoder's to count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_frames_sent: Option<u64>,
    /// What the encoder shall make, in bits per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_bitrate: Option<f64>,
}

/// `RTCRemoteInboundRtpStreamStats`, from the other side's receiver reports. There is none before the first.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteInboundRtpStats {
    /// Names this object.
    pub id: String,
    /// When the report came.
    pub timestamp: f64,
    /// The number of the stream.
    pub ssrc: u32,
    /// Voice or picture.
    pub kind: MediaKind,
    /// The transport's `id`.
    pub transport_id: String,
    /// The codec's `id`.
    pub codec_id: String,
    /// The stream's `id`.
    pub local_id: String,
    /// As the other side counts.
    pub packets_lost: i64,
    /// As the other side measures.
    pub jitter: f64,
    /// Of the packets since the report before: which part was lost, from 0 to 1.
    pub fraction_lost: f64,
    /// There and back, from the last report that allowed to work it out (RFC 3550, section 6.4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_trip_time: Option<f64>,
    /// The sum of all.
    pub total_round_trip_time: f64,
    /// How many these are.
    pub round_trip_time_measurements: u64,
}

/// `RTCIceCandidatePairStats`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CandidatePairStats {
    /// Names this object.
    pub id: String,
    /// When this was looked at.
    pub timestamp: f64,
    /// The transport's `id`.
    pub transport_id: String,
    /// The candidate's `id`.
    pub local_candidate_id: String,
    /// The candidate's `id`.
    pub remote_candidate_id: String,
    /// `succeeded`: only the pair in use is told of.
    pub state: String,
    /// Whether media may go this way.
    pub nominated: bool,
    /// There and back, from the last connectivity check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_round_trip_time: Option<f64>,
    /// What the network is believed to bear on the way out, in bits per second. Of the pair in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available_outgoing_bitrate: Option<f64>,
}

/// `RTCIceCandidateStats`, without where it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CandidateStats {
    /// Names this object.
    pub id: String,
    /// When this was looked at.
    pub timestamp: f64,
    /// The transport's `id`.
    pub transport_id: String,
    /// `host`, `srflx`, `prflx` or `relay`.
    pub candidate_type: String,
    /// `udp`.
    pub protocol: String,
}

/// `RTCTransportStats`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TransportStats {
    /// Names this object.
    pub id: String,
    /// When this was looked at.
    pub timestamp: f64,
    /// Packets of all kinds.
    pub packets_sent: u64,
    /// Packets of all kinds.
    pub packets_received: u64,
    /// Their payload.
    pub bytes_sent: u64,
    /// Their payload.
    pub bytes_received: u64,
    /// The `id` of the pair in use, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selected_candidate_pair_id: Option<String>,
    /// How often another pair came into use.
    pub selected_candidate_pair_changes: u32,
    /// `new`, `connecting`, `connected`, `closed` or `failed`.
    pub dtls_state: String,
}

/// What the library counts itself: the transport, and the path in use. Its other figures are zero where it does not count.
pub(crate) async fn connection(connection: &dyn PeerConnection, now: SystemTime, bitrate: Option<f64>) -> Vec<Stats> {
    let report = connection.get_stats(Instant::now(), StatsSelector::None).await;
    let timestamp = milliseconds(now);
    let mut all = Vec::new();
    let selected = selected_pair(connection).await;
    if let Some(pair) = &selected {
        all.push(Stats::LocalCandidate(candidate(pair.local(), timestamp)));
        all.push(Stats::RemoteCandidate(candidate(pair.remote(), timestamp)));
    }
    for entry in report.iter() {
        match entry {
            RTCStatsReportEntry::Transport(it) => all.push(Stats::Transport(TransportStats {
                id: TRANSPORT.to_owned(),
                timestamp,
                packets_sent: it.packets_sent,
                packets_received: it.packets_received,
                bytes_sent: it.bytes_sent,
                bytes_received: it.bytes_received,
                selected_candidate_pair_id: selected.as_ref().map(pair_id),
                selected_candidate_pair_changes: it.selected_candidate_pair_changes,
                dtls_state: it.dtls_state.to_string(),
            })),
            RTCStatsReportEntry::IceCandidatePair(it) => {
                let Some(pair) = selected.as_ref().filter(|pair| {
                    pair.local().id == it.local_candidate_id && pair.remote().id == it.remote_candidate_id
                }) else {
                    continue;
                };
                all.push(Stats::CandidatePair(CandidatePairStats {
                    id: pair_id(pair),
                    timestamp,
                    transport_id: TRANSPORT.to_owned(),
                    local_candidate_id: pair.local().id.clone(),
                    remote_candidate_id: pair.remote().id.clone(),
                    state: "succeeded".to_owned(),
                    nominated: true,
                    // Zero before the first was measured.
                    current_round_trip_time: Some(it.current_round_trip_time).filter(|time| *time > 0.0),
                    available_outgoing_bitrate: bitrate,
                }));
            }
            _ => {}
        }
    }
    all
}

async fn selected_pair(connection: &dyn PeerConnection) -> Option<RTCIceCandidatePair> {
    let transport = match connection.get_senders().await.first() {
        Some(sender) => sender.transport().await,
        None => connection.get_receivers().await.first()?.transport().await,
    };
    transport.ok()??.ice_transport().get_selected_candidate_pair().await.ok()?
}

fn pair_id(pair: &RTCIceCandidatePair) -> String {
    format!("pair-{}-{}", pair.local().id, pair.remote().id)
}

fn candidate(candidate: &RTCIceCandidate, timestamp: f64) -> CandidateStats {
    CandidateStats {
        id: candidate.id.clone(),
        timestamp,
        transport_id: TRANSPORT.to_owned(),
        candidate_type: candidate.typ.to_string(),
        protocol: candidate.protocol.to_string(),
    }
}

/// Since 1970.
pub(crate) fn milliseconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1_000.0
}
