//! A native WebRTC peer that carries encoded frames, for webviews without `RTCPeerConnection`.
//!
//! The webview captures and encodes (VP8, Opus), and decodes and shows; a [`Peer`] is the connection between, with any
//! other WebRTC peer on the far side. Frames go in by [`Peer::send_video`] and [`Peer::send_voice`]; frames, candidates and
//! the state of the connection come out of [`Events`].
//!
//! What it does: offer, answer, trickled candidates, ICE restart, STUN, TURN over UDP, candidates with mDNS names, IPv4 and
//! IPv6 on every interface, NACK with retransmission in a stream of its own (RFC 4588), keyframe requests both ways, one data
//! channel agreed on beforehand. VP8 and Opus, and no other codec. Besides:
//!
//! - It estimates what the network bears ([`Event::TargetBitrate`]), and spreads the packets of the picture over time, so that a
//!   keyframe fills no queue on the way. Voice does not wait.
//! - It ties voice and picture to one clock, in its sender reports and from the other side's ([`Frame::captured`]).
//! - It counts ([`Peer::stats`]).
//!
//! What it does not do: a jitter buffer for voice, tracks added in the middle of a call (both are agreed on at its beginning, and
//! may be silent), TURN over TCP and TLS (the library has neither).
//!
//! # Where frames wait, and are copied
//!
//! To send: at most 15 frames of the picture wait, then all that wait are dropped; at most 50 packets of voice, then the caller
//! waits. What was handed to the library is gone at once, also while the network is down, so that nothing old is sent
//! afterwards. A frame is taken as it is ([`bytes::Bytes`]) and copied once, into packets; the library keeps the last 1,024
//! packets to send them again, by reference. Received: a frame in one packet is not copied, one in several is copied once,
//! together. Encryption copies each packet, both ways.
//!
//! Nothing here logs. The library does, through the `log` crate, and some of what it says are whole packets: who installs a
//! logger leaves out its targets (`webrtc`, and all that start with `rtc`).

mod codecs;
mod config;
mod connection;
mod error;
mod estimator;
mod events;
mod frame;
mod interceptors;
mod outgoing;
mod pacer;
mod peer;
mod queue;
mod remote;
mod runtime;
mod stats;
mod traffic;
mod vp8;
mod wrapping;

pub use config::{Channel, Config};
pub use error::{Error, Step};
pub use events::{Event, Events, Message};
pub use frame::{Frame, Kind};
pub use peer::Peer;
pub use stats::{
    CandidatePairStats, CandidateStats, CodecStats, InboundRtpStats, MediaKind, OutboundRtpStats,
    RemoteInboundRtpStats, Stats, TransportStats,
};
