//! Path of a call's media, from a browser's statistics: direct, or through a relay.

use std::{
    fmt,
    time::{Duration, Instant},
};

use futures_util::future::try_join;
use serde::{Deserialize, Serialize};

use crate::{
    Result, TestPage, bail,
    call_steps::{CallKind, ring},
    ensure,
    page::UI_TIMEOUT,
};

/// How packets of a call travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallPath {
    /// From one device to the other.
    Direct,
    /// Through a TURN server on at least one side.
    Relayed,
}

impl fmt::Display for CallPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::Relayed => "relayed",
        })
    }
}

/// One candidate of a pair (W3C webrtc-stats: `RTCIceCandidateStats`).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// `host`, `srflx`, `prflx` or `relay`.
    pub candidate_type: String,
    /// Its address, if the browser shows it.
    pub address: Option<String>,
}

/// The selected candidate pair of a page's call.
#[derive(Clone, Debug, Deserialize)]
pub struct SelectedPair {
    /// The page's own candidate.
    pub local: Candidate,
    /// The other side's candidate.
    pub remote: Candidate,
}

impl SelectedPair {
    /// Whether it is relayed. A relayed candidate that was not signalled yet is seen as a peer-reflexive one, at the relay's
    /// address.
    #[must_use]
    pub fn path(&self, relay_addresses: &[String]) -> CallPath {
        let is_relay = |candidate: &Candidate| {
            candidate.candidate_type == "relay"
                || candidate.address.as_ref().is_some_and(|address| relay_addresses.contains(address))
        };
        if is_relay(&self.local) || is_relay(&self.remote) { CallPath::Relayed } else { CallPath::Direct }
    }
}

/// JavaScript: the path in the call's details, which are opened and closed again.
const SHOWN_PATH: &str = r#"
    if (!one("details")) one("call").dispatchEvent(new KeyboardEvent("keydown", { key: "i", bubbles: true }));
    const shown = one("path");
    return shown && shown.innerText !== "–" ? shown.innerText : null"#;

/// JavaScript: the selected pair of the page's open peer connection.
const SELECTED_PAIR: &str = r#"
    for (const peer of e2e.openPeers()) {
        const stats = await peer.getStats();
        for (const transport of stats.values()) {
            const pair = transport.type === "transport" && stats.get(transport.selectedCandidatePairId);
            if (!pair) continue;
            return { local: stats.get(pair.localCandidateId), remote: stats.get(pair.remoteCandidateId) };
        }
    }
    return null"#;

/// JavaScript: whether video has arrived, and audio in a browser. A webview's audio cannot be read without the sampler.
const MEDIA_HAS_ARRIVED: &str = r#"
    if (typeof RTCPeerConnection !== "undefined") {
        const got = await e2e.receivedTotals();
        return got.frames > 0 && got.energy > 0;
    }
    const video = one("remote-video");
    return video && video.getVideoPlaybackQuality().totalVideoFrames > 0"#;

impl TestPage {
    /// The selected candidate pair of the page's call.
    ///
    /// # Errors
    ///
    /// Returns an error for the app's page, which has no peer connections, and without a selected pair.
    pub async fn selected_pair(&self) -> Result<SelectedPair> {
        match self.run::<Option<SelectedPair>>(SELECTED_PAIR).await? {
            Some(pair) => Ok(pair),
            None => bail!("{}: no selected candidate pair", self.name()),
        }
    }

    /// The path of the call's media in the words of the call's details, such as `Relayed, over TCP`.
    ///
    /// # Errors
    ///
    /// Returns an error when no path is shown.
    pub async fn shown_path(&self) -> Result<String> {
        self.wait_until(
            "the path in the call's details",
            UI_TIMEOUT,
            &format!("return (() => {{ {SHOWN_PATH} }})() !== null"),
        )
        .await?;
        let shown = self.run(SHOWN_PATH).await?;
        self.press("details-close").await?;
        Ok(shown)
    }

    /// Waits until the first media of a video call has arrived.
    ///
    /// # Errors
    ///
    /// Returns an error when the limit passes.
    pub async fn wait_until_media_arrives(&self, limit: Duration) -> Result<()> {
        self.wait_until("the first video and audio", limit, MEDIA_HAS_ARRIVED).await
    }
}

/// Calls and answers with video. Returns the time from the pressed button until media arrived on both sides.
///
/// # Errors
///
/// Returns an error when it does not arrive within `limit`.
pub async fn call_and_answer(caller: &TestPage, called: &TestPage, limit: Duration) -> Result<Duration> {
    ring(caller, called, CallKind::Video).await?;
    let answered = Instant::now();
    called.press(CallKind::Video.accept_button()).await?;
    try_join(wait_for_media(caller, answered, limit), wait_for_media(called, answered, limit)).await?;
    let set_up = answered.elapsed();
    ensure!(set_up <= limit, "media arrived {set_up:?} after the answer");
    Ok(set_up)
}

async fn wait_for_media(page: &TestPage, answered: Instant, limit: Duration) -> Result<()> {
    page.wait_for_phase("connected", limit).await?;
    let connected = answered.elapsed().as_secs_f32();
    page.wait_until_media_arrives(limit).await?;
    let media = answered.elapsed().as_secs_f32();
    println!("{}: connected {connected:.1} s after the answer, media after {media:.1} s", page.name());
    Ok(())
}

/// Checks that a call takes the expected path, if there is one.
///
/// It is read from the statistics of the pages that are browsers, of which the called one is, and from the call's details on both.
/// Returns what the details say, the caller's first.
///
/// # Errors
///
/// Returns an error when a page uses or shows another path.
pub async fn ensure_path(
    caller: &TestPage,
    called: &TestPage,
    expected: Option<CallPath>,
    relay_addresses: &[String],
) -> Result<[String; 2]> {
    let mut shown = Vec::new();
    for page in [caller, called] {
        let text = page.shown_path().await?;
        if let Some(expected) = expected {
            let is_expected = text.to_lowercase().starts_with(&expected.to_string());
            ensure!(is_expected, "{}: expected {expected}, shown: {text}", page.name());
            if !page.is_webview() {
                let pair = page.selected_pair().await?;
                ensure!(pair.path(relay_addresses) == expected, "{}: expected {expected}, not {pair:?}", page.name());
            }
        }
        shown.push(text);
    }
    println!("{}", shown.join("; "));
    Ok(shown.try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(local: &str, remote: &str, remote_address: &str) -> SelectedPair {
        let candidate = |kind: &str, address: &str| Candidate {
            candidate_type: kind.to_owned(),
            address: Some(address.to_owned()),
        };
        SelectedPair { local: candidate(local, "10.0.0.2"), remote: candidate(remote, remote_address) }
    }

    #[test]
    fn a_relayed_candidate_on_either_side_makes_the_path_relayed() {
        let relay = ["203.0.113.10".to_owned()];
        for (local, remote, address, expected) in [
            ("host", "host", "10.0.1.2", CallPath::Direct),
            ("srflx", "prflx", "198.51.100.1", CallPath::Direct),
            ("relay", "srflx", "198.51.100.1", CallPath::Relayed),
            ("host", "relay", "203.0.113.10", CallPath::Relayed),
            ("host", "prflx", "203.0.113.10", CallPath::Relayed),
        ] {
            assert_eq!(pair(local, remote, address).path(&relay), expected, "{local} {remote} {address}");
        }
    }
}
