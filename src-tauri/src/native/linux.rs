//! WebKitGTK has no peer connections: the page captures, encodes, decodes and shows, and `hutong-media` is the connection.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use futures_util::FutureExt;
use hutong_core::native::{Batch, FrameHeader, FrameKind, NativeId, NativeProblem, Order, Reply, TOLD, Told};
use hutong_media as media;
use hutong_protocol::{IceServer, SdpKind};

use super::render_priority;

/// The one of a call, and some that are being let go.
const CONNECTIONS: usize = 4;

/// The status channel's label and number, as in `ui/src/media/status.rs`.
const CHANNEL: (&str, u16) = ("hutong.status", 0);

/// The connections of the page.
#[derive(Default)]
pub struct Native {
    last: AtomicU32,
    connections: Mutex<BTreeMap<NativeId, Arc<Connection>>>,
}

struct Connection {
    peer: media::Peer,
    /// Away while the page waits for the next one.
    events: Mutex<Option<media::Events>>,
}

impl Native {
    /// Makes a connection that can send voice and picture.
    ///
    /// # Errors
    ///
    /// [`NativeProblem::TooMany`], [`NativeProblem::Failed`].
    pub async fn open(&self, ice_servers: Vec<IceServer>) -> Result<NativeId, NativeProblem> {
        if self.connections().len() >= CONNECTIONS {
            return Err(NativeProblem::TooMany);
        }
        // It goes on beside: nothing depends on it.
        tokio::task::spawn_blocking(|| {
            let threads = render_priority::lower();
            tracing::debug!(threads, "software rendering has a lower priority");
        });
        let (label, number) = CHANNEL;
        let config = media::Config {
            ice_servers,
            voice: true,
            video: true,
            channel: Some(media::Channel { label: label.to_owned(), number }),
            ..media::Config::default()
        };
        let (peer, events) = media::Peer::new(config).await.map_err(|error| problem(&error))?;
        let id = NativeId(self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1));
        let connection = Arc::new(Connection { peer, events: Mutex::new(Some(events)) });
        self.connections().insert(id, connection);
        Ok(id)
    }

    /// Has a connection do something.
    ///
    /// # Errors
    ///
    /// [`NativeProblem::Closed`], [`NativeProblem::Failed`].
    pub async fn order(&self, id: NativeId, order: Order) -> Result<Reply, NativeProblem> {
        if order == Order::Close {
            let closing = self.connections().remove(&id);
            if let Some(closing) = closing {
                closing.close().await;
            }
            return Ok(Reply::Done);
        }
        let connection = self.connection(id)?;
        connection.perform(order).await.map_err(|error| problem(&error))
    }

    /// Waits until there is something to tell of a connection, and takes all of it.
    ///
    /// # Errors
    ///
    /// [`NativeProblem::Closed`], [`NativeProblem::Busy`] when somebody waits already.
    pub async fn next(&self, id: NativeId) -> Result<Batch, NativeProblem> {
        let connection = self.connection(id)?;
        let mut events = connection.events().take().ok_or(NativeProblem::Busy)?;
        let mut batch = Batch::default();
        while batch.is_empty() {
            add(&mut batch, id, events.next().await.ok_or(NativeProblem::Closed)?);
        }
        while !batch.is_full()
            && let Some(Some(event)) = events.next().now_or_never()
        {
            add(&mut batch, id, event);
        }
        *connection.events() = Some(events);
        Ok(batch)
    }

    /// Sends a frame.
    ///
    /// # Errors
    ///
    /// [`NativeProblem::Invalid`], [`NativeProblem::Closed`], [`NativeProblem::NotSending`], [`NativeProblem::KeyframeNeeded`],
    /// [`NativeProblem::Busy`].
    pub fn send(&self, message: &[u8]) -> Result<(), NativeProblem> {
        let (header, data) = FrameHeader::decode(message).ok_or(NativeProblem::Invalid)?;
        let connection = self.connection(header.connection)?;
        let frame = media::Frame {
            kind: match header.kind {
                FrameKind::Voice => media::Kind::Voice,
                FrameKind::Picture => media::Kind::Video,
            },
            timestamp: header.timestamp,
            captured: header.captured,
            keyframe: header.keyframe,
            data: Bytes::copy_from_slice(data),
        };
        let sent = match header.kind {
            // Waits only where a second of voice waits already: what is this late is of no use to anybody.
            FrameKind::Voice => connection.peer.send_voice(frame).now_or_never().ok_or(NativeProblem::Busy)?,
            FrameKind::Picture => connection.peer.send_video(frame),
        };
        sent.map_err(|error| problem(&error))
    }

    /// Closes every connection: the page is gone.
    pub async fn close_all(&self) {
        let all = std::mem::take(&mut *self.connections());
        for connection in all.into_values() {
            connection.close().await;
        }
    }

    fn connection(&self, id: NativeId) -> Result<Arc<Connection>, NativeProblem> {
        self.connections().get(&id).cloned().ok_or(NativeProblem::Closed)
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, BTreeMap<NativeId, Arc<Connection>>> {
        // Nothing that can panic happens under the lock.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    async fn perform(&self, order: Order) -> Result<Reply, media::Error> {
        match order {
            Order::Offer { restart_ice: false } => self.peer.offer().await.map(Reply::Sdp),
            Order::Offer { restart_ice: true } => self.peer.restart_ice().await.map(Reply::Sdp),
            Order::Answer { offer } => {
                self.peer.set_remote(SdpKind::Offer, &offer).await?;
                self.peer.answer().await.map(Reply::Sdp)
            }
            Order::Accept { answer } => self.peer.set_remote(SdpKind::Answer, &answer).await.map(|()| Reply::Done),
            Order::Candidate { candidate } => self.peer.add_candidate(candidate).await.map(|()| Reply::Done),
            Order::Text { text } => self.peer.send_message(&media::Message::Text(text)).await.map(|()| Reply::Done),
            Order::Keyframe => {
                self.peer.request_keyframe();
                Ok(Reply::Done)
            }
            Order::Stats => {
                let stats = self.peer.stats().await;
                // Plain numbers and strings: they cannot fail to be written.
                Ok(Reply::Stats(serde_json::to_string(&stats).unwrap_or_else(|_| "[]".to_owned())))
            }
            Order::Close => Ok(Reply::Done),
        }
    }

    fn events(&self) -> std::sync::MutexGuard<'_, Option<media::Events>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn close(&self) {
        if let Err(error) = self.peer.close().await {
            tracing::debug!(%error, "a connection was not closed in order");
        }
    }
}

/// Adds an event as the page takes it, unless the page has no use for it.
fn add(batch: &mut Batch, id: NativeId, event: media::Event) {
    let told = match event {
        media::Event::Frame(frame) => return batch.push(&header(id, &frame).encode(), &frame.data),
        media::Event::Candidate(candidate) => Told::Candidate(candidate),
        media::Event::Connectivity(connectivity) => Told::State(connectivity),
        media::Event::Track(kind) => Told::Track(frame_kind(kind)),
        media::Event::KeyframeWanted => Told::KeyframeWanted,
        media::Event::TargetBitrate(bitrate) => Told::Bitrate(bitrate),
        media::Event::ChannelOpen => Told::ChannelOpen,
        media::Event::Message(media::Message::Text(text)) => Told::Text(text),
        _ => return,
    };
    // Plain numbers and strings: they cannot fail to be written.
    if let Ok(told) = serde_json::to_vec(&told) {
        batch.push(&[TOLD], &told);
    }
}

const fn header(id: NativeId, frame: &media::Frame) -> FrameHeader {
    FrameHeader {
        kind: frame_kind(frame.kind),
        keyframe: frame.keyframe,
        connection: id,
        timestamp: frame.timestamp,
        captured: frame.captured,
    }
}

const fn frame_kind(kind: media::Kind) -> FrameKind {
    match kind {
        media::Kind::Voice => FrameKind::Voice,
        media::Kind::Video => FrameKind::Picture,
    }
}

/// What the library said stays behind: it may hold addresses.
fn problem(error: &media::Error) -> NativeProblem {
    match error {
        media::Error::Closed => NativeProblem::Closed,
        media::Error::NotConnected | media::Error::NotSending => NativeProblem::NotSending,
        media::Error::Size => NativeProblem::Invalid,
        media::Error::KeyframeNeeded => NativeProblem::KeyframeNeeded,
        media::Error::Busy => NativeProblem::Busy,
        media::Error::Failed(step) => {
            tracing::debug!(?step, "a step of a native connection failed");
            NativeProblem::Failed
        }
        _ => NativeProblem::Failed,
    }
}
