//! The counts, as the W3C names them.

use std::time::{Duration, SystemTime};

use super::streams::{Inbound, Outbound, Streams};
use crate::codecs;
use crate::frame::Kind;
use crate::stats::{
    CodecStats, InboundRtpStats, MediaKind, OutboundRtpStats, RemoteInboundRtpStats, Stats, TRANSPORT, milliseconds,
};

/// What these streams did so far. The encoder of the picture shall make so many bits per second.
pub(super) fn stats(streams: &Streams, target: u32, now: SystemTime) -> Vec<Stats> {
    let mut all = Vec::new();
    let mut codecs = Vec::new();
    for (ssrc, stream) in &streams.inbound {
        codecs.push((stream.kind, stream.payload_type));
        all.push(Stats::InboundRtp(inbound(now, *ssrc, stream)));
    }
    for (ssrc, stream) in &streams.outbound {
        codecs.push((stream.kind, stream.payload_type));
        all.push(Stats::OutboundRtp(outbound(now, *ssrc, stream, target)));
        all.extend(remote(now, *ssrc, stream).map(Stats::RemoteInboundRtp));
    }
    codecs.sort_by_key(|(_, payload_type)| *payload_type);
    codecs.dedup();
    all.extend(codecs.into_iter().map(|(kind, payload_type)| Stats::Codec(codec(now, kind, payload_type))));
    all
}

fn inbound(now: SystemTime, ssrc: u32, stream: &Inbound) -> InboundRtpStats {
    let is_picture = stream.kind == Kind::Video;
    InboundRtpStats {
        id: format!("inbound-{ssrc}"),
        timestamp: milliseconds(now),
        ssrc,
        kind: media_kind(stream.kind),
        transport_id: TRANSPORT.to_owned(),
        codec_id: codec_id(stream.payload_type),
        packets_received: stream.packets,
        packets_lost: stream.lost(),
        jitter: stream.jitter(),
        bytes_received: stream.bytes,
        header_bytes_received: stream.header_bytes,
        retransmitted_packets_received: stream.repeated_packets,
        retransmitted_bytes_received: stream.repeated_bytes,
        last_packet_received_timestamp: stream.last.map(|at| milliseconds(ago(now, at.elapsed()))),
        nack_count: stream.asked.again,
        pli_count: is_picture.then_some(stream.asked.keyframe),
        frames_received: is_picture.then_some(stream.frames),
        key_frames_received: is_picture.then_some(stream.keyframes),
        frames_dropped: is_picture.then_some(stream.dropped),
        frame_width: stream.size.map(|(width, _)| width),
        frame_height: stream.size.map(|(_, height)| height),
    }
}

fn outbound(now: SystemTime, ssrc: u32, stream: &Outbound, target: u32) -> OutboundRtpStats {
    let is_picture = stream.kind == Kind::Video;
    OutboundRtpStats {
        id: outbound_id(ssrc),
        timestamp: milliseconds(now),
        ssrc,
        kind: media_kind(stream.kind),
        transport_id: TRANSPORT.to_owned(),
        codec_id: codec_id(stream.payload_type),
        remote_id: stream.reported.as_ref().map(|_| remote_id(ssrc)),
        packets_sent: stream.packets,
        bytes_sent: stream.bytes,
        header_bytes_sent: stream.header_bytes,
        retransmitted_packets_sent: stream.repeated_packets,
        retransmitted_bytes_sent: stream.repeated_bytes,
        nack_count: stream.asked.again,
        pli_count: is_picture.then_some(stream.asked.keyframe),
        fir_count: is_picture.then_some(stream.asked.full_keyframe),
        frames_sent: is_picture.then_some(stream.frames),
        key_frames_sent: is_picture.then_some(stream.keyframes),
        target_bitrate: is_picture.then_some(f64::from(target)),
    }
}

fn remote(now: SystemTime, ssrc: u32, stream: &Outbound) -> Option<RemoteInboundRtpStats> {
    let reported = stream.reported.as_ref()?;
    Some(RemoteInboundRtpStats {
        id: remote_id(ssrc),
        timestamp: milliseconds(ago(now, reported.at.elapsed())),
        ssrc,
        kind: media_kind(stream.kind),
        transport_id: TRANSPORT.to_owned(),
        codec_id: codec_id(stream.payload_type),
        local_id: outbound_id(ssrc),
        packets_lost: reported.lost,
        jitter: reported.jitter,
        fraction_lost: reported.fraction,
        round_trip_time: stream.round_trip,
        total_round_trip_time: stream.round_trips_sum,
        round_trip_time_measurements: stream.round_trips,
    })
}

fn codec(now: SystemTime, kind: Kind, payload_type: u8) -> CodecStats {
    let codec = codecs::codec(kind);
    CodecStats {
        id: codec_id(payload_type),
        timestamp: milliseconds(now),
        transport_id: TRANSPORT.to_owned(),
        payload_type,
        mime_type: codec.mime_type,
        clock_rate: codec.clock_rate,
        channels: (kind == Kind::Voice).then_some(codec.channels),
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

fn media_kind(kind: Kind) -> MediaKind {
    match kind {
        Kind::Voice => MediaKind::Audio,
        Kind::Video => MediaKind::Video,
    }
}

fn ago(now: SystemTime, time: Duration) -> SystemTime {
    now.checked_sub(time).unwrap_or(now)
}
