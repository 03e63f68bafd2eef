//! Numbers of the relay for metrics and tests.

/// Events of a relay since it was created, and its present size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayCounters {
    /// Open allocations.
    pub allocations: usize,
    /// Users with an open allocation.
    pub users: usize,
    /// Allocations that were created.
    pub created: u64,
    /// Allocate requests that were refused because of a limit.
    pub over_limit: u64,
    /// Requests with wrong or expired credentials. A request without credentials, which asks for a nonce, does not count.
    pub unauthorized: u64,
    /// Packets passed from one allocation to another.
    pub relayed_packets: u64,
    /// Bytes of their payloads.
    pub relayed_bytes: u64,
    /// Packets dropped because their sender, or all senders together, exceeded the byte rate.
    pub rate_limited_packets: u64,
    /// Requests without credentials that were not answered, because their sources sent too many.
    pub ignored_requests: u64,
}
