//! The public API of a WebRTC connection.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use bytes::BytesMut;
use hutong_protocol::{IceCandidate, IceServer, SdpKind};
use rtc::data_channel::RTCDataChannelInit;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::peer_connection::configuration::RTCOfferOptions;
use tokio::sync::{Notify, mpsc, watch};
use webrtc::data_channel::DataChannel;
use webrtc::peer_connection::{PeerConnection, RTCIceCandidateInit, RTCSessionDescription};

use crate::config::{Config, DataChannelConfig};
use crate::connection::{ConnectionHandler, configuration, connect, publish_bitrate, read_messages, relay_delay};
use crate::description::{
    count_candidates, has_codec, ice_credentials, retain_candidates, without_candidates, without_rejected_attributes,
};
use crate::error::{AtOperation, Error, PeerOperation};
#[cfg(doc)]
use crate::events::Event;
use crate::events::{ChannelMessage, EventReceiver, EventSender};
use crate::frame::{EncodedFrame, MediaType};
use crate::local_candidates::LocalCandidates;
use crate::peer_tasks::PeerTasks;
use crate::remote_candidates::{Admission, RemoteCandidates};
use crate::rtp_session::RtpSession;
use crate::runtime::{SharedStunFilter, StreamServers, TimerKick};
use crate::stats::{self, Stats};
use crate::track_sender::{FrameSource, TrackSender};
use crate::video_queue::VideoQueue;

/// Size limit of a frame to send, in bytes: no VP8 frame at these bitrates comes near it.
const MAX_FRAME: usize = 2 << 20;
/// Size limit of a message, in bytes: the least that every browser accepts.
const MAX_MESSAGE: usize = 64 << 10;
/// Capacity of the send queue for audio packets: 1 s of packets of 20 ms.
const AUDIO_CAPACITY: usize = 50;
/// Capacity of the send queue for video frames: half a second at 30 frames a second.
const VIDEO_CAPACITY: usize = 15;

/// Multicast group of mDNS (RFC 6762, section 3).
const MDNS_GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);

/// Role in the DTLS association (RFC 8842, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DtlsRole {
    /// `active`: starts the handshake.
    Client,
    /// `passive`.
    Server,
}

/// One WebRTC connection. Runs on the tokio runtime on which it was created.
///
/// The methods that negotiate must be called one at a time. Glare (both sides offer at once) is resolved by the caller, before
/// it sets the remote offer.
///
/// Dropping the peer closes it in the background, without any notice when that is complete.
pub struct Peer {
    connection: Arc<dyn PeerConnection>,
    mdns: MulticastDnsMode,
    /// TURN servers over TCP and TLS.
    streams: StreamServers,
    stun_filter: SharedStunFilter,
    remote_candidates: Mutex<RemoteCandidates>,
    tasks: PeerTasks,
    events: EventSender,
    closed: Arc<watch::Sender<bool>>,
    connected: watch::Receiver<bool>,
    keyframe_requested: Arc<Notify>,
    session: Arc<RtpSession>,
    data_channel: Option<Arc<dyn DataChannel>>,
    audio: Option<mpsc::Sender<EncodedFrame>>,
    video: Option<Arc<VideoQueue>>,
    /// This side's role, once negotiated.
    dtls_role: Mutex<Option<DtlsRole>>,
    /// The send queues of tracks that are not added yet.
    pending_sources: Mutex<Vec<(MediaType, FrameSource)>>,
}

impl Peer {
    /// Opens the sockets. Sends nothing before a description is set.
    ///
    /// # Errors
    /// [`PeerOperation::Setup`] when no socket can be opened, [`PeerOperation::DataChannel`].
    pub async fn new(config: Config) -> Result<(Self, EventReceiver), Error> {
        let closed = Arc::new(watch::Sender::new(false));
        let (events, receiver) = EventSender::new(closed.subscribe());
        let (is_connected, connected) = watch::channel(false);
        let tasks = PeerTasks::default();
        let keyframe_requested = Arc::new(Notify::new());
        let session = Arc::new(RtpSession::default());
        let streams = StreamServers::new(config.tls.clone(), relay_delay(&config));
        let handler = Arc::new(ConnectionHandler {
            events: events.clone(),
            candidates: LocalCandidates::new(events.clone(), tasks.clone()),
            streams: streams.clone(),
            tasks: tasks.clone(),
            is_connected,
            keyframe_requested: keyframe_requested.clone(),
            session: session.clone(),
            timer_kick: TimerKick::default(),
            sends_video: config.sends_video,
        });
        let stun_filter = SharedStunFilter::default();
        // mDNS fails the whole connection where no interface supports multicast or the system forbids it: retry without.
        let mut mdns = MulticastDnsMode::QueryOnly;
        let mut connection = connect(&config, handler.clone(), mdns, &streams, &stun_filter).await;
        if connection.is_err() {
            mdns = MulticastDnsMode::Disabled;
            connection = connect(&config, handler, mdns, &streams, &stun_filter).await;
        }
        let connection = connection?;
        let mut pending_sources = Vec::new();
        let audio = config.sends_audio.then(|| {
            let (audio, frames) = mpsc::channel(AUDIO_CAPACITY);
            pending_sources.push((MediaType::Audio, FrameSource::Audio(frames)));
            audio
        });
        let video = config.sends_video.then(|| {
            let frames = Arc::new(VideoQueue::new(VIDEO_CAPACITY));
            pending_sources.push((MediaType::Video, FrameSource::Video(frames.clone())));
            tasks.spawn(publish_bitrate(session.bitrate(), events.clone()));
            frames
        });
        let mut peer = Self {
            connection,
            mdns,
            streams,
            stun_filter,
            remote_candidates: Mutex::default(),
            tasks,
            events,
            closed,
            connected,
            keyframe_requested,
            session,
            data_channel: None,
            audio,
            video,
            dtls_role: Mutex::new(None),
            pending_sources: Mutex::new(pending_sources),
        };
        if let Some(data_channel) = config.data_channel {
            peer.data_channel = Some(peer.open_data_channel(data_channel).await?);
        }
        Ok((peer, receiver))
    }

    /// Creates an offer, sets it as local description, and returns its SDP. Candidates follow as events.
    ///
    /// # Errors
    /// [`Error::Closed`], [`PeerOperation::AddTrack`], [`PeerOperation::CreateDescription`],
    /// [`PeerOperation::SetLocalDescription`].
    pub async fn offer(&self) -> Result<String, Error> {
        self.check_open()?;
        self.add_pending_tracks().await?;
        self.create_offer(false).await
    }

    /// Creates an offer with new ICE credentials (ICE restart), sets it as local description, and returns its SDP. New
    /// sockets replace the old ones, on the network interfaces of now.
    ///
    /// # Errors
    /// As [`Self::offer`], and [`Error::NoNetwork`].
    pub async fn ice_restart_offer(&self) -> Result<String, Error> {
        self.check_open()?;
        self.check_network()?;
        self.create_offer(true).await
    }

    /// Creates the answer to the offer given to [`Self::set_remote_description`], sets it as local description, and returns
    /// its SDP.
    ///
    /// # Errors
    /// [`Error::Closed`], [`PeerOperation::AddTrack`], [`PeerOperation::CreateDescription`] also without an offer,
    /// [`PeerOperation::SetLocalDescription`].
    pub async fn answer(&self) -> Result<String, Error> {
        self.check_open()?;
        // Added only after the offer was set, so that the tracks use the offer's transceivers.
        self.add_pending_tracks().await?;
        let answer = self.connection.create_answer(None).await.at(PeerOperation::CreateDescription)?;
        let answer = self.set_local_description(answer).await?;
        Ok(match self.keep_dtls_role(DtlsRole::Client) {
            DtlsRole::Client => answer,
            // The library always answers as client, but the role of an existing association stays (RFC 8842, section 5.5).
            DtlsRole::Server => answer.replace("a=setup:active", "a=setup:passive"),
        })
    }

    /// Sets the remote description. A later offer replaces this side's own, if one is pending. New sockets replace the old ones
    /// if it restarts ICE. Candidates in it are treated as by [`Self::add_ice_candidate`], but ignored when they cannot be parsed.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::NoNetwork`] for a later offer; [`PeerOperation::SetRemoteDescription`] when it cannot be
    /// parsed, contradicts the negotiated state,
    /// or is not expected in the current signaling state.
    pub async fn set_remote_description(&self, kind: SdpKind, sdp: &str) -> Result<(), Error> {
        self.check_open()?;
        let rejected = Error::Failed(PeerOperation::SetRemoteDescription);
        let parse = |sdp| match kind {
            SdpKind::Offer => RTCSessionDescription::offer(sdp).at(PeerOperation::SetRemoteDescription),
            SdpKind::Answer => RTCSessionDescription::answer(sdp).at(PeerOperation::SetRemoteDescription),
        };
        let sdp = &without_rejected_attributes(sdp);
        let bare = parse(retain_candidates(sdp, |_| false))?;
        let credentials = ice_credentials(&bare).ok_or(rejected)?;
        // The library has these candidates only once it has accepted the description.
        let mut tried = self.remote_candidates().clone();
        tried.start_generation(credentials.clone());
        let now = Instant::now();
        let mut admitted = Vec::new();
        let description = parse(retain_candidates(sdp, |candidate| {
            let is_admitted = tried.admit(now, candidate) == Ok(Admission::Admitted);
            admitted.extend(is_admitted.then_some(candidate));
            is_admitted
        }))?;
        if count_candidates(&description) > admitted.len() {
            return Err(rejected);
        }
        if kind == SdpKind::Offer && self.connection.remote_description().await.is_some() {
            self.check_network()?;
            self.roll_back().await?;
        }
        let applied = self.connection.set_remote_description(description).await;
        {
            let mut candidates = self.remote_candidates();
            if applied.is_ok() {
                candidates.start_generation(credentials);
            }
            // Also after an error, which may come after the library has added them.
            for candidate in admitted {
                let _as_before = candidates.admit(now, candidate);
            }
        }
        applied.at(PeerOperation::SetRemoteDescription)?;
        if kind == SdpKind::Answer {
            self.keep_dtls_role(if sdp.contains("a=setup:active") { DtlsRole::Server } else { DtlsRole::Client });
        }
        Ok(())
    }

    /// Adds a remote ICE candidate, or the end of candidates. Requires a remote description.
    ///
    /// Ignored are candidates over TCP, those that lead to no single host, mDNS names that are not UUIDs of version 4, and
    /// whatever exceeds 64 candidates or 8 mDNS names of one ICE generation. An mDNS name is looked up for 3 s.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`PeerOperation::AddIceCandidate`] when it cannot be parsed, or no remote description is set. The
    /// connection stays usable.
    pub async fn add_ice_candidate(&self, candidate: IceCandidate) -> Result<(), Error> {
        self.check_open()?;
        let rejected = Error::Failed(PeerOperation::AddIceCandidate);
        {
            let mut candidates = self.remote_candidates();
            if !candidates.has_generation() {
                return Err(rejected);
            }
            let is_end = matches!(&*candidate.candidate, "" | "candidate:");
            let admission =
                if is_end { Ok(Admission::Admitted) } else { candidates.admit(Instant::now(), &candidate.candidate) };
            match admission {
                Ok(Admission::Admitted) => {}
                Ok(Admission::Ignored) => return Ok(()),
                Err(_) => return Err(rejected),
            }
        }
        let candidate = RTCIceCandidateInit {
            candidate: candidate.candidate,
            sdp_mid: candidate.sdp_mid,
            sdp_mline_index: candidate.sdp_m_line_index,
            username_fragment: candidate.username_fragment,
            url: None,
        };
        self.connection.add_ice_candidate(candidate).await.at(PeerOperation::AddIceCandidate)
    }

    /// Replaces the STUN and TURN servers. The next ICE restart of either side allocates on the new ones; the current path
    /// stays as it is until then. An empty list changes nothing, because the library keeps its servers then.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`PeerOperation::SetIceServers`] when a URL cannot be parsed or a TURN server has no credential.
    pub async fn set_ice_servers(&self, ice_servers: &[IceServer]) -> Result<(), Error> {
        self.check_open()?;
        let policy = self.connection.get_configuration().await.ice_transport_policy();
        let configuration = configuration(ice_servers, policy, &self.streams);
        self.connection.set_configuration(configuration).await.at(PeerOperation::SetIceServers)
    }

    /// Queues a VP8 frame of at most 2 MiB for sending. When the queue is full, it drops all queued frames and accepts only a
    /// keyframe next. If the remote side accepts no video, frames are dropped silently.
    ///
    /// # Errors
    /// [`Error::KeyframeNeeded`]: the frame was dropped, and [`Event::KeyframeNeeded`] is emitted, too.
    /// [`Error::NotConnected`], [`Error::NotSending`], [`Error::InvalidSize`], [`Error::Closed`].
    pub fn send_video(&self, frame: EncodedFrame) -> Result<(), Error> {
        let video = self.video.as_ref().filter(|_| frame.kind == MediaType::Video).ok_or(Error::NotSending)?;
        self.check_frame(&frame)?;
        if video.push(frame) {
            return Ok(());
        }
        self.events.keyframe_needed();
        Err(Error::KeyframeNeeded)
    }

    /// Queues an Opus packet for sending. Waits while the queue holds one second of audio; drops nothing.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::NotSending`] also when the remote side accepts no audio, [`Error::InvalidSize`],
    /// [`Error::Closed`].
    pub async fn send_audio(&self, frame: EncodedFrame) -> Result<(), Error> {
        let audio = self.audio.as_ref().filter(|_| frame.kind == MediaType::Audio).ok_or(Error::NotSending)?;
        self.check_frame(&frame)?;
        audio.send(frame).await.map_err(|_| if self.is_closed() { Error::Closed } else { Error::NotSending })
    }

    /// Requests a keyframe from the remote side, for a decoder that was created or that failed. Lost frames need no call: the
    /// peer detects them. Does nothing while no video is received.
    pub fn request_keyframe(&self) {
        self.keyframe_requested.notify_one();
    }

    /// Sends a message of at most 64 KiB on the data channel.
    ///
    /// # Errors
    /// [`Error::SendBufferFull`] when 1 MiB is buffered. [`Error::NotSending`] without a data channel, [`Error::InvalidSize`],
    /// [`Error::Closed`]; [`PeerOperation::DataChannel`] also before [`Event::DataChannelOpen`].
    pub async fn send_message(&self, message: &ChannelMessage) -> Result<(), Error> {
        self.check_open()?;
        let channel = self.data_channel.as_ref().ok_or(Error::NotSending)?;
        let sent = match message {
            ChannelMessage::Text(text) if text.len() > MAX_MESSAGE => return Err(Error::InvalidSize),
            ChannelMessage::Binary(data) if data.len() > MAX_MESSAGE => return Err(Error::InvalidSize),
            ChannelMessage::Text(text) => channel.try_send_text(text).await,
            ChannelMessage::Binary(data) => channel.try_send(BytesMut::from(data.as_ref())).await,
        };
        match sent {
            Err(webrtc::error::Error::ErrSendBufferFull) => Err(Error::SendBufferFull),
            sent => sent.at(PeerOperation::DataChannel),
        }
    }

    /// Returns the connection's statistics in the W3C's terms. Empty once the peer is closed.
    pub async fn stats(&self) -> Vec<Stats> {
        if self.is_closed() {
            return Vec::new();
        }
        let now = SystemTime::now();
        let available = self.session.bitrate().borrow().available;
        let mut all = self.session.stats(now);
        all.extend(stats::transport_stats(self.connection.as_ref(), now, available).await);
        all
    }

    /// Closes the connection. On return, no event follows and all of the connection's tasks have ended. The remote side may not
    /// notice soon: the caller signals the end of the call separately. Closing twice does nothing.
    ///
    /// # Errors
    /// [`PeerOperation::Close`]; the peer is closed nevertheless.
    pub async fn close(&self) -> Result<(), Error> {
        if self.closed.send_replace(true) {
            return Ok(());
        }
        let closed = self.connection.close().await.at(PeerOperation::Close);
        if let Some(mut tasks) = self.tasks.take() {
            tasks.shutdown().await;
        }
        closed
    }

    async fn open_data_channel(&self, config: DataChannelConfig) -> Result<Arc<dyn DataChannel>, Error> {
        let init = RTCDataChannelInit { negotiated: Some(config.id), ..RTCDataChannelInit::default() };
        let channel = self.connection.create_data_channel(&config.label, Some(init)).await;
        let channel = channel.at(PeerOperation::DataChannel)?;
        self.tasks.spawn(read_messages(channel.clone(), self.events.clone()));
        Ok(channel)
    }

    /// Adds the tracks to send; does nothing from the second call on.
    async fn add_pending_tracks(&self) -> Result<(), Error> {
        let sources = std::mem::take(&mut *self.pending_sources.lock().unwrap_or_else(PoisonError::into_inner));
        let offer = self.connection.pending_remote_description().await;
        for (kind, source) in sources {
            // The library fails to add a track for which the offer has no codec. Without it, the call goes on.
            if offer.as_ref().is_some_and(|offer| !has_codec(offer, kind)) {
                continue;
            }
            let sender = TrackSender::add(self.connection.as_ref(), kind, self.session.clone()).await?;
            self.tasks.spawn(TrackSender::read_feedback(sender.track(), self.events.clone()));
            self.tasks.spawn(sender.send(source, self.connected.clone()));
        }
        Ok(())
    }

    async fn create_offer(&self, ice_restart: bool) -> Result<String, Error> {
        let options = RTCOfferOptions { ice_restart };
        let offer = self.connection.create_offer(Some(options)).await.at(PeerOperation::CreateDescription)?;
        self.set_local_description(offer).await
    }

    /// The role of the first negotiation; `negotiated` if this is the first.
    fn keep_dtls_role(&self, negotiated: DtlsRole) -> DtlsRole {
        *self.dtls_role.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(negotiated)
    }

    /// Returns to the stable state from a pending offer of either side (RFC 9429, section 4.1.10.2): the library has no
    /// implicit rollback.
    async fn roll_back(&self) -> Result<(), Error> {
        let rollback = || RTCSessionDescription::rollback(None).at(PeerOperation::SetRemoteDescription);
        if self.connection.pending_local_description().await.is_some() {
            let done = self.connection.set_local_description(rollback()?).await;
            done.at(PeerOperation::SetRemoteDescription)?;
        }
        if self.connection.pending_remote_description().await.is_some() {
            let done = self.connection.set_remote_description(rollback()?).await;
            done.at(PeerOperation::SetRemoteDescription)?;
        }
        Ok(())
    }

    async fn set_local_description(&self, description: RTCSessionDescription) -> Result<String, Error> {
        // After an ICE restart its candidates are those of the old sockets. The new ones follow as events.
        let sdp = without_candidates(&description.sdp);
        // Before the description is sent, so before the first check with them arrives.
        if let Some(credentials) = ice_credentials(&description) {
            self.stun_filter.add_credentials(credentials);
        }
        self.connection.set_local_description(description).await.at(PeerOperation::SetLocalDescription)?;
        Ok(sdp)
    }

    fn check_frame(&self, frame: &EncodedFrame) -> Result<(), Error> {
        self.check_open()?;
        if !*self.connected.borrow() {
            return Err(Error::NotConnected);
        }
        if frame.data.is_empty() || frame.data.len() > MAX_FRAME { Err(Error::InvalidSize) } else { Ok(()) }
    }

    /// Whether the library can replace its sockets. It would close the connection if the socket for mDNS could not be
    /// replaced, which takes a multicast route, such as the default route.
    fn check_network(&self) -> Result<(), Error> {
        let is_usable = self.mdns == MulticastDnsMode::Disabled
            || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
                .is_ok_and(|socket| socket.join_multicast_v4(&MDNS_GROUP, &Ipv4Addr::UNSPECIFIED).is_ok());
        if is_usable { Ok(()) } else { Err(Error::NoNetwork) }
    }

    fn remote_candidates(&self) -> MutexGuard<'_, RemoteCandidates> {
        self.remote_candidates.lock().unwrap_or_else(PoisonError::into_inner)
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
        // Dropping the set aborts its tasks.
        drop(self.tasks.take());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let connection = self.connection.clone();
            runtime.spawn(async move { connection.close().await });
        }
    }
}
