//! Frames to packets, and packets to the connection.

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
use crate::error::{At, Error, Step};
use crate::events::Sinks;
use crate::frame::{Frame, Kind};
use crate::interceptors::is_keyframe_request;
use crate::pacer::Pacer;
use crate::queue::VideoQueue;
use crate::traffic::Traffic;

/// The size of an RTP packet's payload, in bytes. With all headers below the 1,280 bytes that every IPv6 path carries.
const PAYLOAD: usize = 1_160;

/// Frames that wait to be sent.
pub(crate) enum Source {
    /// Every packet is sent.
    Voice(mpsc::Receiver<Frame>),
    /// Old frames make room.
    Video(Arc<VideoQueue>),
}

impl Source {
    async fn next(&mut self) -> Option<Frame> {
        match self {
            Self::Voice(frames) => frames.recv().await,
            Self::Video(frames) => Some(frames.pop().await),
        }
    }

    /// How many bytes of the picture wait.
    fn waiting(&self) -> usize {
        match self {
            Self::Voice(_) => 0,
            Self::Video(frames) => frames.bytes(),
        }
    }

    fn stop(&mut self) {
        match self {
            Self::Voice(frames) => frames.close(),
            Self::Video(frames) => frames.stop(),
        }
    }
}

/// A track of the connection to send on.
pub(crate) struct Outgoing {
    kind: Kind,
    track: Arc<TrackLocalStaticRTP>,
    sender: Arc<dyn RtpSender>,
    ssrc: u32,
    traffic: Arc<Traffic>,
}

impl Outgoing {
    /// Adds a track to the connection.
    pub async fn add(connection: &dyn PeerConnection, kind: Kind, traffic: Arc<Traffic>) -> Result<Self, Error> {
        let (track, ssrc) = codecs::track(kind);
        let track = Arc::new(TrackLocalStaticRTP::new(track));
        let sender = connection.add_track(track.clone()).await.at(Step::Track)?;
        Ok(Self { kind, track, sender, ssrc, traffic })
    }

    /// Passes the other side's keyframe requests on, as long as there is the connection.
    pub async fn listen(track: Arc<TrackLocalStaticRTP>, sinks: Sinks) {
        while let Some(event) = track.poll().await {
            if let TrackLocalEvent::OnRtcpPacket(feedback) = event
                && feedback.iter().any(|one| is_keyframe_request(one.as_ref()))
            {
                sinks.want_keyframe();
            }
        }
    }

    /// What [`Self::listen`] listens to.
    pub fn track(&self) -> Arc<TrackLocalStaticRTP> {
        self.track.clone()
    }

    /// Sends what the source has, once connected, as long as there is the connection: voice as it comes, the picture spread
    /// over time.
    pub async fn send(self, mut source: Source, mut connected: watch::Receiver<bool>) {
        if connected.wait_for(|connected| *connected).await.is_err() {
            return;
        }
        let payload_type = self.payload_type().await;
        let Some(mut packets) = payload_type.and_then(|number| Packets::new(self.kind, self.ssrc, number).ok()) else {
            source.stop();
            return;
        };
        let mut pacer = Pacer::default();
        while let Some(frame) = source.next().await {
            let split = packets.split(&frame);
            let Some(timestamp) = split.first().map(|packet| packet.header.timestamp) else { continue };
            let captured = frame.captured.unwrap_or(frame.timestamp);
            self.traffic.frame_sent(Instant::now(), self.ssrc, timestamp, captured, frame.keyframe);
            pacer.begin(frame.data.len() + source.waiting(), self.traffic.target());
            for packet in split {
                // Voice does not wait, and overtakes a picture that does.
                if self.kind == Kind::Video {
                    let at = pacer.next(Instant::now(), packet.payload.len());
                    tokio::time::sleep_until(at.into()).await;
                }
                if self.track.write_rtp(packet).await.is_err() {
                    return;
                }
            }
        }
    }

    /// What was agreed on; none if the other side takes no media of this kind.
    async fn payload_type(&self) -> Option<u8> {
        let wanted = codecs::codec(self.kind).mime_type;
        let parameters = self.sender.get_parameters().await.ok()?;
        let mut codecs = parameters.rtp_parameters.codecs.into_iter();
        codecs.find(|codec| codec.rtp_codec.mime_type.eq_ignore_ascii_case(&wanted)).map(|codec| codec.payload_type)
    }
}

/// Splits frames into packets.
struct Packets {
    payloader: Box<dyn Payloader>,
    clock: u64,
    ssrc: u32,
    payload_type: u8,
    sequence: u16,
    /// Timestamps start anywhere (RFC 3550, section 5.1).
    start: u32,
    first: bool,
}

impl Packets {
    fn new(kind: Kind, ssrc: u32, payload_type: u8) -> webrtc::error::Result<Self> {
        let codec: RTCRtpCodec = codecs::codec(kind);
        Ok(Self {
            payloader: codec.payloader()?,
            clock: u64::from(codecs::clock(kind)),
            ssrc,
            payload_type,
            sequence: fastrand::u16(..),
            start: fastrand::u32(..),
            first: true,
        })
    }

    fn split(&mut self, frame: &Frame) -> Vec<Packet> {
        // Only an MTU of next to nothing or an empty frame fails; both are ruled out before.
        let payloads = self.payloader.payload(PAYLOAD, &frame.data).unwrap_or_default();
        let ticks = u128::from(frame.timestamp) * u128::from(self.clock) / 1_000_000;
        #[expect(clippy::cast_possible_truncation, reason = "timestamps wrap around")]
        let timestamp = self.start.wrapping_add(ticks as u32);
        let last = payloads.len().saturating_sub(1);
        let packets = payloads.into_iter().enumerate();
        packets.map(|(index, payload)| self.packet(frame.kind, timestamp, index == last, payload)).collect()
    }

    fn packet(&mut self, kind: Kind, timestamp: u32, last: bool, payload: Bytes) -> Packet {
        self.sequence = self.sequence.wrapping_add(1);
        // The last of a frame, and the first after silence (RFC 3551, section 4.1).
        let marker = match kind {
            Kind::Video => last,
            Kind::Voice => self.first,
        };
        self.first = false;
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
