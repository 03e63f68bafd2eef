//! Security level of a connection's transport, and what it permits.

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
