//! Security level of a connection's transport, and what it permits.

use std::net::{IpAddr, SocketAddr};

/// What a connection's transport permits. It follows browsers, which give camera and microphone only to pages from https or
/// loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// TLS with a certificate issued by a CA. Permits everything, and responses set HSTS (RFC 6797): use https from now on.
    WithHsts,
    /// TLS with a self-signed certificate; or plain HTTP from this machine, from a trusted proxy, or to a server without a
    /// certificate, which may be behind a proxy. Permits everything. No HSTS: it would forbid users to pass the browser's warning
    /// about a self-signed certificate.
    WithoutHsts,
    /// Plain HTTP from another machine to a server with a certificate. Permits only the web page, which links to https.
    PageOnly,
}

/// Scheme of the URLs that a connection serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UrlScheme {
    Http,
    Https,
}

/// Whether a peer is on this machine.
pub(crate) fn is_local(peer: SocketAddr) -> bool {
    let address: IpAddr = peer.ip().to_canonical();
    address.is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_recognized_in_both_address_families() {
        for (peer, local) in [
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("192.0.2.1:1", false),
            ("[::ffff:192.0.2.1]:1", false),
            ("[2001:db8::1]:1", false),
        ] {
            assert_eq!(is_local(peer.parse().unwrap()), local, "{peer}");
        }
    }
}
