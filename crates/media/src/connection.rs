//! The library's connection: how it is made, and what it says.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hutong_core::Connectivity;
use hutong_protocol::IceCandidate;
use rtc::ice::mdns::MulticastDnsMode;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder, RTCIceConnectionState,
    RTCIceGatheringState, RTCIceTransportPolicy, RTCPeerConnectionIceEvent, RTCPeerConnectionState,
    SettingEngineBuilder,
};

use crate::config::{Config, usable};
use crate::error::{At, Error, Step};
use crate::events::{Event, Message, Sinks};
use crate::runtime::Haste;
use crate::traffic::{Bitrate, Traffic};
use crate::{codecs, estimator, interceptors, remote};

/// How many bytes of messages may wait to be sent.
const MAX_WAITING: usize = 1 << 20;

/// How long a path without a relay is waited for when one with a relay is there. The library's default of two seconds is what
/// calls over a relay would begin with.
const DIRECT: Duration = Duration::from_millis(500);

/// How often each pair of candidates is checked that has not answered yet. The side that offers chooses its path with the first check
/// after an answer, so that a call begins this much later. The library's default is twice as long.
const CHECK_EVERY: Duration = Duration::from_millis(100);

/// How often before the pair is given up: for as long as the library keeps a connection that is connecting (30 s), where RFC 8445,
/// section 14.3, asks for 39.5 s. With the library's default of seven, an ICE restart whose first 1.6 s fall into an outage was
/// lost, since the side that offers never looks at a pair again that it has given up.
const CHECKS: u16 = 300;

/// By which part the encoder's bitrate changed when it is told.
const TOLD: u32 = 10;
/// How much time is between two times.
const TELL: Duration = Duration::from_millis(250);

/// Says that no more will come.
const END_OF_CANDIDATES: IceCandidate =
    IceCandidate { candidate: String::new(), sdp_mid: None, sdp_m_line_index: Some(0), username_fragment: None };

/// The peer's own tasks. None can be added once they were ended.
#[derive(Clone)]
pub(crate) struct Tasks(Arc<Mutex<Option<JoinSet<()>>>>);

impl Default for Tasks {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Some(JoinSet::new()))))
    }
}

impl Tasks {
    /// Runs until it ends by itself or all are ended.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tasks) = tasks.as_mut() {
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        }
    }

    /// The tasks, to be ended by dropping them. None the second time.
    pub fn end(&self) -> Option<JoinSet<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What the library calls. It waits for each call to return.
pub(crate) struct Handler {
    /// Where events go.
    pub sinks: Sinks,
    /// Where the tasks that read tracks run.
    pub tasks: Tasks,
    /// Whether there ever was a connection.
    pub is_connected: watch::Sender<bool>,
    /// Says that the decoder wants a keyframe.
    pub wanted: Arc<Notify>,
    /// What is counted, and the bitrate.
    pub traffic: Arc<Traffic>,
    /// Has the handshake begin when there is a path.
    pub haste: Haste,
    /// Whether this side sends a picture.
    pub sends_video: bool,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        // Where there is no network of a family, its socket has no address that anybody could use.
        let is_usable = event.candidate.address.parse().is_ok_and(|address: IpAddr| !address.is_unspecified());
        if let Ok(candidate) = event.candidate.to_json()
            && is_usable
        {
            let candidate = IceCandidate {
                candidate: candidate.candidate,
                sdp_mid: candidate.sdp_mid.filter(|mid| !mid.is_empty()),
                sdp_m_line_index: candidate.sdp_mline_index,
                username_fragment: candidate.username_fragment,
            };
            self.sinks.tell(Event::Candidate(candidate)).await;
        }
    }

    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.sinks.tell(Event::Candidate(END_OF_CANDIDATES)).await;
        }
    }

    async fn on_ice_connection_state_change(&self, state: RTCIceConnectionState) {
        if state == RTCIceConnectionState::Connected {
            self.haste.run_timers();
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let connectivity = match state {
            RTCPeerConnectionState::Connected => {
                self.is_connected.send_replace(true);
                if self.sends_video {
                    self.sinks.tell(Event::TargetBitrate(self.traffic.target())).await;
                    // What was sent while it was down is lost.
                    self.sinks.want_keyframe();
                }
                Connectivity::Connected
            }
            RTCPeerConnectionState::Disconnected => Connectivity::Disconnected,
            RTCPeerConnectionState::Failed => Connectivity::Failed,
            _ => return,
        };
        self.sinks.tell(Event::Connectivity(connectivity)).await;
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        self.tasks.spawn(remote::read(track, self.sinks.clone(), self.wanted.clone(), self.traffic.clone()));
    }
}

/// Opens sockets.
pub(crate) async fn connect(
    config: &Config,
    handler: Arc<Handler>,
    mdns: MulticastDnsMode,
) -> Result<Arc<dyn PeerConnection>, Error> {
    let mut engine = codecs::engine().at(Step::Start)?;
    let registry = interceptors::chain(&mut engine, &handler.traffic).at(Step::Start)?;
    let settings = SettingEngineBuilder::new()
        .with_multicast_dns_mode(mdns)
        // With the default of a second, the side that offers waits that long for a candidate that it does not need.
        .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
        .with_relay_acceptance_min_wait(Some(if config.relay_only { Duration::ZERO } else { DIRECT }))
        .with_ice_connection_attempts(Some(CHECK_EVERY), Some(CHECKS))
        .build();
    let policy = if config.relay_only { RTCIceTransportPolicy::Relay } else { RTCIceTransportPolicy::All };
    let servers = RTCConfigurationBuilder::new()
        .with_ice_servers(usable(&config.ice_servers))
        .with_ice_transport_policy(policy)
        .build();
    let runtime = handler.haste.runtime();
    let connection = PeerConnectionBuilder::new()
        .with_runtime(runtime)
        .with_configuration(servers)
        .with_media_engine(engine)
        .with_setting_engine(settings)
        .with_interceptor_registry(registry)
        .with_handler(handler)
        .with_udp_addrs(config.addresses.clone())
        .with_data_channel_send_buffer_limit(MAX_WAITING)
        .build()
        .await
        .at(Step::Start)?;
    Ok(Arc::new(connection))
}

/// Tells the encoder's bitrate when it changed by enough, and not too often.
pub(crate) async fn tell_bitrate(mut bitrate: watch::Receiver<Bitrate>, sinks: Sinks) {
    let mut told = bitrate.borrow_and_update().target;
    while bitrate.changed().await.is_ok() {
        let target = bitrate.borrow_and_update().target;
        let is_bound = target == estimator::FLOOR || target == estimator::CEILING;
        if target.abs_diff(told) >= told / TOLD || (is_bound && target != told) {
            told = target;
            sinks.tell(Event::TargetBitrate(target)).await;
            tokio::time::sleep(TELL).await;
        }
    }
}

/// Reads the data channel until it is closed.
pub(crate) async fn read_messages(channel: Arc<dyn DataChannel>, sinks: Sinks) {
    while let Some(event) = channel.poll().await {
        let message = match event {
            DataChannelEvent::OnOpen => {
                sinks.tell(Event::ChannelOpen).await;
                continue;
            }
            DataChannelEvent::OnMessage(message) => message,
            DataChannelEvent::OnClose => return,
            _ => continue,
        };
        let data = message.data.freeze();
        let message = if message.is_string {
            // Text that is none cannot be shown.
            let Ok(text) = String::from_utf8(data.into()) else { continue };
            Message::Text(text)
        } else {
            Message::Binary(data)
        };
        if sinks.messages.send(Event::Message(message)).await.is_err() {
            return;
        }
    }
}
