//! Detects that the browser keeps a page of a public server from devices with private addresses (Local Network Access,
//! WICG). Chromium then accepts the remote candidates and drops them without an error.

use std::net::IpAddr;

use hutong_protocol::IceCandidate;
use serde_json::Value;
use web_sys::PermissionState;

use super::permission;

/// Time in which a browser either uses a candidate or has dropped it, in milliseconds.
pub const DROPPED_AFTER_MS: u32 = 3_000;

/// Name of the permission (Local Network Access, "Permission").
const PERMISSION: &str = "local-network";

/// Whether a candidate has a private address (RFC 1918, RFC 6598, RFC 4193, or link-local). An mDNS name counts as none: it is
/// also dropped when nobody resolves it.
pub fn is_private(candidate: &IceCandidate) -> bool {
    // RFC 8839, section 5.1: the address is the fifth field.
    match candidate.candidate.split_ascii_whitespace().nth(4).and_then(|address| address.parse().ok()) {
        Some(IpAddr::V4(address)) => {
            let [first, second, ..] = address.octets();
            address.is_private() || address.is_link_local() || (first == 100 && (64..128).contains(&second))
        }
        Some(IpAddr::V6(address)) => address.is_unique_local() || address.is_unicast_link_local(),
        None => false,
    }
}

/// Whether a connection's statistics and the permission show that all remote candidates were dropped.
pub async fn drops_candidates(stats: &[Value]) -> bool {
    let has = |name: &str| stats.iter().any(|entry| entry.get("type").is_some_and(|kind| kind == name));
    has("local-candidate")
        && !has("remote-candidate")
        && matches!(permission::state(PERMISSION).await, Some(PermissionState::Denied | PermissionState::Prompt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_recognized() {
        for (address, expected) in [
            ("10.1.0.2", true),
            ("192.168.7.2", true),
            ("172.31.0.1", true),
            ("172.32.0.1", false),
            ("100.64.1.1", true),
            ("100.128.1.1", false),
            ("169.254.3.4", true),
            ("203.0.113.5", false),
            ("fd00::1", true),
            ("fe80::1", true),
            ("2001:db8::1", false),
            ("8ad55c71-0000-4000-8000-000000000001.local", false),
        ] {
            let candidate = IceCandidate {
                candidate: format!("candidate:1 1 udp 2122260223 {address} 50000 typ host"),
                sdp_mid: None,
                sdp_m_line_index: Some(0),
                username_fragment: None,
            };
            assert_eq!(is_private(&candidate), expected, "{address}");
        }
        let end = IceCandidate {
            candidate: String::new(),
            sdp_mid: None,
            sdp_m_line_index: Some(0),
            username_fragment: None,
        };
        assert!(!is_private(&end));
    }
}
