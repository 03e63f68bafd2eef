//! Conversion of the streams' counters to the W3C's statistics.

use std::time::{Duration, SystemTime};

use super::streams::{InboundStream, OutboundStream, RtpStreams};
use crate::codecs;
use crate::frame::MediaType;
use crate::stats::{
    CodecStats, InboundRtpStats, OutboundRtpStats, RemoteInboundRtpStats, Stats, TRANSPORT, milliseconds,
};

/// Statistics of all streams and their codecs. `target` is the target bitrate of the video encoder, in bits per second.
pub(super) fn rtp_stats(streams: &RtpStreams, target: u32, now: SystemTime) -> Vec<Stats> {
    let mut all = Vec::new();
    let mut codecs = Vec::new();
    for (ssrc, stream) in &streams.inbound {
        codecs.push((stream.kind, stream.payload_type));
        all.push(Stats::InboundRtp(inbound(now, *ssrc, stream)));
    }
    for (ssrc, stream) in &streams.outbound {
        codecs.push((stream.kind, stream.payload_type));
        all.push(Stats::OutboundRtp(outbound(now, *ssrc, stream, target)));
        all.extend(remote_inbound(now, *ssrc, stream).map(Stats::RemoteInboundRtp));
    }
    codecs.sort_by_key(|(_, payload_type)| *payload_type);
    codecs.dedup();
    all.extend(codecs.into_iter().map(|(kind, payload_type)| Stats::Codec(codec(now, kind, payload_type))));
    all
}

fn inbound(now: SystemTime, ssrc: u32, stream: &InboundStream) -> InboundRtpStats {
    let is_video = stream.kind == MediaType::Video;
    InboundRtpStats {
        id: format!("inbound-{ssrc}"),
        timestamp: milliseconds(now),
        ssrc,
        kind: stream.kind,
        transport_id: TRANSPORT.to_owned(),
        codec_id: codec_id(stream.payload_type),
        packets_received: stream.packets,
        packets_lost: stream.lost(),
        jitter: stream.jitter(),
        bytes_received: stream.bytes,
        header_bytes_received: stream.header_bytes,
        retransmitted_packets_received: stream.rtx_packets,
        retransmitted_bytes_received: stream.rtx_bytes,
        last_packet_received_timestamp: stream.last_received.map(|at| milliseconds(ago(now, at.elapsed()))),
        nack_count: stream.requests.nack,
        pli_count: is_video.then_some(stream.requests.pli),
        frames_received: is_video.then_some(stream.frames),
        key_frames_received: is_video.then_some(stream.keyframes),
        frames_dropped: is_video.then_some(stream.dropped),
        frame_width: stream.size.map(|(width, _)| width),
        frame_height: stream.size.map(|(_, height)| height),
    }
}

fn outbound(now: SystemTime, ssrc: u32, stream: &OutboundStream, target: u32) -> OutboundRtpStats {
    let is_video = stream.kind == MediaType::Video;
    OutboundRtpStats {
        id: outbound_id(ssrc),
        timestamp: milliseconds(now),
        ssrc,
        kind: stream.kind,
        transport_id: TRANSPORT.to_owned(),
        codec_id: codec_id(stream.payload_type),
        remote_id: stream.remote_report.as_ref().map(|_| remote_id(ssrc)),
        packets_sent: stream.packets,
        bytes_sent: stream.bytes,
        header_bytes_sent: stream.header_bytes,
        retransmitted_packets_sent: stream.rtx_packets,
        retransmitted_bytes_sent: stream.rtx_bytes,
        nack_count: stream.requests.nack,
        pli_count: is_video.then_some(stream.requests.pli),
        fir_count: is_video.then_some(stream.requests.fir),
        frames_sent: is_video.then_some(stream.frames),
        key_frames_sent: is_video.then_some(stream.keyframes),
        target_bitrate: is_video.then_some(f64::from(target)),
    }
}

fn remote_inbound(now: SystemTime, ssrc: u32, stream: &OutboundStream) -> Option<RemoteInboundRtpStats> {
    let report = stream.remote_report.as_ref()?;
    Some(RemoteInboundRtpStats {
        id: remote_id(ssrc),
        timestamp: milliseconds(ago(now, report.at.elapsed())),
        ssrc,
        kind: stream.kind,
        transport_id: TRANSPORT.to_owned(),
        codec_id: codec_id(stream.payload_type),
        local_id: outbound_id(ssrc),
        packets_lost: report.lost,
        jitter: report.jitter,
        fraction_lost: report.fraction_lost,
        round_trip_time: stream.round_trip_time,
        total_round_trip_time: stream.round_trip_times_sum,
        round_trip_time_measurements: stream.round_trip_times,
    })
}

fn codec(now: SystemTime, kind: MediaType, payload_type: u8) -> CodecStats {
    let codec = codecs::codec(kind);
    CodecStats {
        id: codec_id(payload_type),
        timestamp: milliseconds(now),
        transport_id: TRANSPORT.to_owned(),
        payload_type,
        mime_type: codec.mime_type,
        clock_rate: codec.clock_rate,
        channels: (kind == MediaType::Audio).then_some(codec.channels),
    }
}

fn codec_id(payload_type: u8) -> String {
    format!("codec-{payload_type}")
}

fn outbound_id(ssrc: u32) -> String {
    format!("outbound-{ssrc}")
}

fn remote_id(ssrc: u32) -> String {
    format!("remote-inbound-{ssrc}")
}

fn ago(now: SystemTime, time: Duration) -> SystemTime {
    now.checked_sub(time).unwrap_or(now)
}
