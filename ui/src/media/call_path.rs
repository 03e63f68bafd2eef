//! The path of a call's media in `getStats`: direct or relayed, and over which protocol.

use serde_json::Value;

/// The path between the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallPath {
    /// Without a relay; the protocol if known.
    Direct(Option<TransportProtocol>),
    /// Over this side's relay, perhaps over one of the other side as well; the protocol between this side and its relay, if
    /// known.
    Relayed(Option<TransportProtocol>),
    /// Over the other side's relay only.
    RelayedByOtherSide,
}

/// A protocol that carries media, or a TURN client's messages (W3C: `protocol`, `relayProtocol`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportProtocol {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
}

impl TransportProtocol {
    /// The name in statistics.
    fn parse(name: &Value) -> Option<Self> {
        match name.as_str()? {
            "udp" => Some(Self::Udp),
            "tcp" => Some(Self::Tcp),
            "tls" => Some(Self::Tls),
            _ => None,
        }
    }

    /// The abbreviation, the same in every language.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }
}

impl CallPath {
    /// The path in `RTCStats` dictionaries (Identifiers for WebRTC's Statistics API, sections 8.12 and 8.13); `None` before there
    /// is one.
    pub fn of_stats(stats: &[Value]) -> Option<Self> {
        let pair = selected_pair(stats)?;
        let candidate = |id: &Value| stats.iter().find(|entry| id.is_string() && entry["id"] == *id);
        let local = candidate(&pair["localCandidateId"])?;
        let remote = candidate(&pair["remoteCandidateId"])?;
        // Behind a relay with another address outside, the local candidate is `prflx`; only relayed ones have a relay protocol.
        Some(if is_relay(local) || local["relayProtocol"].is_string() {
            Self::Relayed(TransportProtocol::parse(&local["relayProtocol"]))
        } else if is_relay(remote) || is_relayed_address(stats, remote) {
            Self::RelayedByOtherSide
        } else {
            Self::Direct(TransportProtocol::parse(&local["protocol"]))
        })
    }
}

/// The candidate pair that carries media. Some versions of Firefox have no `selectedCandidatePairId`; they have `selected`, which
/// is not in the standard.
pub fn selected_pair(stats: &[Value]) -> Option<&Value> {
    let of_type = |kind: &'static str| stats.iter().filter(move |entry| entry["type"] == kind);
    if let Some(id) = of_type("transport").find_map(|entry| entry["selectedCandidatePairId"].as_str()) {
        return of_type("candidate-pair").find(|pair| pair["id"] == id);
    }
    let is_nominated = |pair: &&Value| pair["nominated"] == true && pair["state"] == "succeeded";
    of_type("candidate-pair")
        .find(|pair| pair["selected"] == true)
        .or_else(|| of_type("candidate-pair").find(is_nominated))
}

fn is_relay(candidate: &Value) -> bool {
    candidate["candidateType"] == "relay"
}

/// Whether the other side named a candidate's address as that of its relay. A packet may arrive before that candidate does; then
/// the pair keeps the `prflx` candidate that the packet made.
fn is_relayed_address(stats: &[Value], candidate: &Value) -> bool {
    let address = |entry: &Value| Some((entry["address"].as_str()?.to_owned(), entry["port"].as_u64()?));
    let remote = stats.iter().filter(|entry| entry["type"] == "remote-candidate");
    candidate["candidateType"] == "prflx"
        && address(candidate).is_some()
        && remote.filter(|entry| is_relay(entry)).any(|entry| address(entry) == address(candidate))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn local(candidate: Value) -> Value {
        entry("local-candidate", "L", candidate)
    }

    fn remote(candidate: Value) -> Value {
        entry("remote-candidate", "R", candidate)
    }

    fn entry(kind: &str, id: &str, mut candidate: Value) -> Value {
        candidate["type"] = kind.into();
        candidate["id"] = id.into();
        candidate
    }

    /// The selected pair as Chromium, Safari and the app report it.
    fn selected() -> Vec<Value> {
        vec![
            json!({ "type": "transport", "id": "T", "selectedCandidatePairId": "P" }),
            json!({ "type": "candidate-pair", "id": "P0", "nominated": true, "state": "succeeded" }),
            json!({ "type": "candidate-pair", "id": "P", "localCandidateId": "L", "remoteCandidateId": "R" }),
        ]
    }

    #[test]
    fn the_candidates_of_the_selected_pair_decide_the_path() {
        use CallPath::{Direct, Relayed, RelayedByOtherSide};
        use TransportProtocol::{Tcp, Tls, Udp};
        let host = || json!({ "candidateType": "host", "protocol": "udp" });
        let relay = |protocol: &str| json!({ "candidateType": "relay", "protocol": "udp", "relayProtocol": protocol });
        for (of_this_side, of_the_other, expected) in [
            (host(), host(), Direct(Some(Udp))),
            (json!({ "candidateType": "prflx", "protocol": "tcp" }), host(), Direct(Some(Tcp))),
            (json!({ "candidateType": "srflx" }), json!({ "candidateType": "prflx" }), Direct(None)),
            (relay("udp"), host(), Relayed(Some(Udp))),
            (relay("tcp"), json!({ "candidateType": "srflx" }), Relayed(Some(Tcp))),
            (relay("tls"), relay("udp"), Relayed(Some(Tls))),
            (json!({ "candidateType": "relay", "protocol": "udp" }), host(), Relayed(None)),
            (
                json!({ "candidateType": "prflx", "protocol": "udp", "relayProtocol": "udp" }),
                host(),
                Relayed(Some(Udp)),
            ),
            (host(), json!({ "candidateType": "relay", "protocol": "udp" }), RelayedByOtherSide),
        ] {
            let mut stats = selected();
            stats.extend([local(of_this_side), remote(of_the_other)]);
            assert_eq!(CallPath::of_stats(&stats), Some(expected), "{stats:?}");
        }
    }

    #[test]
    fn a_learned_address_counts_as_the_relay_that_the_other_side_named() {
        let learned = json!({ "candidateType": "prflx", "address": "192.0.2.7", "port": 4000 });
        let mut stats = selected();
        stats.extend([local(json!({ "candidateType": "host", "protocol": "udp" })), remote(learned)]);
        for (port, expected) in
            [(4001, CallPath::Direct(Some(TransportProtocol::Udp))), (4000, CallPath::RelayedByOtherSide)]
        {
            let named = json!({ "candidateType": "relay", "address": "192.0.2.7", "port": port });
            stats.push(entry("remote-candidate", "N", named));
            assert_eq!(CallPath::of_stats(&stats), Some(expected), "port {port}");
        }
    }

    /// Firefox lists each pair that was ever nominated; versions with `selected` mark the current one.
    #[test]
    fn without_a_selected_pair_id_the_marked_or_nominated_pair_counts() {
        let pair = |id: &str, nominated: bool, state: &str| json!({ "type": "candidate-pair", "id": id, "nominated": nominated, "state": state });
        let mut stats = vec![
            json!({ "type": "transport", "id": "T" }),
            pair("a", true, "failed"),
            pair("b", false, "succeeded"),
            pair("c", true, "succeeded"),
            pair("d", true, "succeeded"),
        ];
        assert_eq!(selected_pair(&stats).unwrap()["id"], "c");
        stats[4]["selected"] = true.into();
        assert_eq!(selected_pair(&stats).unwrap()["id"], "d");
    }

    #[test]
    fn incomplete_stats_give_no_path() {
        let mut stats = selected();
        assert_eq!(CallPath::of_stats(&stats), None, "no candidates");
        stats.push(local(json!({ "candidateType": "relay" })));
        assert_eq!(CallPath::of_stats(&stats), None, "no remote candidate");
        assert_eq!(CallPath::of_stats(&[json!({ "type": "candidate-pair" }), json!(null)]), None);
    }
}
