//! How a request reached the server, and what that permits.

/// What a connection's transport permits. Browsers decide by the same: they give camera and microphone to pages from https and from
/// loopback alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// TLS with a certificate that an authority issued. Everything, and browsers are asked to use https alone from now on (HSTS).
    WithHsts,
    /// TLS with a certificate of our own; or plain HTTP from this machine, from a trusted proxy, or to a server that has no
    /// certificate (a proxy may stand before it). Everything, but no HSTS: it would lock out whoever has to pass a warning first.
    WithoutHsts,
    /// Plain HTTP from another machine, to a server that has a certificate. The page alone, which sends people to https.
    PageOnly,
}
