//! The backend that connects by the browser's own `RTCPeerConnection`.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
};

use futures_util::FutureExt;
use hutong_core::Connectivity;
use hutong_protocol::{IceCandidate, IceServer};
use js_sys::{Array, Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Event, EventTarget, MediaStream, MediaStreamTrack, MessageEvent, RtcBundlePolicy, RtcConfiguration, RtcDataChannel,
    RtcDataChannelInit, RtcDataChannelState, RtcOfferOptions, RtcPeerConnection, RtcRtpSender, RtcRtpTransceiver,
    RtcRtpTransceiverDirection, RtcRtpTransceiverInit, RtcSdpType, RtcSessionDescriptionInit, RtcSignalingState,
    RtcTrackEvent,
};
use yew::Callback;

use super::{
    connection::{Connection, ConnectionEvent, Failed, Pending, TrackKind},
    status,
};
use crate::dom::{self, Listener};

/// Whether this browser or webview has peer connections.
pub fn is_here() -> bool {
    dom::window().is_some_and(|window| dom::property(&JsValue::from(window), "RTCPeerConnection").is_some())
}

/// Makes a connection with nothing to send yet.
pub fn connect(ice_servers: &[IceServer], events: Callback<ConnectionEvent>) -> Result<Rc<dyn Connection>, Failed> {
    let configuration = RtcConfiguration::new();
    configuration.set_ice_servers(&dom::to_js(&ice_servers).ok_or(Failed)?);
    configuration.set_bundle_policy(RtcBundlePolicy::MaxBundle);
    Reflect::set(&configuration, &"iceCandidatePoolSize".into(), &0.into())?;
    let raw = RtcPeerConnection::new_with_configuration(&configuration)?;
    let agreed = RtcDataChannelInit::new();
    agreed.set_negotiated(true);
    agreed.set_id(status::NUMBER);
    let channel = raw.create_data_channel_with_data_channel_dict(status::LABEL, &agreed);
    let lanes = Rc::new(Lanes { raw: raw.clone(), together: MediaStream::new()?, lanes: RefCell::default() });
    let connection = Rc::new_cyclic(|me: &Weak<Browser>| Browser {
        listeners: RefCell::new(listeners(me, &raw, &channel)),
        raw,
        channel,
        lanes,
        state: Cell::new(None),
        events,
    });
    Ok(connection)
}

/// A peer connection. Closed when dropped.
struct Browser {
    raw: RtcPeerConnection,
    channel: RtcDataChannel,
    lanes: Rc<Lanes>,
    state: Cell<Option<Connectivity>>,
    events: Callback<ConnectionEvent>,
    listeners: RefCell<Vec<Listener>>,
}

impl Connection for Browser {
    fn offer(&self, restart_ice: bool) -> Pending<String> {
        let (raw, lanes) = (self.raw.clone(), Rc::clone(&self.lanes));
        async move {
            lanes.open();
            let options = RtcOfferOptions::new();
            options.set_ice_restart(restart_ice);
            set_local(&raw, RtcSdpType::Offer, raw.create_offer_with_rtc_offer_options(&options)).await
        }
        .boxed_local()
    }

    fn answer(&self, offer: &str) -> Pending<String> {
        let set = self.set_remote(RtcSdpType::Offer, offer);
        let (raw, lanes) = (self.raw.clone(), Rc::clone(&self.lanes));
        async move {
            set.await?;
            lanes.take_up().await?;
            set_local(&raw, RtcSdpType::Answer, raw.create_answer()).await
        }
        .boxed_local()
    }

    fn accept(&self, answer: &str) -> Pending<()> {
        self.set_remote(RtcSdpType::Answer, answer)
    }

    fn offered(&self) -> bool {
        self.raw.signaling_state() == RtcSignalingState::HaveLocalOffer
    }

    fn add_candidate(&self, candidate: &IceCandidate) -> Pending<()> {
        let Some(candidate) = dom::to_js(candidate) else { return failed() };
        done(self.raw.add_ice_candidate_with_opt_rtc_ice_candidate_init(Some(candidate.unchecked_ref())))
    }

    fn send(&self, kind: TrackKind, track: Option<&MediaStreamTrack>) -> Pending<()> {
        self.lanes.send(kind, track)
    }

    fn send_text(&self, text: &str) {
        if self.channel.ready_state() == RtcDataChannelState::Open {
            // Whatever it could not say is said again by the next change.
            self.channel.send_with_str(text).ok();
        }
    }

    fn stats(&self) -> Pending<Vec<serde_json::Value>> {
        let report = JsFuture::from(self.raw.get_stats());
        async move {
            let report = report.await?;
            // It is like a Map, and none.
            let values: Function = dom::property(&report, "values").and_then(|it| it.dyn_into().ok()).ok_or(Failed)?;
            Ok(Array::from(&values.call0(&report)?).iter().filter_map(|entry| dom::from_js(&entry)).collect())
        }
        .boxed_local()
    }

    fn close(&self) {
        self.listeners.borrow_mut().clear();
        self.raw.close();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.raw.close();
    }
}

impl Browser {
    fn set_remote(&self, kind: RtcSdpType, sdp: &str) -> Pending<()> {
        let description = RtcSessionDescriptionInit::new(kind);
        description.set_sdp(sdp);
        done(self.raw.set_remote_description(&description))
    }

    fn found(&self, event: &JsValue) {
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

    fn changed(&self) {
        let ice = dom::text_property(&self.raw, "iceConnectionState").unwrap_or_default();
        let whole = dom::text_property(&self.raw, "connectionState");
        let state = connectivity(whole.as_deref(), &ice);
        if self.state.replace(state) != state
            && let Some(state) = state
        {
            self.events.emit(ConnectionEvent::State(state));
        }
    }

    fn heard(&self, event: &Event) {
        if let Some(text) = event.dyn_ref::<MessageEvent>().and_then(|event| event.data().as_string()) {
            self.events.emit(ConnectionEvent::ChannelText(text));
        }
    }
}

/// What carries one kind of track.
#[derive(Default)]
struct Lane {
    /// What is to be sent, also while there is no transceiver yet.
    track: Option<MediaStreamTrack>,
    transceiver: Option<RtcRtpTransceiver>,
}

/// The transceivers: one for each kind, made by whoever offers first, and both ways from the start.
struct Lanes {
    raw: RtcPeerConnection,
    /// Empty: its name alone tells the other side that voice and picture belong together, to be played in step.
    together: MediaStream,
    /// In the order of [`TrackKind::ALL`].
    lanes: RefCell<[Lane; 2]>,
}

impl Lanes {
    /// Makes the transceivers, before the first own offer.
    fn open(&self) {
        for (kind, lane) in TrackKind::ALL.into_iter().zip(self.lanes.borrow_mut().iter_mut()) {
            if lane.transceiver.is_some() {
                continue;
            }
            let init = RtcRtpTransceiverInit::new();
            init.set_direction(RtcRtpTransceiverDirection::Sendrecv);
            Reflect::set(&init, &"streams".into(), &Array::of1(&self.together)).ok();
            lane.transceiver = Some(match &lane.track {
                Some(track) => self.raw.add_transceiver_with_media_stream_track_and_init(track, &init),
                None => self.raw.add_transceiver_with_str_and_init(kind.name(), &init),
            });
        }
    }

    /// Takes up the transceivers that the other side's offer has made. They would only receive.
    async fn take_up(&self) -> Result<(), Failed> {
        let mut sent = Vec::new();
        for transceiver in self.raw.get_transceivers().iter() {
            let transceiver: RtcRtpTransceiver = transceiver.unchecked_into();
            let kind = TrackKind::of(&transceiver.receiver().track());
            if self.lanes.borrow()[kind as usize].transceiver.is_some() {
                continue;
            }
            transceiver.set_direction(RtcRtpTransceiverDirection::Sendrecv);
            let sender = transceiver.sender();
            // Firefox has it from 113 on. Without it sound and picture may be a little apart.
            if let Some(set_streams) =
                dom::property(&sender, "setStreams").and_then(|it| it.dyn_into::<Function>().ok())
            {
                set_streams.call1(&sender, &self.together)?;
            }
            let track = {
                let lane = &mut self.lanes.borrow_mut()[kind as usize];
                lane.transceiver = Some(transceiver);
                lane.track.clone()
            };
            if track.is_some() {
                sent.push(replace(&sender, track.as_ref()));
            }
        }
        for sent in sent {
            sent.await?;
        }
        Ok(())
    }

    fn send(&self, kind: TrackKind, track: Option<&MediaStreamTrack>) -> Pending<()> {
        let lane = &mut self.lanes.borrow_mut()[kind as usize];
        lane.track = track.cloned();
        match &lane.transceiver {
            Some(transceiver) => replace(&transceiver.sender(), track),
            None => async { Ok(()) }.boxed_local(),
        }
    }
}

fn listeners(me: &Weak<Browser>, raw: &RtcPeerConnection, channel: &RtcDataChannel) -> Vec<Listener> {
    let on = |target: &EventTarget, name: &'static str, act: fn(&Browser, Event)| {
        let me = Weak::clone(me);
        Listener::new(target, name, move |event| {
            if let Some(me) = me.upgrade() {
                act(&me, event);
            }
        })
    };
    vec![
        on(raw, "icecandidate", |me, event| me.found(&event)),
        on(raw, "connectionstatechange", |me, _| me.changed()),
        on(raw, "iceconnectionstatechange", |me, _| me.changed()),
        on(raw, "track", |me, event| {
            if let Ok(event) = event.dyn_into::<RtcTrackEvent>() {
                me.events.emit(ConnectionEvent::Track(event.track()));
            }
        }),
        on(channel, "open", |me, _| me.events.emit(ConnectionEvent::ChannelOpen)),
        on(channel, "message", |me, event| me.heard(&event)),
    ]
}

fn replace(sender: &RtcRtpSender, track: Option<&MediaStreamTrack>) -> Pending<()> {
    done(sender.replace_track(track))
}

fn done(promise: Promise) -> Pending<()> {
    async move { Ok(JsFuture::from(promise).await.map(drop)?) }.boxed_local()
}

fn failed() -> Pending<()> {
    async { Err(Failed) }.boxed_local()
}

async fn set_local(raw: &RtcPeerConnection, kind: RtcSdpType, made: Promise) -> Result<String, Failed> {
    let made = JsFuture::from(made).await?;
    let sdp = dom::text_property(&made, "sdp").ok_or(Failed)?;
    let description = RtcSessionDescriptionInit::new(kind);
    description.set_sdp(&sdp);
    JsFuture::from(raw.set_local_description(&description)).await?;
    Ok(sdp)
}

/// From `connectionState` (Firefox has it from 113 on) and `iceConnectionState`. ICE is heard as well as the whole: Safari
/// and Firefox tell of a loss there first, and Firefox's "ICE failed" only there in old versions.
fn connectivity(whole: Option<&str>, ice: &str) -> Option<Connectivity> {
    match (whole, ice) {
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
    fn connectivity_is_read_from_both_states() {
        use Connectivity::{Connected, Disconnected, Failed};
        for (whole, ice, expected) in [
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
            assert_eq!(connectivity(whole, ice), expected, "{whole:?} {ice}");
        }
    }
}
