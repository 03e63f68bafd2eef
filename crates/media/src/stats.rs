//! Statistics of a connection: the W3C's dictionaries (webrtc-stats, section 8), without IP addresses.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rtc::peer_connection::transport::RTCIceCandidatePair;
use rtc::statistics::stats::ice_candidate::RTCIceCandidateStats;
use serde::Serialize;
use webrtc::peer_connection::{
    PeerConnection, RTCIceCandidate, RTCIceCandidateType, RTCStatsReport, RTCStatsReportEntry, StatsSelector,
};

use crate::frame::MediaType;
use crate::runtime::relay_protocol;

/// ID of the only transport: all media is bundled.
pub(crate) const TRANSPORT: &str = "transport";

/// One statistics object, serialized as in a browser's `getStats`.
///
/// Unknown members are omitted: a zero is a measured zero. Times are in seconds, `timestamp` is in milliseconds since 1970,
/// counters never decrease.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Stats {
    /// A codec in use.
    Codec(CodecStats),
    /// A received RTP stream.
    InboundRtp(InboundRtpStats),
    /// A sent RTP stream.
    OutboundRtp(OutboundRtpStats),
    /// The remote side's reports on a sent stream.
    RemoteInboundRtp(RemoteInboundRtpStats),
    /// The selected candidate pair.
    CandidatePair(CandidatePairStats),
    /// A local candidate.
    LocalCandidate(CandidateStats),
    /// A remote candidate.
    RemoteCandidate(CandidateStats),
    /// The transport.
    Transport(TransportStats),
}

/// `RTCCodecStats`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CodecStats {
    /// ID of this object.
    pub id: String,
    /// When the values were read.
    pub timestamp: f64,
    /// The transport's `id`.
    pub transport_id: String,
    /// The negotiated payload type.
    pub payload_type: u8,
    /// `video/VP8` or `audio/opus`.
    pub mime_type: String,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Number of channels; audio only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<u16>,
}

/// `RTCInboundRtpStreamStats`. Includes retransmissions of lost packets.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InboundRtpStats {
    /// ID of this object.
    pub id: String,
    /// When the values were read.
    pub timestamp: f64,
    /// The stream's SSRC.
    pub ssrc: u32,
    /// Audio or video.
    pub kind: MediaType,
    /// The transport's `id`.
    pub transport_id: String,
    /// The codec's `id`.
    pub codec_id: String,
    /// RTP packets received.
    pub packets_received: u64,
    /// Packets expected less packets received (RFC 3550, section 6.4.1). Duplicates decrease it, also below zero.
    pub packets_lost: i64,
    /// Interarrival jitter (RFC 3550, appendix A.8).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<f64>,
    /// Payload bytes, without headers and padding.
    pub bytes_received: u64,
    /// Bytes of RTP headers.
    pub header_bytes_received: u64,
    /// Retransmissions among `packetsReceived`.
    pub retransmitted_packets_received: u64,
    /// Retransmissions among `bytesReceived`.
    pub retransmitted_bytes_received: u64,
    /// When the last packet arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_packet_received_timestamp: Option<f64>,
    /// NACK packets sent.
    pub nack_count: u32,
    /// PLI packets sent. Video only, like all members below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pli_count: Option<u32>,
    /// Frames assembled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames_received: Option<u64>,
    /// Keyframes assembled. Not in the W3C's dictionary: `keyFramesDecoded` is counted by the decoder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_frames_received: Option<u64>,
    /// Frames assembled, but dropped because the event queue was full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames_dropped: Option<u64>,
    /// Width of the last keyframe, in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_width: Option<u32>,
    /// Height of the last keyframe, in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_height: Option<u32>,
}

/// `RTCOutboundRtpStreamStats`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutboundRtpStats {
    /// ID of this object.
    pub id: String,
    /// When the values were read.
    pub timestamp: f64,
    /// The stream's SSRC.
    pub ssrc: u32,
    /// Audio or video.
    pub kind: MediaType,
    /// The transport's `id`.
    pub transport_id: String,
    /// The codec's `id`.
    pub codec_id: String,
    /// The `id` of the remote side's reports on this stream, once there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_id: Option<String>,
    /// RTP packets sent, including retransmissions.
    pub packets_sent: u64,
    /// Payload bytes sent, without headers and padding, including retransmissions.
    pub bytes_sent: u64,
    /// Bytes of RTP headers.
    pub header_bytes_sent: u64,
    /// Packets retransmitted.
    pub retransmitted_packets_sent: u64,
    /// Payload bytes retransmitted.
    pub retransmitted_bytes_sent: u64,
    /// NACK packets received.
    pub nack_count: u32,
    /// PLI packets received. Video only, like all members below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pli_count: Option<u32>,
    /// FIR packets received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fir_count: Option<u32>,
    /// Frames sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames_sent: Option<u64>,
    /// Keyframes sent. Not in the W3C's dictionary: `keyFramesEncoded` is counted by the encoder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_frames_sent: Option<u64>,
    /// Target bitrate of the encoder, in bits per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_bitrate: Option<f64>,
}

/// `RTCRemoteInboundRtpStreamStats`, from the remote side's reception reports. Exists from the first report on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteInboundRtpStats {
    /// ID of this object.
    pub id: String,
    /// When the report arrived.
    pub timestamp: f64,
    /// The stream's SSRC.
    pub ssrc: u32,
    /// Audio or video.
    pub kind: MediaType,
    /// The transport's `id`.
    pub transport_id: String,
    /// The codec's `id`.
    pub codec_id: String,
    /// The `id` of the sent stream.
    pub local_id: String,
    /// Packets lost, as counted by the remote side.
    pub packets_lost: i64,
    /// Interarrival jitter, as measured by the remote side.
    pub jitter: f64,
    /// Part of the packets since the previous report that was lost, from 0 to 1.
    pub fraction_lost: f64,
    /// Round trip time, by the last report that allows to compute it (RFC 3550, section 6.4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_trip_time: Option<f64>,
    /// Sum of all round trip times.
    pub total_round_trip_time: f64,
    /// Number of round trip times measured.
    pub round_trip_time_measurements: u64,
}

/// `RTCIceCandidatePairStats`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CandidatePairStats {
    /// ID of this object.
    pub id: String,
    /// When the values were read.
    pub timestamp: f64,
    /// The transport's `id`.
    pub transport_id: String,
    /// The local candidate's `id`.
    pub local_candidate_id: String,
    /// The remote candidate's `id`.
    pub remote_candidate_id: String,
    /// Always `succeeded`: only the selected pair is reported.
    pub state: String,
    /// Always true.
    pub nominated: bool,
    /// Round trip time of the last connectivity check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_round_trip_time: Option<f64>,
    /// Estimated available bandwidth for sending, in bits per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available_outgoing_bitrate: Option<f64>,
}

/// `RTCIceCandidateStats`, without address and port.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CandidateStats {
    /// ID of this object.
    pub id: String,
    /// When the values were read.
    pub timestamp: f64,
    /// The transport's `id`.
    pub transport_id: String,
    /// `host`, `srflx`, `prflx` or `relay`.
    pub candidate_type: String,
    /// `udp`.
    pub protocol: String,
    /// Protocol between this side and its relay: `udp`, `tcp` or `tls`. Local relayed candidates only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay_protocol: Option<String>,
}

/// `RTCTransportStats`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TransportStats {
    /// ID of this object.
    pub id: String,
    /// When the values were read.
    pub timestamp: f64,
    /// Packets sent, of any protocol.
    pub packets_sent: u64,
    /// Packets received, of any protocol.
    pub packets_received: u64,
    /// Payload bytes sent.
    pub bytes_sent: u64,
    /// Payload bytes received.
    pub bytes_received: u64,
    /// The `id` of the selected candidate pair, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selected_candidate_pair_id: Option<String>,
    /// Number of changes of the selected pair.
    pub selected_candidate_pair_changes: u32,
    /// `new`, `connecting`, `connected`, `closed` or `failed`.
    pub dtls_state: String,
}

/// Statistics counted by the WebRTC library: transport and selected pair. Its other values are not used, since it reports zero
/// for what it does not count. `available` is the estimated bandwidth in bits per second.
pub(crate) async fn transport_stats(
    connection: &dyn PeerConnection,
    now: SystemTime,
    available: Option<f64>,
) -> Vec<Stats> {
    let report = connection.get_stats(Instant::now(), StatsSelector::None).await;
    let timestamp = milliseconds(now);
    let mut all = Vec::new();
    let selected = selected_pair(connection).await;
    if let Some(pair) = &selected {
        all.push(Stats::LocalCandidate(local_candidate_stats(pair.local(), &report, timestamp)));
        all.push(Stats::RemoteCandidate(remote_candidate_stats(pair.remote(), &report, timestamp)));
    }
    for entry in report.iter() {
        match entry {
            RTCStatsReportEntry::Transport(transport) => all.push(Stats::Transport(TransportStats {
                id: TRANSPORT.to_owned(),
                timestamp,
                packets_sent: transport.packets_sent,
                packets_received: transport.packets_received,
                bytes_sent: transport.bytes_sent,
                bytes_received: transport.bytes_received,
                selected_candidate_pair_id: selected.as_ref().map(pair_id),
                selected_candidate_pair_changes: transport.selected_candidate_pair_changes,
                dtls_state: transport.dtls_state.to_string(),
            })),
            RTCStatsReportEntry::IceCandidatePair(entry) => {
                let Some(pair) = selected.as_ref().filter(|pair| {
                    pair.local().id == entry.local_candidate_id && pair.remote().id == entry.remote_candidate_id
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
                    // The library reports zero before the first measurement.
                    current_round_trip_time: Some(entry.current_round_trip_time).filter(|time| *time > 0.0),
                    available_outgoing_bitrate: available,
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

fn candidate_stats(candidate: &RTCIceCandidate, timestamp: f64) -> CandidateStats {
    CandidateStats {
        id: candidate.id.clone(),
        timestamp,
        transport_id: TRANSPORT.to_owned(),
        candidate_type: candidate.typ.to_string(),
        protocol: candidate.protocol.to_string(),
        relay_protocol: None,
    }
}

/// Derives `relayProtocol` from the server's URL, because the library does not set it.
fn local_candidate_stats(candidate: &RTCIceCandidate, report: &RTCStatsReport, timestamp: f64) -> CandidateStats {
    let mut stats = candidate_stats(candidate, timestamp);
    if candidate.typ == RTCIceCandidateType::Relay {
        let entry = report.iter().find_map(|entry| match entry {
            RTCStatsReportEntry::LocalCandidate(entry) if is_same_relay(entry, candidate) => Some(entry),
            _ => None,
        });
        stats.relay_protocol = entry.map(|entry| relay_protocol(&entry.url).to_owned());
    }
    stats
}

/// Reports an address as `relay` if the remote side named it as one. The library keeps the `prflx` candidate of a packet that
/// arrived earlier than the candidate.
fn remote_candidate_stats(candidate: &RTCIceCandidate, report: &RTCStatsReport, timestamp: f64) -> CandidateStats {
    let mut stats = candidate_stats(candidate, timestamp);
    let is_relay = |entry: &RTCStatsReportEntry| match entry {
        RTCStatsReportEntry::RemoteCandidate(entry) => is_same_relay(entry, candidate),
        _ => false,
    };
    if candidate.typ == RTCIceCandidateType::Prflx && report.iter().any(is_relay) {
        stats.candidate_type = RTCIceCandidateType::Relay.to_string();
    }
    stats
}

/// Whether a relayed candidate has this candidate's address.
fn is_same_relay(relay: &RTCIceCandidateStats, candidate: &RTCIceCandidate) -> bool {
    relay.candidate_type == RTCIceCandidateType::Relay
        && relay.address.as_deref() == Some(candidate.address.as_str())
        && relay.port == candidate.port
}

/// Milliseconds since 1970.
pub(crate) fn milliseconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1_000.0
}
