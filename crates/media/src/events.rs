//! What a peer tells.

use std::sync::Arc;

use bytes::Bytes;
use hutong_core::Connectivity;
use hutong_protocol::IceCandidate;
use tokio::sync::{mpsc, watch};

use crate::frame::{Frame, Kind};
use crate::queue::VideoQueue;

/// How many events other than media may wait. Who does not read them holds up the connection.
const CONTROL: usize = 256;
/// How many messages may wait. Then the data channel's flow control holds up the other side.
const MESSAGES: usize = 64;
/// How many voice packets may wait: five seconds of the usual 20 ms.
const VOICE: usize = 250;
/// How many frames of the picture may wait: a second of the usual 30 a second.
const VIDEO: usize = 30;

/// A message of the data channel.
#[derive(Clone, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(String),
    /// Anything else.
    Binary(Bytes),
}

/// Leaves out what it says.
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Binary(data) => write!(f, "Binary({} bytes)", data.len()),
        }
    }
}

/// What a peer tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// For the other side. An empty one says that no more will come.
    Candidate(IceCandidate),
    /// Whether media can flow. Comes at every change.
    Connectivity(Connectivity),
    /// The other side began to send voice or a picture.
    Track(Kind),
    /// A frame. Those of the picture come whole and in order, none without the ones that it needs to be decoded. Voice comes
    /// as it arrives.
    Frame(Frame),
    /// The other side needs a keyframe, or frames to send were dropped: the encoder shall make one. May come often.
    KeyframeWanted,
    /// How many bits per second the encoder of the picture shall make from now on, on the average. Told when the connection
    /// is there, and when it changed by a tenth or more, at most four times a second.
    TargetBitrate(u32),
    /// The data channel is open.
    ChannelOpen,
    /// A message from the other side.
    Message(Message),
}

/// What a peer tells, to be read without long pauses. See [`Event`].
///
/// What waits here is bounded: by kinds, so that neither a burst of pictures nor one of messages holds up the rest. Of the
/// picture, what waits is dropped when too much does, and the other side asked for a keyframe.
pub struct Events {
    closed: watch::Receiver<bool>,
    control: mpsc::Receiver<Event>,
    messages: mpsc::Receiver<Event>,
    voice: mpsc::Receiver<Frame>,
    video: Arc<VideoQueue>,
}

impl Events {
    /// The next event; none once the peer is closed or dropped. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Event> {
        tokio::select! {
            biased;
            _ = self.closed.wait_for(|closed| *closed) => None,
            Some(event) = self.control.recv() => Some(event),
            Some(frame) = self.voice.recv() => Some(Event::Frame(frame)),
            Some(event) = self.messages.recv() => Some(event),
            frame = self.video.pop() => Some(Event::Frame(frame)),
        }
    }
}

/// Where a peer's tasks put what [`Events`] tells.
#[derive(Clone)]
pub(crate) struct Sinks {
    /// Everything but media and messages.
    pub control: mpsc::Sender<Event>,
    /// Messages.
    pub messages: mpsc::Sender<Event>,
    /// Voice.
    pub voice: mpsc::Sender<Frame>,
    /// The picture.
    pub video: Arc<VideoQueue>,
}

impl Sinks {
    /// With the end that is read.
    pub fn new(closed: watch::Receiver<bool>) -> (Self, Events) {
        let (control, controls) = mpsc::channel(CONTROL);
        let (messages, message) = mpsc::channel(MESSAGES);
        let (voice, voices) = mpsc::channel(VOICE);
        let video = Arc::new(VideoQueue::new(VIDEO));
        let events = Events { closed, control: controls, messages: message, voice: voices, video: video.clone() };
        (Self { control, messages, voice, video }, events)
    }

    /// Says something that must not be lost.
    pub async fn tell(&self, event: Event) {
        // Fails only when nobody reads any more.
        let _ = self.control.send(event).await;
    }

    /// Says that the encoder shall make a keyframe. While so much waits that this finds no place, the same was said before.
    pub fn want_keyframe(&self) {
        let _ = self.control.try_send(Event::KeyframeWanted);
    }
}
