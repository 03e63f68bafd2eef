//! Setup of the WebRTC library's connection, and translation of its callbacks to events.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hutong_core::Connectivity;
use hutong_protocol::{IceCandidate, IceServer};
use rtc::ice::mdns::MulticastDnsMode;
use rtc::peer_connection::transport::RTCIceCandidateType;
use tokio::sync::{Notify, watch};
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfiguration, RTCConfigurationBuilder,
    RTCIceConnectionState, RTCIceGatheringState, RTCIceTransportPolicy, RTCPeerConnectionIceEvent,
    RTCPeerConnectionState, SettingEngineBuilder,
};

use crate::config::{Config, library_ice_servers};
use crate::error::{AtOperation, Error, PeerOperation};
use crate::events::{ChannelMessage, Event, EventSender};
use crate::local_candidates::{LocalCandidates, RELAY_DELAY};
use crate::peer_tasks::PeerTasks;
use crate::remote_candidates::LOOKUP_TIMEOUT;
use crate::rtp_session::{Bitrate, RtpSession};
use crate::runtime::{DriverRuntime, SharedStunFilter, StreamServers, TimerKick};
use crate::{codecs, estimator, interceptors, track_receiver};

/// Limit of the data channel's send buffer, in bytes.
const SEND_BUFFER_LIMIT: usize = 1 << 20;

/// Interval of connectivity checks on a candidate pair without an answer. The offering side nominates a pair with the first
/// check after an answer, so this adds to the time a call needs to connect. The library's default is twice as long. Checks to
/// addresses that have never answered are sent less often ([`SharedStunFilter`]).
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Limit of connectivity checks on a candidate pair: 30 s, the library's own limit for connecting (RFC 8445, section 14.3, asks
/// for 39.5 s). The offering side never retries a failed pair: with the default of seven checks, an ICE restart failed when the
/// network was down during its first 1.6 s.
const MAX_CHECKS: u16 = 300;

/// Changes of the target bitrate below this part (1/10) are not published.
const BITRATE_CHANGE_DIVISOR: u32 = 10;
/// Least time between two bitrate events: each one reconfigures the encoder.
const BITRATE_INTERVAL: Duration = Duration::from_millis(250);

/// Callbacks of the WebRTC library, translated to events. The library awaits each callback.
pub(crate) struct ConnectionHandler {
    pub events: EventSender,
    pub candidates: LocalCandidates,
    pub streams: StreamServers,
    pub tasks: PeerTasks,
    /// Becomes true on the first connection, and stays so.
    pub is_connected: watch::Sender<bool>,
    /// Notified when the application's decoder requests a keyframe.
    pub keyframe_requested: Arc<Notify>,
    pub session: Arc<RtpSession>,
    /// Starts the DTLS handshake as soon as ICE is connected.
    pub timer_kick: TimerKick,
    pub sends_video: bool,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for ConnectionHandler {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        // A family without a network yields a candidate with the unspecified address, which no peer can use.
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
            let is_relayed = event.candidate.typ == RTCIceCandidateType::Relay;
            let delay = if is_relayed { self.streams.candidate_delay(&event.url) } else { Duration::ZERO };
            self.candidates.report(candidate, delay).await;
        }
    }

    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.candidates.report_end().await;
        }
    }

    async fn on_ice_connection_state_change(&self, state: RTCIceConnectionState) {
        if state == RTCIceConnectionState::Connected {
            self.timer_kick.run_timers();
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let connectivity = match state {
            RTCPeerConnectionState::Connected => {
                self.is_connected.send_replace(true);
                if self.sends_video {
                    self.events.send(Event::TargetBitrate(self.session.target_bitrate())).await;
                    // Frames sent while the connection was down are lost.
                    self.events.keyframe_needed();
                }
                Connectivity::Connected
            }
            RTCPeerConnectionState::Disconnected => Connectivity::Disconnected,
            RTCPeerConnectionState::Failed => Connectivity::Failed,
            _ => return,
        };
        self.events.send(Event::Connectivity(connectivity)).await;
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let (events, session) = (self.events.clone(), self.session.clone());
        self.tasks.spawn(track_receiver::read(track, events, self.keyframe_requested.clone(), session));
    }
}

/// How long relayed candidates wait for direct ones.
pub(crate) const fn relay_delay(config: &Config) -> Duration {
    if config.relay_only { Duration::ZERO } else { RELAY_DELAY }
}

/// Creates a connection and opens its sockets.
pub(crate) async fn connect(
    config: &Config,
    handler: Arc<ConnectionHandler>,
    mdns: MulticastDnsMode,
    streams: &StreamServers,
    stun_filter: &SharedStunFilter,
) -> Result<Arc<dyn PeerConnection>, Error> {
    let mut engine = codecs::media_engine().at(PeerOperation::Setup)?;
    let registry = interceptors::chain(&mut engine, &handler.session).at(PeerOperation::Setup)?;
    let settings = SettingEngineBuilder::new()
        .with_multicast_dns_mode(mdns)
        .with_multicast_dns_timeout(Some(LOOKUP_TIMEOUT))
        // The default of 1 s makes the offering side wait for a candidate that it does not need.
        .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
        .with_relay_acceptance_min_wait(Some(relay_delay(config)))
        .with_ice_connection_attempts(Some(CHECK_INTERVAL), Some(MAX_CHECKS))
        // An ICE restart also opens new sockets, because the interfaces of the old ones may be gone.
        .with_discard_local_candidates_during_ice_restart(true)
        .build();
    let policy = if config.relay_only { RTCIceTransportPolicy::Relay } else { RTCIceTransportPolicy::All };
    let configuration = configuration(&config.ice_servers, policy, streams);
    let runtime = Arc::new(DriverRuntime::new(handler.timer_kick.clone(), streams.clone(), stun_filter.clone()));
    let connection = PeerConnectionBuilder::new()
        .with_runtime(runtime)
        .with_configuration(configuration)
        .with_media_engine(engine)
        .with_setting_engine(settings)
        .with_interceptor_registry(registry)
        .with_handler(handler)
        .with_udp_addrs(config.bind_addresses.clone())
        .with_data_channel_send_buffer_limit(SEND_BUFFER_LIMIT)
        .build()
        .await
        .at(PeerOperation::Setup)?;
    Ok(Arc::new(connection))
}

/// The library's configuration. Only these values may change later.
pub(crate) fn configuration(
    ice_servers: &[IceServer],
    policy: RTCIceTransportPolicy,
    streams: &StreamServers,
) -> RTCConfiguration {
    RTCConfigurationBuilder::new()
        .with_ice_servers(library_ice_servers(ice_servers, streams))
        .with_ice_transport_policy(policy)
        .build()
}

/// Publishes the target bitrate as events, limited in rate and by the size of the change.
pub(crate) async fn publish_bitrate(mut bitrate: watch::Receiver<Bitrate>, events: EventSender) {
    let mut published = bitrate.borrow_and_update().target;
    while bitrate.changed().await.is_ok() {
        let target = bitrate.borrow_and_update().target;
        let is_bound = target == estimator::MIN_TARGET || target == estimator::MAX_TARGET;
        if target.abs_diff(published) >= published / BITRATE_CHANGE_DIVISOR || (is_bound && target != published) {
            published = target;
            events.send(Event::TargetBitrate(target)).await;
            tokio::time::sleep(BITRATE_INTERVAL).await;
        }
    }
}

/// Reads messages from the data channel until it is closed.
pub(crate) async fn read_messages(channel: Arc<dyn DataChannel>, events: EventSender) {
    while let Some(event) = channel.poll().await {
        let message = match event {
            DataChannelEvent::OnOpen => {
                events.send(Event::DataChannelOpen).await;
                continue;
            }
            DataChannelEvent::OnMessage(message) => message,
            DataChannelEvent::OnClose => return,
            _ => continue,
        };
        let data = message.data.freeze();
        let message = if message.is_string {
            // Text messages must be UTF-8 (RFC 8831); others are ignored.
            let Ok(text) = String::from_utf8(data.into()) else { continue };
            ChannelMessage::Text(text)
        } else {
            ChannelMessage::Binary(data)
        };
        if events.messages.send(Event::Message(message)).await.is_err() {
            return;
        }
    }
}
