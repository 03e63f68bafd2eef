//! Events of a peer: their types, and the bounded queues from which the application reads them.

use std::sync::Arc;

use bytes::Bytes;
use hutong_core::Connectivity;
use hutong_protocol::IceCandidate;
use tokio::sync::{mpsc, watch};

use crate::frame::{EncodedFrame, MediaType};
use crate::video_queue::VideoQueue;

/// Capacity of the queue for events other than media and messages. When it is full, the connection's tasks wait.
const CONTROL_CAPACITY: usize = 256;
/// Capacity of the queue for messages. When it is full, the data channel's flow control stops the sender.
const MESSAGE_CAPACITY: usize = 64;
/// Capacity of the queue for audio packets: 5 s of packets of 20 ms.
const AUDIO_CAPACITY: usize = 250;
/// Capacity of the queue for video frames: 1 s at 30 frames a second.
const VIDEO_CAPACITY: usize = 30;

/// A message on the data channel.
#[derive(Clone, PartialEq, Eq)]
pub enum ChannelMessage {
    /// Text.
    Text(String),
    /// Binary data.
    Binary(Bytes),
}

/// Omits the content, so that messages may be logged.
impl std::fmt::Debug for ChannelMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Binary(data) => write!(f, "Binary({} bytes)", data.len()),
        }
    }
}

/// An event of a [`Peer`](crate::Peer).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A local ICE candidate for the remote side. An empty candidate marks the end of candidates.
    Candidate(IceCandidate),
    /// The connection state changed.
    Connectivity(Connectivity),
    /// The remote side started to send a track.
    Track(MediaType),
    /// A received frame. Video frames are complete, in order, and decodable: a frame is omitted if one that it depends on is
    /// missing. Audio packets are in order of arrival.
    Frame(EncodedFrame),
    /// The encoder must produce a keyframe: the remote side requested one, or frames to send were dropped. May be frequent.
    KeyframeNeeded,
    /// The mean bitrate at which the video encoder must encode from now on, in bits per second. Emitted on connection, and on
    /// changes of 10 % or more, at most four times a second.
    TargetBitrate(u32),
    /// The data channel is open.
    DataChannelOpen,
    /// A message received on the data channel.
    Message(ChannelMessage),
}

/// Receiver of a peer's events.
///
/// The application must read without long pauses. There is one bounded queue for each class of event, so that a burst of video
/// frames or messages does not delay the others. When the video queue overflows, its frames are dropped and the remote side
/// is asked for a keyframe.
pub struct EventReceiver {
    closed: watch::Receiver<bool>,
    control: mpsc::Receiver<Event>,
    messages: mpsc::Receiver<Event>,
    audio: mpsc::Receiver<EncodedFrame>,
    video: Arc<VideoQueue>,
}

impl EventReceiver {
    /// Waits for the next event. Returns `None` once the peer is closed or dropped. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        tokio::select! {
            biased;
            _ = self.closed.wait_for(|closed| *closed) => None,
            Some(event) = self.control.recv() => Some(event),
            Some(frame) = self.audio.recv() => Some(Event::Frame(frame)),
            Some(event) = self.messages.recv() => Some(event),
            frame = self.video.pop() => Some(Event::Frame(frame)),
        }
    }
}

/// The sending half of [`EventReceiver`], for the peer's tasks.
#[derive(Clone)]
pub(crate) struct EventSender {
    /// Everything but media and messages.
    control: mpsc::Sender<Event>,
    /// Messages of the data channel.
    pub messages: mpsc::Sender<Event>,
    /// Audio packets.
    pub audio: mpsc::Sender<EncodedFrame>,
    /// Video frames.
    pub video: Arc<VideoQueue>,
}

impl EventSender {
    /// Creates both halves. The receiver ends when `closed` becomes true.
    pub fn new(closed: watch::Receiver<bool>) -> (Self, EventReceiver) {
        let (control, control_receiver) = mpsc::channel(CONTROL_CAPACITY);
        let (messages, message_receiver) = mpsc::channel(MESSAGE_CAPACITY);
        let (audio, audio_receiver) = mpsc::channel(AUDIO_CAPACITY);
        let video = Arc::new(VideoQueue::new(VIDEO_CAPACITY));
        let receiver = EventReceiver {
            closed,
            control: control_receiver,
            messages: message_receiver,
            audio: audio_receiver,
            video: video.clone(),
        };
        (Self { control, messages, audio, video }, receiver)
    }

    /// Sends an event; waits while the queue is full.
    pub async fn send(&self, event: Event) {
        // Fails only if the receiver was dropped.
        let _ = self.control.send(event).await;
    }

    /// Sends [`Event::KeyframeNeeded`] without waiting. Dropped when the queue is full: an earlier notice is then still queued.
    pub fn keyframe_needed(&self) {
        let _ = self.control.try_send(Event::KeyframeNeeded);
    }
}
