//! Gateway between a home network and the internet: a NAT for IPv4 or a firewall for IPv6, and what it lets out.

use std::time::Instant;

use super::{
    firewall::Firewall,
    nat::Nat,
    packet::{Endpoints, Transport},
};

/// Direction of a packet at a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketDirection {
    /// From the home network to the internet.
    Outbound,
    /// From the internet to the home network.
    Inbound,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is forwarded.
    Forward,
    /// It is dropped.
    Drop,
}

/// Which packets a gateway lets out, as the firewalls of offices and hotels do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutboundPolicy {
    /// All.
    #[default]
    All,
    /// TCP only.
    NoUdp,
    /// TCP to port 443 only.
    OnlyTcp443,
}

impl OutboundPolicy {
    fn allows(self, packet: &[u8]) -> bool {
        match (self, Endpoints::parse(packet)) {
            (Self::All, _) => true,
            (_, None) => false,
            (Self::NoUdp, Some(endpoints)) => endpoints.transport == Transport::Tcp,
            (Self::OnlyTcp443, Some(Endpoints { transport, destination, .. })) => {
                transport == Transport::Tcp && destination.port() == 443
            }
        }
    }
}

/// How packets reach the internet.
#[derive(Debug)]
enum Uplink {
    Ipv4(Nat),
    Ipv6(Firewall),
}

/// A gateway. It passes one address family.
#[derive(Debug)]
pub struct Gateway {
    uplink: Uplink,
    policy: OutboundPolicy,
}

impl Gateway {
    /// Creates the gateway of a network that has IPv4 only.
    #[must_use]
    pub fn ipv4(nat: Nat, policy: OutboundPolicy) -> Self {
        Self { uplink: Uplink::Ipv4(nat), policy }
    }

    /// Creates the gateway of a network that has IPv6 only.
    #[must_use]
    pub fn ipv6(policy: OutboundPolicy) -> Self {
        Self { uplink: Uplink::Ipv6(Firewall::default()), policy }
    }

    /// Translates a packet in place, or has it dropped.
    pub fn process(&mut self, direction: PacketDirection, packet: &mut [u8], now: Instant) -> Verdict {
        let passes = match (direction, &mut self.uplink) {
            (PacketDirection::Outbound, _) if !self.policy.allows(packet) => None,
            (PacketDirection::Outbound, Uplink::Ipv4(nat)) => nat.translate_outbound(packet, now),
            (PacketDirection::Outbound, Uplink::Ipv6(firewall)) => firewall.pass_outbound(packet, now),
            (PacketDirection::Inbound, Uplink::Ipv4(nat)) => nat.translate_inbound(packet, now),
            (PacketDirection::Inbound, Uplink::Ipv6(firewall)) => firewall.pass_inbound(packet, now),
        };
        match passes {
            Some(()) => Verdict::Forward,
            None => Verdict::Drop,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::{
        super::{nat::NatBehaviour, packet::samples::packet},
        *,
    };

    #[test]
    fn a_policy_keeps_packets_in() {
        let inside = SocketAddr::from(([10, 0, 0, 2], 40_000));
        let to = |port| SocketAddr::from(([203, 0, 113, 10], port));
        let udp_443 = packet(Transport::Udp, inside, to(443), b"out");
        let tcp_443 = packet(Transport::Tcp, inside, to(443), b"out");
        let tcp_8017 = packet(Transport::Tcp, inside, to(8_017), b"out");
        for (policy, expected) in [
            (OutboundPolicy::All, [true, true, true]),
            (OutboundPolicy::NoUdp, [false, true, true]),
            (OutboundPolicy::OnlyTcp443, [false, true, false]),
        ] {
            let nat = Nat::new(NatBehaviour::FULL_CONE, [198, 51, 100, 1].into(), 1);
            let mut gateway = Gateway::ipv4(nat, policy);
            let passes = [&udp_443, &tcp_443, &tcp_8017].map(|packet| {
                let verdict = gateway.process(PacketDirection::Outbound, &mut packet.clone(), Instant::now());
                verdict == Verdict::Forward
            });
            assert_eq!(passes, expected, "{policy:?}");
        }
    }

    #[test]
    fn an_ipv6_gateway_passes_no_ipv4() {
        let mut gateway = Gateway::ipv6(OutboundPolicy::All);
        let (one, other) = (SocketAddr::from(([10, 0, 0, 2], 1)), SocketAddr::from(([203, 0, 113, 10], 2)));
        let mut ipv4 = packet(Transport::Udp, one, other, b"out");
        assert_eq!(gateway.process(PacketDirection::Outbound, &mut ipv4, Instant::now()), Verdict::Drop);
        let (one, other) = ("[3fff:1::2]:1".parse().unwrap(), "[3fff::10]:2".parse().unwrap());
        let mut ipv6 = packet(Transport::Udp, one, other, b"out");
        assert_eq!(gateway.process(PacketDirection::Outbound, &mut ipv6, Instant::now()), Verdict::Forward);
    }
}
