//! The backend over the browser's `RTCPeerConnection`.

use std::{
    cell::{Cell, RefCell},
    future::ready,
    rc::{Rc, Weak},
};

use futures_util::FutureExt;
use gloo_timers::future::TimeoutFuture;
use hutong_core::Connectivity;
use hutong_protocol::{IceCandidate, IceServer};
use js_sys::{Array, Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    Event, EventTarget, MediaStream, MediaStreamTrack, MessageEvent, RtcBundlePolicy, RtcConfiguration, RtcDataChannel,
    RtcDataChannelInit, RtcDataChannelState, RtcOfferOptions, RtcPeerConnection, RtcRtpSender, RtcRtpTransceiver,
    RtcRtpTransceiverDirection, RtcRtpTransceiverInit, RtcSdpType, RtcSessionDescriptionInit, RtcSignalingState,
    RtcTrackEvent,
};
use yew::Callback;

use super::{
    connection::{ConnectionError, ConnectionEvent, ConnectionFuture, MediaConnection, TrackKind},
    local_network, status,
};
use crate::dom::{self, EventListener};

/// Whether this browser or webview has `RTCPeerConnection`.
pub fn is_supported() -> bool {
    dom::window().is_some_and(|window| dom::property(&JsValue::from(window), "RTCPeerConnection").is_some())
}

/// Creates a connection without local tracks.
///
/// # Errors
///
/// When the browser refuses to create it.
pub fn connect(
    ice_servers: &[IceServer],
    events: Callback<ConnectionEvent>,
) -> Result<Rc<dyn MediaConnection>, ConnectionError> {
    let raw = RtcPeerConnection::new_with_configuration(&configuration(ice_servers)?)?;
    let channel_init = RtcDataChannelInit::new();
    channel_init.set_negotiated(true);
    channel_init.set_id(status::CHANNEL_ID);
    let channel = raw.create_data_channel_with_data_channel_dict(status::LABEL, &channel_init);
    let transceivers =
        Rc::new(Transceivers { raw: raw.clone(), sync_group: MediaStream::new()?, slots: RefCell::default() });
    let connection = Rc::new_cyclic(|me: &Weak<BrowserConnection>| BrowserConnection {
        listeners: RefCell::new(listeners(me, &raw, &channel)),
        raw,
        channel,
        transceivers,
        connectivity: Cell::new(None),
        blocking: Cell::new(BlockingCheck::Idle),
        events,
        me: Weak::clone(me),
    });
    Ok(connection)
}

/// The configuration of a connection. Only its servers may change later (WebRTC 1.0, section 4.4.1.6).
fn configuration(ice_servers: &[IceServer]) -> Result<RtcConfiguration, ConnectionError> {
    let configuration = RtcConfiguration::new();
    configuration.set_ice_servers(&dom::to_js(&ice_servers).ok_or(ConnectionError)?);
    configuration.set_bundle_policy(RtcBundlePolicy::MaxBundle);
    Reflect::set(&configuration, &"iceCandidatePoolSize".into(), &0.into())?;
    Ok(configuration)
}

/// The check whether the browser drops all remote candidates.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BlockingCheck {
    /// No remote candidate has had a private address.
    Idle,
    /// Started by the first that had. Not repeated.
    Started,
}

/// An `RTCPeerConnection`. Closed on drop.
struct BrowserConnection {
    me: Weak<Self>,
    raw: RtcPeerConnection,
    channel: RtcDataChannel,
    transceivers: Rc<Transceivers>,
    connectivity: Cell<Option<Connectivity>>,
    blocking: Cell<BlockingCheck>,
    events: Callback<ConnectionEvent>,
    listeners: RefCell<Vec<EventListener>>,
}

impl MediaConnection for BrowserConnection {
    fn offer(&self, restart_ice: bool) -> ConnectionFuture<String> {
        let (raw, transceivers) = (self.raw.clone(), Rc::clone(&self.transceivers));
        async move {
            transceivers.create();
            let options = RtcOfferOptions::new();
            options.set_ice_restart(restart_ice);
            set_local(&raw, RtcSdpType::Offer, raw.create_offer_with_rtc_offer_options(&options)).await
        }
        .boxed_local()
    }

    fn answer(&self, offer: &str) -> ConnectionFuture<String> {
        let set = self.set_remote(RtcSdpType::Offer, offer);
        let (raw, transceivers) = (self.raw.clone(), Rc::clone(&self.transceivers));
        async move {
            set.await?;
            transceivers.adopt().await?;
            set_local(&raw, RtcSdpType::Answer, raw.create_answer()).await
        }
        .boxed_local()
    }

    fn accept(&self, answer: &str) -> ConnectionFuture<()> {
        self.set_remote(RtcSdpType::Answer, answer)
    }

    fn has_local_offer(&self) -> bool {
        self.raw.signaling_state() == RtcSignalingState::HaveLocalOffer
    }

    fn set_ice_servers(&self, ice_servers: &[IceServer]) -> ConnectionFuture<()> {
        let set = configuration(ice_servers)
            .and_then(|configuration| Ok(self.raw.set_configuration_with_configuration(&configuration)?));
        ready(set).boxed_local()
    }

    fn add_candidate(&self, candidate: &IceCandidate) -> ConnectionFuture<()> {
        if local_network::is_private(candidate) && self.blocking.replace(BlockingCheck::Started) == BlockingCheck::Idle
        {
            self.check_blocking();
        }
        let Some(candidate) = dom::to_js(candidate) else { return failed() };
        settled(self.raw.add_ice_candidate_with_opt_rtc_ice_candidate_init(Some(candidate.unchecked_ref())))
    }

    fn send(&self, kind: TrackKind, track: Option<&MediaStreamTrack>) -> ConnectionFuture<()> {
        self.transceivers.send(kind, track)
    }

    fn send_text(&self, text: &str) {
        if self.channel.ready_state() == RtcDataChannelState::Open {
            // A lost message is superseded by the next one.
            self.channel.send_with_str(text).ok();
        }
    }

    fn stats(&self) -> ConnectionFuture<Vec<serde_json::Value>> {
        let report = JsFuture::from(self.raw.get_stats());
        async move {
            let report = report.await?;
            // `RTCStatsReport` is maplike, but no `Map`.
            let values: Function =
                dom::property(&report, "values").and_then(|it| it.dyn_into().ok()).ok_or(ConnectionError)?;
            Ok(Array::from(&values.call0(&report)?).iter().filter_map(|entry| dom::from_js(&entry)).collect())
        }
        .boxed_local()
    }

    fn close(&self) {
        self.listeners.borrow_mut().clear();
        self.raw.close();
    }
}

impl Drop for BrowserConnection {
    fn drop(&mut self) {
        self.raw.close();
    }
}

impl BrowserConnection {
    fn set_remote(&self, kind: RtcSdpType, sdp: &str) -> ConnectionFuture<()> {
        let description = RtcSessionDescriptionInit::new(kind);
        description.set_sdp(sdp);
        settled(self.raw.set_remote_description(&description))
    }

    /// Reports later if the browser has dropped all remote candidates by then.
    fn check_blocking(&self) {
        let me = Weak::clone(&self.me);
        spawn_local(async move {
            TimeoutFuture::new(local_network::DROPPED_AFTER_MS).await;
            let Some(stats) = me.upgrade().filter(|me| me.connectivity.get().is_none()).map(|me| me.stats()) else {
                return;
            };
            if let Ok(stats) = stats.await
                && local_network::drops_candidates(&stats).await
                && let Some(me) = me.upgrade()
            {
                me.events.emit(ConnectionEvent::LocalNetworkBlocked);
            }
        });
    }

    fn on_candidate(&self, event: &JsValue) {
        let candidate = match dom::property(event, "candidate") {
            Some(candidate) => dom::from_js(&candidate),
            None => Some(IceCandidate {
                candidate: String::new(),
                sdp_mid: None,
                sdp_m_line_index: None,
                username_fragment: None,
            }),
        };
        if let Some(candidate) = candidate {
            self.events.emit(ConnectionEvent::Candidate(candidate));
        }
    }

    fn on_state_change(&self) {
        let ice = dom::text_property(&self.raw, "iceConnectionState").unwrap_or_default();
        let connection = dom::text_property(&self.raw, "connectionState");
        let state = connectivity(connection.as_deref(), &ice);
        if self.connectivity.replace(state) != state
            && let Some(state) = state
        {
            self.events.emit(ConnectionEvent::State(state));
        }
    }

    fn on_channel_message(&self, event: &Event) {
        if let Some(text) = event.dyn_ref::<MessageEvent>().and_then(|event| event.data().as_string()) {
            self.events.emit(ConnectionEvent::ChannelText(text));
        }
    }
}

/// The transceiver of one kind, and its local track.
#[derive(Default)]
struct TransceiverSlot {
    /// Kept here until the transceiver exists.
    track: Option<MediaStreamTrack>,
    transceiver: Option<RtcRtpTransceiver>,
}

/// The two transceivers of a connection, one of each kind, `sendrecv` from the start. The first offer creates them.
struct Transceivers {
    raw: RtcPeerConnection,
    /// An empty stream. Its ID alone makes the remote side synchronize audio and video (RFC 8830).
    sync_group: MediaStream,
    /// In the order of [`TrackKind::ALL`].
    slots: RefCell<[TransceiverSlot; 2]>,
}

impl Transceivers {
    /// Creates the transceivers, before the first local offer.
    fn create(&self) {
        for (kind, slot) in TrackKind::ALL.into_iter().zip(self.slots.borrow_mut().iter_mut()) {
            if slot.transceiver.is_some() {
                continue;
            }
            let init = RtcRtpTransceiverInit::new();
            init.set_direction(RtcRtpTransceiverDirection::Sendrecv);
            Reflect::set(&init, &"streams".into(), &Array::of1(&self.sync_group)).ok();
            slot.transceiver = Some(match &slot.track {
                Some(track) => self.raw.add_transceiver_with_media_stream_track_and_init(track, &init),
                None => self.raw.add_transceiver_with_str_and_init(kind.name(), &init),
            });
        }
    }

    /// Adopts the transceivers that the remote offer created, which are `recvonly` by default.
    async fn adopt(&self) -> Result<(), ConnectionError> {
        let mut pending = Vec::new();
        for transceiver in self.raw.get_transceivers().iter() {
            let transceiver: RtcRtpTransceiver = transceiver.unchecked_into();
            let kind = TrackKind::of(&transceiver.receiver().track());
            if self.slots.borrow()[kind as usize].transceiver.is_some() {
                continue;
            }
            transceiver.set_direction(RtcRtpTransceiverDirection::Sendrecv);
            let sender = transceiver.sender();
            // In Firefox since 113. Without it, audio and video are not synchronized.
            if let Some(set_streams) =
                dom::property(&sender, "setStreams").and_then(|it| it.dyn_into::<Function>().ok())
            {
                set_streams.call1(&sender, &self.sync_group)?;
            }
            let track = {
                let slot = &mut self.slots.borrow_mut()[kind as usize];
                slot.transceiver = Some(transceiver);
                slot.track.clone()
            };
            if track.is_some() {
                pending.push(replace_track(&sender, track.as_ref()));
            }
        }
        for replaced in pending {
            replaced.await?;
        }
        Ok(())
    }

    fn send(&self, kind: TrackKind, track: Option<&MediaStreamTrack>) -> ConnectionFuture<()> {
        let slot = &mut self.slots.borrow_mut()[kind as usize];
        slot.track = track.cloned();
        match &slot.transceiver {
            Some(transceiver) => replace_track(&transceiver.sender(), track),
            None => async { Ok(()) }.boxed_local(),
        }
    }
}

fn listeners(me: &Weak<BrowserConnection>, raw: &RtcPeerConnection, channel: &RtcDataChannel) -> Vec<EventListener> {
    let on = |target: &EventTarget, name: &'static str, act: fn(&BrowserConnection, Event)| {
        let me = Weak::clone(me);
        EventListener::new(target, name, move |event| {
            if let Some(me) = me.upgrade() {
                act(&me, event);
            }
        })
    };
    vec![
        on(raw, "icecandidate", |me, event| me.on_candidate(&event)),
        on(raw, "connectionstatechange", |me, _| me.on_state_change()),
        on(raw, "iceconnectionstatechange", |me, _| me.on_state_change()),
        on(raw, "track", |me, event| {
            if let Ok(event) = event.dyn_into::<RtcTrackEvent>() {
                me.events.emit(ConnectionEvent::Track(event.track()));
            }
        }),
        on(channel, "open", |me, _| me.events.emit(ConnectionEvent::ChannelOpen)),
        on(channel, "message", |me, event| me.on_channel_message(&event)),
    ]
}

fn replace_track(sender: &RtcRtpSender, track: Option<&MediaStreamTrack>) -> ConnectionFuture<()> {
    settled(sender.replace_track(track))
}

fn settled(promise: Promise) -> ConnectionFuture<()> {
    async move { Ok(JsFuture::from(promise).await.map(drop)?) }.boxed_local()
}

fn failed() -> ConnectionFuture<()> {
    async { Err(ConnectionError) }.boxed_local()
}

async fn set_local(raw: &RtcPeerConnection, kind: RtcSdpType, created: Promise) -> Result<String, ConnectionError> {
    let created = JsFuture::from(created).await?;
    let sdp = dom::text_property(&created, "sdp").ok_or(ConnectionError)?;
    let description = RtcSessionDescriptionInit::new(kind);
    description.set_sdp(&sdp);
    JsFuture::from(raw.set_local_description(&description)).await?;
    Ok(sdp)
}

/// Combines `connectionState` (in Firefox since 113) with `iceConnectionState`: Safari and Firefox report a loss in the latter
/// first, and old versions of Firefox report "ICE failed" only there.
fn connectivity(connection: Option<&str>, ice: &str) -> Option<Connectivity> {
    match (connection, ice) {
        (Some("closed"), _) | (_, "closed") => None,
        (Some("failed"), _) | (_, "failed") => Some(Connectivity::Failed),
        (Some("disconnected"), _) | (Some("connected") | None, "disconnected") => Some(Connectivity::Disconnected),
        (Some("connected"), _) | (None, "connected" | "completed") => Some(Connectivity::Connected),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connectivity_combines_both_states() {
        use Connectivity::{Connected, Disconnected, Failed};
        for (connection, ice, expected) in [
            (Some("new"), "new", None),
            (Some("connecting"), "connected", None),
            (Some("connected"), "completed", Some(Connected)),
            (Some("connected"), "disconnected", Some(Disconnected)),
            (Some("connecting"), "disconnected", None),
            (Some("disconnected"), "disconnected", Some(Disconnected)),
            (Some("failed"), "connected", Some(Failed)),
            (Some("connecting"), "failed", Some(Failed)),
            (Some("closed"), "closed", None),
            (None, "checking", None),
            (None, "connected", Some(Connected)),
            (None, "failed", Some(Failed)),
        ] {
            assert_eq!(connectivity(connection, ice), expected, "{connection:?} {ice}");
        }
    }
}
