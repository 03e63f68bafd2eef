//! Network address translator of a home network (RFC 4787). It does no I/O and has no clock.

use std::{
    collections::{HashMap, HashSet},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    time::{Duration, Instant},
};

use super::packet::{Endpoints, Transport, set_destination, set_source};

/// Which packets of an inside endpoint share an external port (RFC 4787, section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatMapping {
    /// All of them.
    EndpointIndependent,
    /// Those to one remote address and port.
    AddressAndPortDependent,
}

/// Whose packets an external port lets in (RFC 4787, section 5). For TCP it is always address- and port-dependent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatFiltering {
    /// Everybody's.
    EndpointIndependent,
    /// Those of remote addresses that the inside endpoint has sent to.
    AddressDependent,
    /// Those of remote addresses and ports that the inside endpoint has sent to.
    AddressAndPortDependent,
}

/// Behaviour of a NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatBehaviour {
    /// Which packets share an external port.
    pub mapping: NatMapping,
    /// Whose packets an external port lets in.
    pub filtering: NatFiltering,
}

/// The names are those of RFC 3489, which people use.
impl NatBehaviour {
    /// One external port for each inside endpoint, open to everybody.
    pub const FULL_CONE: Self =
        Self { mapping: NatMapping::EndpointIndependent, filtering: NatFiltering::EndpointIndependent };

    /// One external port for each inside endpoint, open to remote addresses that it has sent to.
    pub const RESTRICTED: Self =
        Self { mapping: NatMapping::EndpointIndependent, filtering: NatFiltering::AddressDependent };

    /// One external port for each inside endpoint, open to remote addresses and ports that it has sent to.
    pub const PORT_RESTRICTED: Self =
        Self { mapping: NatMapping::EndpointIndependent, filtering: NatFiltering::AddressAndPortDependent };

    /// Another external port for each remote address and port.
    pub const SYMMETRIC: Self =
        Self { mapping: NatMapping::AddressAndPortDependent, filtering: NatFiltering::AddressAndPortDependent };
}

/// Time after which an unused UDP mapping expires (RFC 4787, REQ-5: at least 2 minutes).
pub const UDP_IDLE: Duration = Duration::from_secs(120);

/// Time after which an unused TCP mapping expires (RFC 5382, REQ-5: at least 2 hours and 4 minutes).
pub const TCP_IDLE: Duration = Duration::from_secs(7_440);

/// Most mappings at a time.
pub const MAX_MAPPINGS: usize = 1_024;

/// Most remote endpoints that one mapping lets in.
const MAX_PERMITTED: usize = 256;

/// External ports. Unlike those of browsers and systems, so that no port is the same on both sides by chance.
const EXTERNAL_PORTS: std::ops::Range<u16> = 10_000..30_000;

/// What packets with the same external port have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct MappingKey {
    transport: Transport,
    inside: SocketAddrV4,
    /// Only with [`NatMapping::AddressAndPortDependent`].
    remote: Option<SocketAddrV4>,
}

/// One mapping between an inside endpoint and an external port.
#[derive(Debug)]
struct Mapping {
    key: MappingKey,
    permitted: HashSet<SocketAddrV4>,
    /// Time of the last packet from inside: packets from outside keep no mapping alive (RFC 4787, REQ-6).
    last_sent: Instant,
}

impl Mapping {
    fn is_expired(&self, now: Instant) -> bool {
        let idle = match self.key.transport {
            Transport::Tcp => TCP_IDLE,
            Transport::Udp => UDP_IDLE,
        };
        now.duration_since(self.last_sent) >= idle
    }

    fn lets_in(&self, remote: SocketAddrV4, filtering: NatFiltering) -> bool {
        match filtering {
            NatFiltering::EndpointIndependent => true,
            NatFiltering::AddressDependent => self.permitted.iter().any(|permitted| permitted.ip() == remote.ip()),
            NatFiltering::AddressAndPortDependent => self.permitted.contains(&remote),
        }
    }
}

/// A NAT with one external address. It passes TCP and UDP over IPv4, and has no hairpinning.
#[derive(Debug)]
pub struct Nat {
    behaviour: NatBehaviour,
    external: Ipv4Addr,
    rng: fastrand::Rng,
    mappings: HashMap<(Transport, u16), Mapping>,
    external_ports: HashMap<MappingKey, u16>,
}

impl Nat {
    /// Creates a NAT without mappings. Its external ports follow from the seed.
    #[must_use]
    pub fn new(behaviour: NatBehaviour, external: Ipv4Addr, seed: u64) -> Self {
        Self {
            behaviour,
            external,
            rng: fastrand::Rng::with_seed(seed),
            mappings: HashMap::new(),
            external_ports: HashMap::new(),
        }
    }

    /// Translates a packet from inside. `None` if it is dropped.
    pub fn translate_outbound(&mut self, packet: &mut [u8], now: Instant) -> Option<()> {
        let (transport, inside, remote) = ipv4_endpoints(packet)?;
        if *remote.ip() == self.external {
            return None;
        }
        let remote_in_key = match self.behaviour.mapping {
            NatMapping::EndpointIndependent => None,
            NatMapping::AddressAndPortDependent => Some(remote),
        };
        let key = MappingKey { transport, inside, remote: remote_in_key };
        let port = self.current_port(key, now).or_else(|| self.add_mapping(key, now))?;
        let mapping = self.mappings.get_mut(&(transport, port))?;
        if mapping.permitted.len() >= MAX_PERMITTED && !mapping.permitted.contains(&remote) {
            return None;
        }
        mapping.permitted.insert(remote);
        mapping.last_sent = now;
        set_source(packet, SocketAddrV4::new(self.external, port));
        Some(())
    }

    /// Translates a packet from outside. `None` if it is dropped.
    pub fn translate_inbound(&self, packet: &mut [u8], now: Instant) -> Option<()> {
        let (transport, remote, to) = ipv4_endpoints(packet)?;
        let filtering = match transport {
            Transport::Tcp => NatFiltering::AddressAndPortDependent,
            Transport::Udp => self.behaviour.filtering,
        };
        let mapping = self.mappings.get(&(transport, to.port())).filter(|_| *to.ip() == self.external)?;
        let passes = !mapping.is_expired(now) && mapping.lets_in(remote, filtering);
        passes.then(|| set_destination(packet, mapping.key.inside))
    }

    /// Number of mappings, expired ones included.
    #[must_use]
    pub fn mappings(&self) -> usize {
        self.mappings.len()
    }

    fn current_port(&self, key: MappingKey, now: Instant) -> Option<u16> {
        let port = *self.external_ports.get(&key)?;
        self.mappings.get(&(key.transport, port)).filter(|mapping| !mapping.is_expired(now)).map(|_| port)
    }

    /// Adds a mapping and returns its external port. `None` when the table is full.
    fn add_mapping(&mut self, key: MappingKey, now: Instant) -> Option<u16> {
        if self.mappings.len() >= MAX_MAPPINGS || self.external_ports.contains_key(&key) {
            self.mappings.retain(|_, mapping| !mapping.is_expired(now));
            self.external_ports.retain(|key, port| self.mappings.contains_key(&(key.transport, *port)));
        }
        if self.mappings.len() >= MAX_MAPPINGS {
            return None;
        }
        // The range is far greater than the table.
        let port = loop {
            let port = self.rng.u16(EXTERNAL_PORTS);
            if port != key.inside.port() && !self.mappings.contains_key(&(key.transport, port)) {
                break port;
            }
        };
        self.mappings.insert((key.transport, port), Mapping { key, permitted: HashSet::new(), last_sent: now });
        self.external_ports.insert(key, port);
        Some(port)
    }
}

fn ipv4_endpoints(packet: &[u8]) -> Option<(Transport, SocketAddrV4, SocketAddrV4)> {
    match Endpoints::parse(packet)? {
        Endpoints { transport, source: SocketAddr::V4(source), destination: SocketAddr::V4(destination) } => {
            Some((transport, source, destination))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
