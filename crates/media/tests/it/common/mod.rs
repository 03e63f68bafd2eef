//! Two peers on loopback.

pub mod call;
pub mod path;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use hutong_core::Connectivity;
use hutong_media::{Channel, Config, Event, Events, Frame, Kind, Peer};
use hutong_protocol::{IceCandidate, SdpKind};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Far beyond what anything here takes.
const LONG: Duration = Duration::from_secs(30);

/// Tests that measure time have the process to themselves; the others share it.
static TURN: RwLock<()> = RwLock::const_new(());

/// Waits until no other test runs, and keeps the others waiting.
pub async fn alone() -> RwLockWriteGuard<'static, ()> {
    TURN.write().await
}

/// Waits while a test runs that measures time.
pub async fn beside_others() -> RwLockReadGuard<'static, ()> {
    TURN.read().await
}

/// A peer and what it tells.
pub struct Side {
    pub peer: Peer,
    pub events: Events,
    /// What [`connect`] read and had no use for.
    pub early: Vec<Event>,
}

impl Side {
    /// Waits for the first event that `wanted` makes something of; passes over the others.
    pub async fn wait<T>(&mut self, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        for event in std::mem::take(&mut self.early) {
            if let Some(found) = wanted(event) {
                return found;
            }
        }
        let search = async {
            loop {
                let event = self.events.next().await.expect("closed");
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(LONG, search).await.expect("in time")
    }

    /// Waits for an event.
    pub async fn wait_for(&mut self, wanted: Event) {
        self.wait(|event| (event == wanted).then_some(())).await;
    }

    /// Waits for a frame.
    pub async fn frame(&mut self, kind: Kind) -> Frame {
        self.wait(|event| match event {
            Event::Frame(frame) if frame.kind == kind => Some(frame),
            _ => None,
        })
        .await
    }
}

/// Everything on, loopback only.
pub fn config() -> Config {
    Config {
        voice: true,
        video: true,
        channel: Some(Channel { label: "test".into(), number: 0 }),
        addresses: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        ..Config::default()
    }
}

/// Not connected.
pub async fn side(config: Config) -> Side {
    let (peer, events) = Peer::new(config).await.unwrap();
    Side { peer, events, early: Vec::new() }
}

/// Connected: who offered, and who answered.
pub async fn pair() -> (Side, Side) {
    let mut offering = side(config()).await;
    let mut answering = side(config()).await;
    let offer = offering.peer.offer().await.unwrap();
    connect(&mut offering, &mut answering, &offer, |candidate| candidate, |candidate| candidate).await;
    (offering, answering)
}

/// Exchanges descriptions, then candidates, as they come and as the two closures change them, until both are connected. An ICE restart's
/// descriptions have candidates in them, which are changed too.
pub async fn connect(
    offering: &mut Side,
    answering: &mut Side,
    offer: &str,
    to_answering: impl Fn(IceCandidate) -> IceCandidate,
    to_offering: impl Fn(IceCandidate) -> IceCandidate,
) {
    answering.peer.set_remote(SdpKind::Offer, &with_candidates(offer, &to_answering)).await.unwrap();
    let answer = answering.peer.answer().await.unwrap();
    offering.peer.set_remote(SdpKind::Answer, &with_candidates(&answer, &to_offering)).await.unwrap();
    let exchange = async {
        let mut connected = (false, false);
        while connected != (true, true) {
            tokio::select! {
                event = offering.events.next() => match event.expect("closed") {
                    Event::Candidate(candidate) => answering.peer.add_candidate(to_answering(candidate)).await.unwrap(),
                    Event::Connectivity(connectivity) => connected.0 = connectivity == Connectivity::Connected,
                    event => offering.early.push(event),
                },
                event = answering.events.next() => match event.expect("closed") {
                    Event::Candidate(candidate) => offering.peer.add_candidate(to_offering(candidate)).await.unwrap(),
                    Event::Connectivity(connectivity) => connected.1 = connectivity == Connectivity::Connected,
                    event => answering.early.push(event),
                },
            }
        }
    };
    tokio::time::timeout(LONG, exchange).await.expect("connected in time");
}

/// A description whose candidates are changed; one that is changed to none is left out.
fn with_candidates(sdp: &str, change: impl Fn(IceCandidate) -> IceCandidate) -> String {
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
                let candidate = change(candidate).candidate;
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

/// A VP8 frame as far as its first bytes go (RFC 6386, section 9.1), 40 ms after the one before.
pub fn picture(number: u64, keyframe: bool, size: usize) -> Frame {
    let mut data = vec![if keyframe { 0x10 } else { 0x11 }, 0, 0];
    if keyframe {
        // Start code, 640 x 480.
        data.extend([0x9D, 0x01, 0x2A, 0x80, 0x02, 0xE0, 0x01]);
    }
    data.extend(number.to_be_bytes());
    data.extend((data.len()..size).map(|index| (index as u64 * 31 + number) as u8));
    Frame { kind: Kind::Video, timestamp: number * 40_000, captured: None, keyframe, data: data.into() }
}

/// An Opus packet: 20 ms, one channel (RFC 6716, section 3.1).
pub fn voice(number: u64) -> Frame {
    let mut data = vec![0x78];
    data.extend(number.to_be_bytes());
    Frame { kind: Kind::Voice, timestamp: number * 20_000, captured: None, keyframe: true, data: Bytes::from(data) }
}
