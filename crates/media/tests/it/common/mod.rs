//! Test peers on loopback, and their connection.

pub mod call;
pub mod network_emulator;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use hutong_core::Connectivity;
use hutong_media::{Config, DataChannelConfig, EncodedFrame, Event, EventReceiver, MediaType, Peer};
use hutong_protocol::{IceCandidate, SdpKind};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Timeout that no test reaches unless it fails.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Held exclusively by tests that measure time, shared by the others.
static PROCESS: RwLock<()> = RwLock::const_new(());

/// Locks the process for a test that measures time: no other test runs meanwhile.
pub async fn exclusive() -> RwLockWriteGuard<'static, ()> {
    PROCESS.write().await
}

/// Locks the process for a test that may run beside others.
pub async fn shared() -> RwLockReadGuard<'static, ()> {
    PROCESS.read().await
}

/// A peer and its events.
pub struct TestPeer {
    pub peer: Peer,
    pub events: EventReceiver,
    /// Events that [`connect`] read but did not use.
    pub unread: Vec<Event>,
}

impl TestPeer {
    /// Waits for the first event for which `find` returns a value. Skips the others.
    pub async fn wait<T>(&mut self, mut find: impl FnMut(Event) -> Option<T>) -> T {
        for event in std::mem::take(&mut self.unread) {
            if let Some(found) = find(event) {
                return found;
            }
        }
        let search = async {
            loop {
                let event = self.events.next().await.expect("closed");
                if let Some(found) = find(event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(TIMEOUT, search).await.expect("the event before the timeout")
    }

    /// Waits for an event.
    pub async fn wait_for(&mut self, expected: Event) {
        self.wait(|event| (event == expected).then_some(())).await;
    }

    /// Waits for a frame of a media type.
    pub async fn frame(&mut self, kind: MediaType) -> EncodedFrame {
        self.wait(|event| match event {
            Event::Frame(frame) if frame.kind == kind => Some(frame),
            _ => None,
        })
        .await
    }
}

/// Sends audio and video, with a data channel, on loopback only.
pub fn config() -> Config {
    Config {
        sends_audio: true,
        sends_video: true,
        data_channel: Some(DataChannelConfig { label: "test".into(), id: 0 }),
        bind_addresses: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        ..Config::default()
    }
}

/// Creates a peer that is not connected.
pub async fn test_peer(config: Config) -> TestPeer {
    let (peer, events) = Peer::new(config).await.unwrap();
    TestPeer { peer, events, unread: Vec::new() }
}

/// Creates two connected peers: the offerer and the answerer.
pub async fn connected_pair() -> (TestPeer, TestPeer) {
    let mut offering = test_peer(config()).await;
    let mut answering = test_peer(config()).await;
    let offer = offering.peer.offer().await.unwrap();
    connect(&mut offering, &mut answering, &offer, |candidate| candidate, |candidate| candidate).await;
    (offering, answering)
}

/// Exchanges descriptions and candidates until both peers are connected. The closures replace the candidates for each peer, also
/// those inside the descriptions of an ICE restart.
pub async fn connect(
    offering: &mut TestPeer,
    answering: &mut TestPeer,
    offer: &str,
    to_answering: impl Fn(IceCandidate) -> IceCandidate,
    to_offering: impl Fn(IceCandidate) -> IceCandidate,
) {
    answering.peer.set_remote_description(SdpKind::Offer, &with_candidates(offer, &to_answering)).await.unwrap();
    let answer = answering.peer.answer().await.unwrap();
    offering.peer.set_remote_description(SdpKind::Answer, &with_candidates(&answer, &to_offering)).await.unwrap();
    let exchange = async {
        let mut connected = (false, false);
        while connected != (true, true) {
            tokio::select! {
                event = offering.events.next() => match event.expect("closed") {
                    Event::Candidate(candidate) => answering.peer.add_ice_candidate(to_answering(candidate)).await.unwrap(),
                    Event::Connectivity(connectivity) => connected.0 = connectivity == Connectivity::Connected,
                    event => offering.unread.push(event),
                },
                event = answering.events.next() => match event.expect("closed") {
                    Event::Candidate(candidate) => offering.peer.add_ice_candidate(to_offering(candidate)).await.unwrap(),
                    Event::Connectivity(connectivity) => connected.1 = connectivity == Connectivity::Connected,
                    event => answering.unread.push(event),
                },
            }
        }
    };
    tokio::time::timeout(TIMEOUT, exchange).await.expect("connected before the timeout");
}

/// Replaces the candidates in a description; an empty replacement removes the line.
fn with_candidates(sdp: &str, replace: impl Fn(IceCandidate) -> IceCandidate) -> String {
    let mut changed = String::new();
    for line in sdp.lines() {
        let line = match line.strip_prefix("a=").filter(|line| line.starts_with("candidate:")) {
            Some(candidate) => {
                let candidate = IceCandidate {
                    candidate: candidate.into(),
                    sdp_mid: None,
                    sdp_m_line_index: Some(0),
                    username_fragment: None,
                };
                let candidate = replace(candidate).candidate;
                if candidate.is_empty() {
                    continue;
                }
                format!("a={candidate}")
            }
            None => line.to_owned(),
        };
        changed.push_str(&line);
        changed.push_str("\r\n");
    }
    changed
}

/// A VP8 frame with a valid header only (RFC 6386, section 9.1), 40 ms after the previous one.
pub fn video_frame(number: u64, keyframe: bool, size: usize) -> EncodedFrame {
    let mut data = vec![if keyframe { 0x10 } else { 0x11 }, 0, 0];
    if keyframe {
        // Start code, 640x480.
        data.extend([0x9D, 0x01, 0x2A, 0x80, 0x02, 0xE0, 0x01]);
    }
    data.extend(number.to_be_bytes());
    data.extend((data.len()..size).map(|index| (index as u64 * 31 + number) as u8));
    EncodedFrame { kind: MediaType::Video, timestamp: number * 40_000, captured_at: None, keyframe, data: data.into() }
}

/// An Opus packet of 20 ms, mono, with a valid header only (RFC 6716, section 3.1).
pub fn audio_packet(number: u64) -> EncodedFrame {
    let mut data = vec![0x78];
    data.extend(number.to_be_bytes());
    EncodedFrame {
        kind: MediaType::Audio,
        timestamp: number * 20_000,
        captured_at: None,
        keyframe: true,
        data: Bytes::from(data),
    }
}

/// Replaces a candidate by the end of candidates: the answerer learns the offerer's address from its packets.
pub fn no_candidate(_: IceCandidate) -> IceCandidate {
    IceCandidate { candidate: String::new(), sdp_mid: None, sdp_m_line_index: Some(0), username_fragment: None }
}
