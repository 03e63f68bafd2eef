//! Types of the candidates of a call, to tell the person which paths a failed call tried.

use hutong_protocol::IceCandidate;

use crate::view::PathsTried;

/// Whether this side gathered candidates, and relayed ones among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CandidateTypes {
    /// No candidate.
    #[default]
    None,
    /// Candidates for direct paths only.
    Direct,
    /// A relayed candidate, and perhaps others.
    Relayed,
    /// Any, which are of no use: the browser drops the other side's (Local Network Access).
    Blocked,
}

impl CandidateTypes {
    /// The types with one more candidate. An empty one only marks the end of candidates (RFC 8838, section 13).
    #[must_use]
    pub fn with(self, candidate: &IceCandidate) -> Self {
        // RFC 8839, section 5.1: "typ" and the type follow the address and the port.
        let mut fields = candidate.candidate.split_ascii_whitespace().skip_while(|field| *field != "typ");
        match (self, fields.nth(1)) {
            (Self::None | Self::Direct, Some("relay")) => Self::Relayed,
            (Self::None, Some(_)) => Self::Direct,
            _ => self,
        }
    }

    /// The types once the browser is known to drop the other side's candidates. Without own ones that is not known.
    pub const fn blocked(self) -> Self {
        match self {
            Self::None => Self::None,
            Self::Direct | Self::Relayed | Self::Blocked => Self::Blocked,
        }
    }

    /// The paths that were tried with these candidates.
    #[must_use]
    pub const fn paths_tried(self, has_relay: bool) -> PathsTried {
        match (self, has_relay) {
            (Self::None, _) => PathsTried::Nothing,
            (Self::Direct, false) => PathsTried::Direct,
            (Self::Direct, true) => PathsTried::DirectRelaySilent,
            (Self::Relayed, _) => PathsTried::DirectAndRelay,
            (Self::Blocked, _) => PathsTried::LocalNetworkBlocked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "candidate:1 1 udp 2122260223 10.0.0.7 50000 typ host generation 0 ufrag ab";
    const REFLEXIVE: &str = "candidate:2 1 udp 1686052607 203.0.113.9 50000 typ srflx raddr 10.0.0.7 rport 50000";
    const RELAYED: &str = "candidate:3 1 udp 41885439 203.0.113.1 49160 typ relay raddr 203.0.113.9 rport 50000";

    fn types(candidates: &[&str]) -> CandidateTypes {
        candidates.iter().fold(CandidateTypes::None, |types, candidate| {
            types.with(&IceCandidate {
                candidate: (*candidate).to_owned(),
                sdp_mid: None,
                sdp_m_line_index: Some(0),
                username_fragment: None,
            })
        })
    }

    #[test]
    fn the_paths_tried_follow_from_the_candidates_and_from_what_the_server_offers() {
        for (candidates, has_relay, expected) in [
            (vec![], true, PathsTried::Nothing),
            (vec!["", "candidate:1 1 udp typ"], false, PathsTried::Nothing),
            (vec![HOST, REFLEXIVE, ""], false, PathsTried::Direct),
            (vec![HOST, REFLEXIVE, ""], true, PathsTried::DirectRelaySilent),
            (vec![HOST, RELAYED, REFLEXIVE, ""], true, PathsTried::DirectAndRelay),
            (vec![RELAYED], true, PathsTried::DirectAndRelay),
        ] {
            assert_eq!(types(&candidates).paths_tried(has_relay), expected, "{candidates:?} {has_relay}");
        }
    }
}
