//! A native WebRTC peer that carries encoded frames, for webviews without `RTCPeerConnection`.
//!
//! The webview captures and encodes (VP8, Opus), and decodes and shows; a [`Peer`] is the connection between, with any
//! other WebRTC peer on the far side. Frames go in by [`Peer::send_video`] and [`Peer::send_voice`]; frames, candidates and
//! the state of the connection come out of [`Events`].
//!
//! What it does: offer, answer, trickled candidates, ICE restart, STUN, TURN over UDP, candidates with mDNS names, NACK with
//! retransmission in a stream of its own (RFC 4588), feedback for the other side's congestion control, keyframe requests both
//! ways, one data channel agreed on beforehand. VP8 and Opus, and no other codec.
//!
//! What it does not do yet: estimate the rate that the network bears (frames leave as fast as they are given), statistics,
//! a jitter buffer for voice, synchronization of voice and picture, tracks added or replaced in the middle of a call, TURN over
//! TCP and TLS (the library has neither).
//!
//! Nothing here logs. The library does, through the `log` crate, and some of what it says are whole packets: who installs a
//! logger leaves out its targets (`webrtc`, and all that start with `rtc`).

mod codecs;
mod config;
mod connection;
mod error;
mod estimator;
mod events;
mod interceptors;
mod outgoing;
mod pacer;
mod peer;
mod queue;
mod remote;
mod stats;
mod traffic;
mod vp8;
mod wrapping;

pub use config::{Channel, Config, IceServer};
pub use error::{Error, Step};
pub use events::{Candidate, Connectivity, Event, Events, Frame, Kind, Message};
pub use peer::{Peer, SdpKind};
pub use stats::{
    CandidatePairStats, CandidateStats, CodecStats, InboundRtpStats, MediaKind, OutboundRtpStats,
    RemoteInboundRtpStats, Stats, TransportStats,
};
