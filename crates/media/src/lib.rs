//! Native WebRTC peer that sends and receives encoded frames, for webviews without `RTCPeerConnection`.
//!
//! The webview captures, encodes, decodes and renders (VP8, Opus); a [`Peer`] is its connection to any remote WebRTC peer.
//! [`Peer::send_video`] and [`Peer::send_audio`] take the frames to send; an [`EventReceiver`] delivers received frames, local
//! candidates and connection states.
//!
//! Supported: offer, answer, trickle ICE, ICE restart, STUN, TURN over UDP, mDNS candidates, IPv4 and IPv6 on every interface,
//! NACK with retransmission in a stream of its own (RTX, RFC 4588), keyframe requests both ways, one pre-negotiated data
//! channel; the codecs VP8 and Opus. Also:
//!
//! - Congestion control: it estimates the available bandwidth ([`Event::TargetBitrate`]) and paces video packets, so that a
//!   keyframe does not fill the network's queues. Audio is not paced.
//! - Audio and video synchronization: its sender reports refer both to one capture clock, and received frames carry the capture
//!   time of the remote side's reports ([`EncodedFrame::captured_at`]).
//! - Statistics ([`Peer::stats`]).
//!
//! Not supported: a jitter buffer for audio, adding tracks during a call (both are negotiated at its start, and may stay silent),
//! TURN over TCP and TLS (missing in the WebRTC library).
//!
//! # Buffering and copies
//!
//! Sending: the video queue holds at most 15 frames, and drops all of them when full; the audio queue holds at most 50 packets,
//! and makes the caller wait when full. The WebRTC library buffers nothing, also while the network is down, so that no stale
//! media is sent later. A frame ([`bytes::Bytes`]) is copied once, into packets; the library keeps references to the last 1,024
//! packets for retransmission. Receiving: a frame in one packet is not copied, one in several packets is copied once.
//! Encryption and decryption copy each packet.
//!
//! # Hostile peers
//!
//! Remote candidates are limited in kind and number. All packets to addresses that have never answered, whoever names these, are
//! paced to 18 a second. Connectivity checks without valid credentials, keyframes of huge pictures and oversized packets are
//! dropped. What this crate parses is fuzzed (feature `inspect`).
//!
//! # Logging
//!
//! This crate does not log. The WebRTC library logs by the `log` crate, including whole packets: an application that installs a
//! logger must filter out its targets (`webrtc`, and all that start with `rtc`).

mod addresses;
mod codecs;
mod config;
mod connection;
mod description;
mod error;
mod estimator;
mod events;
mod frame;
#[cfg(feature = "inspect")]
pub mod inspect;
mod interceptors;
mod local_candidates;
mod pacer;
mod peer;
mod peer_tasks;
mod remote_candidates;
mod rtp_session;
mod runtime;
mod stats;
mod track_receiver;
mod track_sender;
mod unwrap;
mod video_queue;
mod vp8;

pub use config::{Config, DataChannelConfig};
pub use error::{Error, PeerOperation};
pub use events::{ChannelMessage, Event, EventReceiver};
pub use frame::{EncodedFrame, MediaType};
pub use peer::Peer;
pub use stats::{
    CandidatePairStats, CandidateStats, CodecStats, InboundRtpStats, OutboundRtpStats, RemoteInboundRtpStats, Stats,
    TransportStats,
};
