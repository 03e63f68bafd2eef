//! A connection, as its user sees it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::BytesMut;
use hutong_protocol::{IceCandidate, SdpKind};
use rtc::data_channel::RTCDataChannelInit;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::peer_connection::configuration::RTCOfferOptions;
use tokio::sync::{Notify, mpsc, watch};
use webrtc::data_channel::DataChannel;
use webrtc::peer_connection::{PeerConnection, RTCIceCandidateInit, RTCSessionDescription};

use crate::config::{Channel, Config};
use crate::connection::{Handler, Tasks, connect, read_messages, tell_bitrate};
use crate::error::{At, Error, Step};
#[cfg(doc)]
use crate::events::Event;
use crate::events::{Events, Message, Sinks};
use crate::frame::{Frame, Kind};
use crate::outgoing::{Outgoing, Source};
use crate::queue::VideoQueue;
use crate::runtime::Haste;
use crate::stats::{self, Stats};
use crate::traffic::Traffic;

/// How large a frame to send may be, in bytes.
const MAX_FRAME: usize = 2 << 20;
/// How large a message may be, in bytes: what every browser takes.
const MAX_MESSAGE: usize = 64 << 10;
/// How many voice packets may wait to be sent: a second of the usual 20 ms.
const VOICE: usize = 50;
/// How many frames of the picture may wait to be sent: half a second of the usual 30 a second.
const VIDEO: usize = 15;

/// One WebRTC connection. Runs on the tokio runtime that it was made on.
///
/// Calls that negotiate are to be made one after the other. When two offers collide it is for the caller to settle, before it
/// gives the other side's offer.
///
/// Dropping it closes it, too, but nobody learns when.
pub struct Peer {
    connection: Arc<dyn PeerConnection>,
    tasks: Tasks,
    sinks: Sinks,
    closed: Arc<watch::Sender<bool>>,
    connected: watch::Receiver<bool>,
    wanted: Arc<Notify>,
    traffic: Arc<Traffic>,
    channel: Option<Arc<dyn DataChannel>>,
    voice: Option<mpsc::Sender<Frame>>,
    video: Option<Arc<VideoQueue>>,
    /// Until the tracks are added: what they will send.
    sources: Mutex<Vec<(Kind, Source)>>,
}

impl Peer {
    /// Opens sockets. Nothing is sent before there is a description.
    ///
    /// # Errors
    /// [`Step::Start`] when no socket can be opened, [`Step::Channel`].
    pub async fn new(config: Config) -> Result<(Self, Events), Error> {
        let closed = Arc::new(watch::Sender::new(false));
        let (sinks, events) = Sinks::new(closed.subscribe());
        let (is_connected, connected) = watch::channel(false);
        let tasks = Tasks::default();
        let wanted = Arc::new(Notify::new());
        let traffic = Arc::new(Traffic::default());
        let handler = Arc::new(Handler {
            sinks: sinks.clone(),
            tasks: tasks.clone(),
            is_connected,
            wanted: wanted.clone(),
            traffic: traffic.clone(),
            haste: Haste::default(),
            sends_video: config.video,
        });
        // Without a network that carries multicast, or where the system refuses it, asking for mDNS names fails all.
        let connection = match connect(&config, handler.clone(), MulticastDnsMode::QueryOnly).await {
            Ok(connection) => connection,
            Err(_) => connect(&config, handler, MulticastDnsMode::Disabled).await?,
        };
        let mut sources = Vec::new();
        let voice = config.voice.then(|| {
            let (voice, frames) = mpsc::channel(VOICE);
            sources.push((Kind::Voice, Source::Voice(frames)));
            voice
        });
        let video = config.video.then(|| {
            let frames = Arc::new(VideoQueue::new(VIDEO));
            sources.push((Kind::Video, Source::Video(frames.clone())));
            tasks.spawn(tell_bitrate(traffic.bitrate(), sinks.clone()));
            frames
        });
        let mut peer = Self {
            connection,
            tasks,
            sinks,
            closed,
            connected,
            wanted,
            traffic,
            channel: None,
            voice,
            video,
            sources: Mutex::new(sources),
        };
        if let Some(channel) = config.channel {
            peer.channel = Some(peer.open(channel).await?);
        }
        Ok((peer, events))
    }

    /// Makes an offer, takes it into use, and returns it. Candidates follow as events.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Step::Track`], [`Step::Describe`], [`Step::Local`].
    pub async fn offer(&self) -> Result<String, Error> {
        self.check_open()?;
        self.add_tracks().await?;
        self.describe_offer(false).await
    }

    /// Makes an offer with fresh ICE credentials, takes it into use, and returns it.
    ///
    /// # Errors
    /// As [`Self::offer`].
    pub async fn restart_ice(&self) -> Result<String, Error> {
        self.check_open()?;
        self.describe_offer(true).await
    }

    /// Makes the answer to the offer that [`Self::set_remote`] was given, takes it into use, and returns it.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Step::Track`], [`Step::Describe`] also when there is no offer, [`Step::Local`].
    pub async fn answer(&self) -> Result<String, Error> {
        self.check_open()?;
        // After the offer was taken, so that tracks take the places that it has for them.
        self.add_tracks().await?;
        let answer = self.connection.create_answer(None).await.at(Step::Describe)?;
        self.use_local(answer).await
    }

    /// Takes the other side's description into use.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Step::Remote`] when it cannot be parsed, fits nothing that was agreed on before, or comes at the
    /// wrong time.
    pub async fn set_remote(&self, kind: SdpKind, sdp: &str) -> Result<(), Error> {
        self.check_open()?;
        let description = match kind {
            SdpKind::Offer => RTCSessionDescription::offer(sdp.to_owned()),
            SdpKind::Answer => RTCSessionDescription::answer(sdp.to_owned()),
        }
        .at(Step::Remote)?;
        self.connection.set_remote_description(description).await.at(Step::Remote)
    }

    /// Adds the other side's candidate, or learns that no more will come. After [`Self::set_remote`] only.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Step::Candidate`] when it cannot be parsed, or comes too early. Others may still do.
    pub async fn add_candidate(&self, candidate: IceCandidate) -> Result<(), Error> {
        self.check_open()?;
        let candidate = RTCIceCandidateInit {
            candidate: candidate.candidate,
            sdp_mid: candidate.sdp_mid,
            sdp_mline_index: candidate.sdp_m_line_index,
            username_fragment: candidate.username_fragment,
            url: None,
        };
        self.connection.add_ice_candidate(candidate).await.at(Step::Candidate)
    }

    /// Sends a VP8 frame, at most 2 MiB. When frames pile up, those that wait are dropped, and none but a keyframe is taken
    /// next. If the other side takes no picture, frames are dropped.
    ///
    /// # Errors
    /// [`Error::KeyframeNeeded`]: the frame was dropped; [`Event::KeyframeWanted`] is told, too. [`Error::NotConnected`],
    /// [`Error::NotSending`], [`Error::Size`], [`Error::Closed`].
    pub fn send_video(&self, frame: Frame) -> Result<(), Error> {
        let video = self.video.as_ref().filter(|_| frame.kind == Kind::Video).ok_or(Error::NotSending)?;
        self.check_frame(&frame)?;
        if video.push(frame) {
            return Ok(());
        }
        self.sinks.want_keyframe();
        Err(Error::KeyframeNeeded)
    }

    /// Sends an Opus packet. Waits while more than a second of them waits to be sent; none is dropped.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::NotSending`] also when the other side takes no voice, [`Error::Size`],
    /// [`Error::Closed`].
    pub async fn send_voice(&self, frame: Frame) -> Result<(), Error> {
        let voice = self.voice.as_ref().filter(|_| frame.kind == Kind::Voice).ok_or(Error::NotSending)?;
        self.check_frame(&frame)?;
        voice.send(frame).await.map_err(|_| if self.is_closed() { Error::Closed } else { Error::NotSending })
    }

    /// Asks the other side for a keyframe: for a decoder that starts, or that failed. Missing frames are noticed and asked
    /// for without this. Does nothing while no picture is received.
    pub fn request_keyframe(&self) {
        self.wanted.notify_one();
    }

    /// Sends over the data channel, at most 64 KiB.
    ///
    /// # Errors
    /// [`Error::Busy`] when 1 MiB waits to be sent. [`Error::NotSending`] without a channel, [`Error::Size`],
    /// [`Error::Closed`]; [`Step::Channel`] also before [`Event::ChannelOpen`].
    pub async fn send_message(&self, message: &Message) -> Result<(), Error> {
        self.check_open()?;
        let channel = self.channel.as_ref().ok_or(Error::NotSending)?;
        let sent = match message {
            Message::Text(text) if text.len() > MAX_MESSAGE => return Err(Error::Size),
            Message::Binary(data) if data.len() > MAX_MESSAGE => return Err(Error::Size),
            Message::Text(text) => channel.try_send_text(text).await,
            Message::Binary(data) => channel.try_send(BytesMut::from(data.as_ref())).await,
        };
        match sent {
            Err(webrtc::error::Error::ErrSendBufferFull) => Err(Error::Busy),
            sent => sent.at(Step::Channel),
        }
    }

    /// What the connection did so far, in the W3C's names. Empty once it is closed.
    pub async fn stats(&self) -> Vec<Stats> {
        if self.is_closed() {
            return Vec::new();
        }
        let now = SystemTime::now();
        let available = self.traffic.bitrate().borrow().available;
        let mut all = self.traffic.stats(now);
        all.extend(stats::connection(self.connection.as_ref(), now, available).await);
        all
    }

    /// Closes the connection. When it returns no event comes any more, and no task of the connection's runs. The other side
    /// does not learn it soon by this alone. Closing again does nothing.
    ///
    /// # Errors
    /// [`Step::Close`]; it is closed all the same.
    pub async fn close(&self) -> Result<(), Error> {
        if self.closed.send_replace(true) {
            return Ok(());
        }
        let closed = self.connection.close().await.at(Step::Close);
        if let Some(mut tasks) = self.tasks.end() {
            tasks.shutdown().await;
        }
        closed
    }

    async fn open(&self, channel: Channel) -> Result<Arc<dyn DataChannel>, Error> {
        let agreed = RTCDataChannelInit { negotiated: Some(channel.number), ..RTCDataChannelInit::default() };
        let opened = self.connection.create_data_channel(&channel.label, Some(agreed)).await.at(Step::Channel)?;
        self.tasks.spawn(read_messages(opened.clone(), self.sinks.clone()));
        Ok(opened)
    }

    /// The first time only.
    async fn add_tracks(&self) -> Result<(), Error> {
        let sources = std::mem::take(&mut *self.sources.lock().unwrap_or_else(PoisonError::into_inner));
        for (kind, source) in sources {
            let outgoing = Outgoing::add(self.connection.as_ref(), kind, self.traffic.clone()).await?;
            self.tasks.spawn(Outgoing::listen(outgoing.track(), self.sinks.clone()));
            self.tasks.spawn(outgoing.send(source, self.connected.clone()));
        }
        Ok(())
    }

    async fn describe_offer(&self, ice_restart: bool) -> Result<String, Error> {
        let options = RTCOfferOptions { ice_restart };
        let offer = self.connection.create_offer(Some(options)).await.at(Step::Describe)?;
        self.use_local(offer).await
    }

    async fn use_local(&self, description: RTCSessionDescription) -> Result<String, Error> {
        let sdp = description.sdp.clone();
        self.connection.set_local_description(description).await.at(Step::Local)?;
        Ok(sdp)
    }

    fn check_frame(&self, frame: &Frame) -> Result<(), Error> {
        self.check_open()?;
        if !*self.connected.borrow() {
            return Err(Error::NotConnected);
        }
        if frame.data.is_empty() || frame.data.len() > MAX_FRAME { Err(Error::Size) } else { Ok(()) }
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.is_closed() { Err(Error::Closed) } else { Ok(()) }
    }

    fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if self.closed.send_replace(true) {
            return;
        }
        // Dropping the tasks ends them.
        drop(self.tasks.end());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let connection = self.connection.clone();
            runtime.spawn(async move { connection.close().await });
        }
    }
}
