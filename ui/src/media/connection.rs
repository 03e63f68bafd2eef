//! One `RTCPeerConnection`: making it, its descriptions and candidates. What to do when is [`super::peer`]'s.

use hutong_core::Connectivity;
use hutong_protocol::{IceCandidate, IceServer, SdpKind};
use js_sys::{Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    MediaStream, MediaStreamTrack, RtcBundlePolicy, RtcConfiguration, RtcDataChannel, RtcDataChannelInit,
    RtcOfferOptions, RtcPeerConnection, RtcRtpSender, RtcRtpTransceiverDirection, RtcRtpTransceiverInit, RtcSdpType,
    RtcSessionDescriptionInit, RtcSignalingState,
};

use super::{devices, status};
use crate::dom;

/// A step that failed, for reasons that only a developer could read.
#[derive(Clone, Copy, Debug)]
pub struct Failed;

impl From<JsValue> for Failed {
    fn from(_: JsValue) -> Self {
        Self
    }
}

/// One peer connection. Closed when dropped.
pub struct Connection {
    raw: RtcPeerConnection,
    status: RtcDataChannel,
}

impl Connection {
    /// Makes it, with nothing to send yet.
    pub fn new(ice_servers: &[IceServer]) -> Result<Self, Failed> {
        let configuration = RtcConfiguration::new();
        configuration.set_ice_servers(&dom::to_js(&ice_servers).ok_or(Failed)?);
        configuration.set_bundle_policy(RtcBundlePolicy::MaxBundle);
        Reflect::set(&configuration, &"iceCandidatePoolSize".into(), &0.into())?;
        let raw = RtcPeerConnection::new_with_configuration(&configuration)?;
        let agreed = RtcDataChannelInit::new();
        agreed.set_negotiated(true);
        agreed.set_id(status::NUMBER);
        let status = raw.create_data_channel_with_data_channel_dict(status::LABEL, &agreed);
        Ok(Self { raw, status })
    }

    /// Sends these tracks, as of the next description.
    pub fn send(&self, local: &MediaStream) {
        for track in devices::tracks(local) {
            self.raw.add_track_0(&track, local);
        }
    }

    /// For listening to its events.
    pub fn raw(&self) -> &RtcPeerConnection {
        &self.raw
    }

    /// The channel for [`status`].
    pub fn status(&self) -> &RtcDataChannel {
        &self.status
    }

    /// Handles for one asynchronous step, which must not hold on to the connection itself.
    pub fn negotiation(&self) -> Negotiation {
        Negotiation { raw: self.raw.clone() }
    }

    /// Who sends tracks of this kind.
    pub fn sender(&self, kind: &str) -> Option<RtcRtpSender> {
        let senders = self.raw.get_transceivers();
        senders.iter().find_map(|transceiver| {
            let receiver = dom::property(&transceiver, "receiver")?;
            let track: MediaStreamTrack = dom::property(&receiver, "track")?.dyn_into().ok()?;
            if track.kind() != kind {
                return None;
            }
            dom::property(&transceiver, "sender")?.dyn_into().ok()
        })
    }

    /// How it stands; `None` while it is being made, and once it is closed.
    pub fn connectivity(&self) -> Option<Connectivity> {
        let ice = dom::text_property(&self.raw, "iceConnectionState").unwrap_or_default();
        let whole = dom::text_property(&self.raw, "connectionState");
        connectivity(whole.as_deref(), &ice)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.raw.close();
    }
}

/// Descriptions and candidates.
pub struct Negotiation {
    raw: RtcPeerConnection,
}

impl Negotiation {
    /// Asks for a picture even where there is none to send, so that every first offer has both.
    pub fn receive_video(&self) {
        let only = RtcRtpTransceiverInit::new();
        only.set_direction(RtcRtpTransceiverDirection::Recvonly);
        self.raw.add_transceiver_with_str_and_init("video", &only);
    }

    /// Makes an offer and sets it.
    pub async fn offer(&self, restart_ice: bool) -> Result<String, Failed> {
        let options = RtcOfferOptions::new();
        options.set_ice_restart(restart_ice);
        self.set_local(RtcSdpType::Offer, self.raw.create_offer_with_rtc_offer_options(&options)).await
    }

    /// Makes an answer and sets it.
    pub async fn answer(&self) -> Result<String, Failed> {
        self.set_local(RtcSdpType::Answer, self.raw.create_answer()).await
    }

    /// Sets the other side's description.
    pub async fn set_remote(&self, kind: SdpKind, sdp: &str) -> Result<(), Failed> {
        let description = RtcSessionDescriptionInit::new(match kind {
            SdpKind::Offer => RtcSdpType::Offer,
            SdpKind::Answer => RtcSdpType::Answer,
        });
        description.set_sdp(sdp);
        JsFuture::from(self.raw.set_remote_description(&description)).await?;
        Ok(())
    }

    /// Whether an own offer waits for its answer.
    pub fn offered(&self) -> bool {
        self.raw.signaling_state() == RtcSignalingState::HaveLocalOffer
    }

    /// Adds the other side's candidate. One that does not fit is passed over: others do.
    pub async fn add(&self, candidate: &IceCandidate) {
        let Some(candidate) = dom::to_js(candidate) else { return };
        let promise = self.raw.add_ice_candidate_with_opt_rtc_ice_candidate_init(Some(candidate.unchecked_ref()));
        drop(JsFuture::from(promise).await);
    }

    async fn set_local(&self, kind: RtcSdpType, made: Promise) -> Result<String, Failed> {
        let made = JsFuture::from(made).await?;
        let sdp = dom::text_property(&made, "sdp").ok_or(Failed)?;
        let description = RtcSessionDescriptionInit::new(kind);
        description.set_sdp(&sdp);
        JsFuture::from(self.raw.set_local_description(&description)).await?;
        Ok(sdp)
    }
}

/// A candidate as the event has it; `None` says that all were gathered.
pub fn candidate(event: &JsValue) -> Option<IceCandidate> {
    match dom::property(event, "candidate") {
        Some(candidate) => dom::from_js(&candidate),
        None => Some(IceCandidate {
            candidate: String::new(),
            sdp_mid: None,
            sdp_m_line_index: None,
            username_fragment: None,
        }),
    }
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
