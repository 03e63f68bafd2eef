//! Sender of one local track: packetizes frames, and paces the packets of video.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rtc::rtp::header::Header;
use rtc::rtp::packet::Packet;
use rtc::rtp::packetizer::Payloader;
use rtc::rtp_transceiver::rtp_sender::RTCRtpCodec;
use tokio::sync::{mpsc, watch};
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_local::{TrackLocal, TrackLocalEvent};
use webrtc::peer_connection::PeerConnection;
use webrtc::rtp_transceiver::RtpSender;

use crate::codecs;
use crate::error::{AtOperation, Error, PeerOperation};
use crate::events::EventSender;
use crate::frame::{EncodedFrame, MediaType};
use crate::interceptors::is_keyframe_request;
use crate::pacer::Pacer;
use crate::rtp_session::RtpSession;
use crate::video_queue::VideoQueue;

/// Size limit of an RTP payload, in bytes: with all headers it fits the minimum MTU of IPv6, 1,280 bytes.
const MAX_PAYLOAD: usize = 1_160;

/// Queue of frames to send.
pub(crate) enum FrameSource {
    /// Lossless queue: the producer waits when it is full.
    Audio(mpsc::Receiver<EncodedFrame>),
    /// Queue that drops its frames when it is full.
    Video(Arc<VideoQueue>),
}

impl FrameSource {
    async fn next(&mut self) -> Option<EncodedFrame> {
        match self {
            Self::Audio(frames) => frames.recv().await,
            Self::Video(frames) => Some(frames.pop().await),
        }
    }

    /// Bytes in the queue, for the pacer; 0 for audio, which is not paced.
    fn queued_bytes(&self) -> usize {
        match self {
            Self::Audio(_) => 0,
            Self::Video(frames) => frames.bytes(),
        }
    }

    /// Makes the queue reject (audio) or discard (video) further frames.
    fn stop(&mut self) {
        match self {
            Self::Audio(frames) => frames.close(),
            Self::Video(frames) => frames.stop(),
        }
    }
}

/// Sender of one local track.
pub(crate) struct TrackSender {
    kind: MediaType,
    track: Arc<TrackLocalStaticRTP>,
    sender: Arc<dyn RtpSender>,
    ssrc: u32,
    session: Arc<RtpSession>,
}

impl TrackSender {
    /// Adds a track to the connection.
    pub async fn add(
        connection: &dyn PeerConnection,
        kind: MediaType,
        session: Arc<RtpSession>,
    ) -> Result<Self, Error> {
        let (track, ssrc) = codecs::new_track(kind);
        let track = Arc::new(TrackLocalStaticRTP::new(track));
        let sender = connection.add_track(track.clone()).await.at(PeerOperation::AddTrack)?;
        Ok(Self { kind, track, sender, ssrc, session })
    }

    /// Forwards the remote side's keyframe requests as events, until the connection ends.
    pub async fn read_feedback(track: Arc<TrackLocalStaticRTP>, events: EventSender) {
        while let Some(event) = track.poll().await {
            if let TrackLocalEvent::OnRtcpPacket(packets) = event
                && packets.iter().any(|packet| is_keyframe_request(packet.as_ref()))
            {
                events.keyframe_needed();
            }
        }
    }

    /// The track, for [`Self::read_feedback`].
    pub fn track(&self) -> Arc<TrackLocalStaticRTP> {
        self.track.clone()
    }

    /// Sends frames from `source` once the connection is established, until it ends. If the remote side accepts no media of
    /// this type, stops the source.
    pub async fn send(self, mut source: FrameSource, mut connected: watch::Receiver<bool>) {
        if connected.wait_for(|connected| *connected).await.is_err() {
            return;
        }
        let payload_type = self.payload_type().await;
        let packetizer = payload_type.and_then(|number| Packetizer::new(self.kind, self.ssrc, number).ok());
        let Some(mut packetizer) = packetizer else {
            source.stop();
            return;
        };
        let mut pacer = Pacer::default();
        while let Some(frame) = source.next().await {
            let packets = packetizer.packetize(&frame);
            let Some(timestamp) = packets.first().map(|packet| packet.header.timestamp) else { continue };
            let captured_at = frame.captured_at.unwrap_or(frame.timestamp);
            self.session.frame_sent(Instant::now(), self.ssrc, timestamp, captured_at, frame.keyframe);
            pacer.start_frame(frame.data.len() + source.queued_bytes(), self.session.target_bitrate());
            for packet in packets {
                // Audio is not paced, and so overtakes queued video.
                if self.kind == MediaType::Video {
                    let at = pacer.departure(Instant::now(), packet.payload.len());
                    tokio::time::sleep_until(at.into()).await;
                }
                if self.track.write_rtp(packet).await.is_err() {
                    return;
                }
            }
        }
    }

    /// The negotiated payload type; `None` if the remote side accepts no media of this type.
    async fn payload_type(&self) -> Option<u8> {
        let mime_type = codecs::codec(self.kind).mime_type;
        let parameters = self.sender.get_parameters().await.ok()?;
        let mut codecs = parameters.rtp_parameters.codecs.into_iter();
        codecs.find(|codec| codec.rtp_codec.mime_type.eq_ignore_ascii_case(&mime_type)).map(|codec| codec.payload_type)
    }
}

/// RTP packetizer of one track.
struct Packetizer {
    payloader: Box<dyn Payloader>,
    clock_rate: u64,
    ssrc: u32,
    payload_type: u8,
    sequence: u16,
    /// Random offset of timestamps (RFC 3550, section 5.1).
    first_timestamp: u32,
    is_first: bool,
}

impl Packetizer {
    fn new(kind: MediaType, ssrc: u32, payload_type: u8) -> webrtc::error::Result<Self> {
        let codec: RTCRtpCodec = codecs::codec(kind);
        Ok(Self {
            payloader: codec.payloader()?,
            clock_rate: u64::from(codecs::clock_rate(kind)),
            ssrc,
            payload_type,
            sequence: fastrand::u16(..),
            first_timestamp: fastrand::u32(..),
            is_first: true,
        })
    }

    fn packetize(&mut self, frame: &EncodedFrame) -> Vec<Packet> {
        // Fails only for a tiny MTU or an empty frame, which cannot get here.
        let payloads = self.payloader.payload(MAX_PAYLOAD, &frame.data).unwrap_or_default();
        let ticks = u128::from(frame.timestamp) * u128::from(self.clock_rate) / 1_000_000;
        #[expect(clippy::cast_possible_truncation, reason = "timestamps wrap around")]
        let timestamp = self.first_timestamp.wrapping_add(ticks as u32);
        let last = payloads.len().saturating_sub(1);
        let packets = payloads.into_iter().enumerate();
        packets.map(|(index, payload)| self.packet(frame.kind, timestamp, index == last, payload)).collect()
    }

    fn packet(&mut self, kind: MediaType, timestamp: u32, is_last: bool, payload: Bytes) -> Packet {
        self.sequence = self.sequence.wrapping_add(1);
        // Video: last packet of a frame. Audio: first packet of a talkspurt (RFC 3551, section 4.1).
        let marker = match kind {
            MediaType::Video => is_last,
            MediaType::Audio => self.is_first,
        };
        self.is_first = false;
        Packet {
            header: Header {
                version: 2,
                marker,
                payload_type: self.payload_type,
                sequence_number: self.sequence,
                timestamp,
                ssrc: self.ssrc,
                ..Header::default()
            },
            payload,
        }
    }
}
