//! Native peers on Linux: the page captures, encodes, decodes and renders; `hutong-media` connects and transports the frames.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use futures_util::FutureExt;
use hutong_core::native_peer::{
    EVENT_TAG, FrameHeader, FrameKind, MessageBatch, NativePeerError, NativePeerId, PeerEvent, PeerRequest,
    PeerResponse,
};
use hutong_media as media;
use hutong_protocol::{IceServer, SdpKind};

use tokio::sync::OnceCell;
use tokio_rustls::rustls::{self, ClientConfig};

use super::render_priority;
use crate::tls::TrustRoots;

/// The maximum number of open peers: the call's, and earlier ones that are closing.
const MAX_PEERS: usize = 4;

/// Label and ID of the data channel for status messages, as in `ui/src/media/status.rs`.
const STATUS_CHANNEL: (&str, u16) = ("hutong.status", 0);

/// The open peers of the page, by ID.
#[derive(Default)]
pub struct NativePeers {
    last: AtomicU32,
    peers: Mutex<BTreeMap<NativePeerId, Arc<OpenPeer>>>,
    /// Verifies TURN servers.
    turn_tls: OnceCell<Arc<ClientConfig>>,
}

/// A native peer and the receiver of its events.
struct OpenPeer {
    peer: media::Peer,
    /// `None` while the page waits for events.
    events: Mutex<Option<media::EventReceiver>>,
}

impl NativePeers {
    /// Opens a peer that can send audio and video.
    ///
    /// # Errors
    ///
    /// [`NativePeerError::TooMany`], [`NativePeerError::Failed`].
    pub async fn open(&self, ice_servers: Vec<IceServer>) -> Result<NativePeerId, NativePeerError> {
        if self.peers().len() >= MAX_PEERS {
            return Err(NativePeerError::TooMany);
        }
        // In the background: opening does not depend on it.
        tokio::task::spawn_blocking(|| {
            let threads = render_priority::lower();
            tracing::debug!(threads, "lowered the priority of software rendering");
        });
        let (label, id) = STATUS_CHANNEL;
        let mut urls = ice_servers.iter().flat_map(|server| &server.urls);
        let tls = if urls.any(|url| url.starts_with("turns:")) { self.turn_tls().await } else { None };
        let config = media::Config {
            ice_servers,
            tls,
            sends_audio: true,
            sends_video: true,
            data_channel: Some(media::DataChannelConfig { label: label.to_owned(), id }),
            ..media::Config::default()
        };
        let (peer, events) = media::Peer::new(config).await.map_err(|error| peer_error(&error))?;
        let id = NativePeerId(self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1));
        self.peers().insert(id, Arc::new(OpenPeer { peer, events: Mutex::new(Some(events)) }));
        Ok(id)
    }

    /// TLS configuration for TURN servers: the authorities of this computer, since the address of a TURN server carries no key. Loaded
    /// by the first call that needs it.
    async fn turn_tls(&self) -> Option<Arc<ClientConfig>> {
        let load = || {
            let mut config = ClientConfig::clone(&*TrustRoots::from_platform()?.config_by_authority()?);
            // Like browsers: a proxy that chooses by protocol would take it for HTTP.
            config.alpn_protocols.clear();
            Ok::<_, rustls::Error>(Arc::new(config))
        };
        let config = self.turn_tls.get_or_try_init(async || {
            let loaded = tokio::task::spawn_blocking(load).await.map_err(|_| ())?;
            loaded.map_err(|error| tracing::warn!(%error, "no certificate authorities; TURN over TLS is not used"))
        });
        config.await.ok().cloned()
    }

    /// Performs a request on a peer.
    ///
    /// # Errors
    ///
    /// [`NativePeerError::Closed`], [`NativePeerError::Failed`].
    pub async fn request(&self, id: NativePeerId, request: PeerRequest) -> Result<PeerResponse, NativePeerError> {
        if request == PeerRequest::Close {
            let closing = self.peers().remove(&id);
            if let Some(closing) = closing {
                closing.close().await;
            }
            return Ok(PeerResponse::Done);
        }
        let peer = self.peer(id)?;
        peer.perform(request).await.map_err(|error| peer_error(&error))
    }

    /// Waits until a peer has events or frames, and takes as many as fit into a batch.
    ///
    /// # Errors
    ///
    /// [`NativePeerError::Closed`], [`NativePeerError::Busy`] when another receive is pending.
    pub async fn receive(&self, id: NativePeerId) -> Result<MessageBatch, NativePeerError> {
        let peer = self.peer(id)?;
        let mut events = peer.events().take().ok_or(NativePeerError::Busy)?;
        let mut batch = MessageBatch::default();
        while batch.is_empty() {
            append(&mut batch, id, events.next().await.ok_or(NativePeerError::Closed)?);
        }
        while !batch.is_full()
            && let Some(Some(event)) = events.next().now_or_never()
        {
            append(&mut batch, id, event);
        }
        *peer.events() = Some(events);
        Ok(batch)
    }

    /// Sends a frame.
    ///
    /// # Errors
    ///
    /// [`NativePeerError::Invalid`], [`NativePeerError::Closed`], [`NativePeerError::NotSending`],
    /// [`NativePeerError::KeyframeNeeded`], [`NativePeerError::Busy`].
    pub fn send_frame(&self, message: &[u8]) -> Result<(), NativePeerError> {
        let (header, data) = FrameHeader::decode(message).ok_or(NativePeerError::Invalid)?;
        let open = self.peer(header.connection)?;
        let frame = media::EncodedFrame {
            kind: match header.kind {
                FrameKind::Audio => media::MediaType::Audio,
                FrameKind::Video => media::MediaType::Video,
            },
            timestamp: header.timestamp,
            captured_at: header.captured,
            keyframe: header.keyframe,
            data: Bytes::copy_from_slice(data),
        };
        let sent = match header.kind {
            // Pending only when a second of audio is queued: then the frame would arrive too late.
            FrameKind::Audio => open.peer.send_audio(frame).now_or_never().ok_or(NativePeerError::Busy)?,
            FrameKind::Video => open.peer.send_video(frame),
        };
        sent.map_err(|error| peer_error(&error))
    }

    /// Closes all peers: the page is gone.
    pub async fn close_all(&self) {
        let all = std::mem::take(&mut *self.peers());
        for peer in all.into_values() {
            peer.close().await;
        }
    }

    fn peer(&self, id: NativePeerId) -> Result<Arc<OpenPeer>, NativePeerError> {
        self.peers().get(&id).cloned().ok_or(NativePeerError::Closed)
    }

    fn peers(&self) -> std::sync::MutexGuard<'_, BTreeMap<NativePeerId, Arc<OpenPeer>>> {
        // Poisoning is harmless: no code under the lock panics.
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenPeer {
    async fn perform(&self, request: PeerRequest) -> Result<PeerResponse, media::Error> {
        match request {
            PeerRequest::CreateOffer { restart_ice: false } => self.peer.offer().await.map(PeerResponse::Sdp),
            PeerRequest::CreateOffer { restart_ice: true } => {
                self.peer.ice_restart_offer().await.map(PeerResponse::Sdp)
            }
            PeerRequest::CreateAnswer { offer } => {
                self.peer.set_remote_description(SdpKind::Offer, &offer).await?;
                self.peer.answer().await.map(PeerResponse::Sdp)
            }
            PeerRequest::SetAnswer { answer } => {
                self.peer.set_remote_description(SdpKind::Answer, &answer).await.map(|()| PeerResponse::Done)
            }
            PeerRequest::AddCandidate { candidate } => {
                self.peer.add_ice_candidate(candidate).await.map(|()| PeerResponse::Done)
            }
            PeerRequest::SetIceServers { ice_servers } => {
                self.peer.set_ice_servers(&ice_servers).await.map(|()| PeerResponse::Done)
            }
            PeerRequest::SendText { text } => {
                self.peer.send_message(&media::ChannelMessage::Text(text)).await.map(|()| PeerResponse::Done)
            }
            PeerRequest::RequestKeyframe => {
                self.peer.request_keyframe();
                Ok(PeerResponse::Done)
            }
            PeerRequest::GetStats => {
                let stats = self.peer.stats().await;
                // Numbers and strings only: serialization cannot fail.
                Ok(PeerResponse::Stats(serde_json::to_string(&stats).unwrap_or_else(|_| "[]".to_owned())))
            }
            PeerRequest::Close => Ok(PeerResponse::Done),
        }
    }

    fn events(&self) -> std::sync::MutexGuard<'_, Option<media::EventReceiver>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn close(&self) {
        if let Err(error) = self.peer.close().await {
            tracing::debug!(%error, "native peer closed with an error");
        }
    }
}

/// Appends an event to the batch: a frame as it is, other events as JSON, and none that the page does not use.
fn append(batch: &mut MessageBatch, id: NativePeerId, event: media::Event) {
    let event = match event {
        media::Event::Frame(frame) => return batch.push(&header(id, &frame).encode(), &frame.data),
        media::Event::Candidate(candidate) => PeerEvent::LocalCandidate(candidate),
        media::Event::Connectivity(connectivity) => PeerEvent::Connectivity(connectivity),
        media::Event::Track(kind) => PeerEvent::RemoteTrack(frame_kind(kind)),
        media::Event::KeyframeNeeded => PeerEvent::KeyframeRequested,
        media::Event::TargetBitrate(bitrate) => PeerEvent::TargetBitrate(bitrate),
        media::Event::DataChannelOpen => PeerEvent::DataChannelOpen,
        media::Event::Message(media::ChannelMessage::Text(text)) => PeerEvent::Text(text),
        _ => return,
    };
    // Numbers and strings only: serialization cannot fail.
    if let Ok(json) = serde_json::to_vec(&event) {
        batch.push(&[EVENT_TAG], &json);
    }
}

const fn header(id: NativePeerId, frame: &media::EncodedFrame) -> FrameHeader {
    FrameHeader {
        kind: frame_kind(frame.kind),
        keyframe: frame.keyframe,
        connection: id,
        timestamp: frame.timestamp,
        captured: frame.captured_at,
    }
}

const fn frame_kind(kind: media::MediaType) -> FrameKind {
    match kind {
        media::MediaType::Audio => FrameKind::Audio,
        media::MediaType::Video => FrameKind::Video,
    }
}

/// The error for the page. Drops the library's message, which may contain addresses.
fn peer_error(error: &media::Error) -> NativePeerError {
    match error {
        media::Error::Closed => NativePeerError::Closed,
        media::Error::NotConnected | media::Error::NotSending => NativePeerError::NotSending,
        media::Error::InvalidSize => NativePeerError::Invalid,
        media::Error::KeyframeNeeded => NativePeerError::KeyframeNeeded,
        media::Error::SendBufferFull => NativePeerError::Busy,
        media::Error::Failed(operation) => {
            tracing::debug!(?operation, "WebRTC library reported an error; the page receives a failure");
            NativePeerError::Failed
        }
        _ => NativePeerError::Failed,
    }
}
