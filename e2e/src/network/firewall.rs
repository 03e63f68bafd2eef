//! Stateful firewall of a home network with IPv6: lets out everything, and in what answers. It does no I/O and has no clock.

use std::{collections::HashMap, net::SocketAddr, time::Instant};

use super::{
    nat::{MAX_MAPPINGS, TCP_IDLE, UDP_IDLE},
    packet::{Endpoints, Transport},
};

/// A firewall that drops unsolicited packets from outside (RFC 6092, "simple security"): it lets in only answers from an address
/// and port to the address and port that sent there.
#[derive(Debug, Default)]
pub struct Firewall {
    /// Flows by the endpoints of their outbound packets, with the time of the last one.
    flows: HashMap<Endpoints, Instant>,
}

impl Firewall {
    /// Whether a packet from inside passes. It is remembered.
    pub fn pass_outbound(&mut self, packet: &[u8], now: Instant) -> Option<()> {
        let flow = global_ipv6_endpoints(packet)?;
        if self.flows.len() >= MAX_MAPPINGS && !self.flows.contains_key(&flow) {
            self.flows.retain(|flow, last_sent| !is_expired(flow, *last_sent, now));
        }
        if self.flows.len() >= MAX_MAPPINGS && !self.flows.contains_key(&flow) {
            return None;
        }
        self.flows.insert(flow, now);
        Some(())
    }

    /// Whether a packet from outside passes.
    #[must_use]
    pub fn pass_inbound(&self, packet: &[u8], now: Instant) -> Option<()> {
        let Endpoints { transport, source, destination } = global_ipv6_endpoints(packet)?;
        let flow = Endpoints { transport, source: destination, destination: source };
        let last_sent = self.flows.get(&flow)?;
        (!is_expired(&flow, *last_sent, now)).then_some(())
    }
}

fn is_expired(flow: &Endpoints, last_sent: Instant, now: Instant) -> bool {
    let idle = match flow.transport {
        Transport::Tcp => TCP_IDLE,
        Transport::Udp => UDP_IDLE,
    };
    now.duration_since(last_sent) >= idle
}

/// Endpoints of an IPv6 packet that a router forwards.
fn global_ipv6_endpoints(packet: &[u8]) -> Option<Endpoints> {
    let is_global = |address: SocketAddr| match address {
        SocketAddr::V6(address) => !address.ip().is_multicast() && !address.ip().is_unicast_link_local(),
        SocketAddr::V4(_) => false,
    };
    Endpoints::parse(packet).filter(|endpoints| is_global(endpoints.source) && is_global(endpoints.destination))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::packet::samples::packet, *};

    fn endpoint(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn out(firewall: &mut Firewall, from: &str, to: &str, now: Instant) -> bool {
        firewall.pass_outbound(&packet(Transport::Udp, endpoint(from), endpoint(to), b"out"), now).is_some()
    }

    fn comes_in(firewall: &Firewall, from: &str, to: &str, now: Instant) -> bool {
        firewall.pass_inbound(&packet(Transport::Udp, endpoint(from), endpoint(to), b"in"), now).is_some()
    }

    #[test]
    fn only_answers_come_in_until_the_flow_is_idle() {
        let (mut firewall, now) = (Firewall::default(), Instant::now());
        let (inside, remote) = ("[3fff:1::2]:5000", "[3fff::10]:3478");
        assert!(!comes_in(&firewall, remote, inside, now));
        assert!(out(&mut firewall, inside, remote, now));
        assert!(comes_in(&firewall, remote, inside, now));
        for (from, to) in [("[3fff::10]:3479", inside), ("[3fff::11]:3478", inside), (remote, "[3fff:1::2]:5001")] {
            assert!(!comes_in(&firewall, from, to, now), "{from} {to}");
        }
        assert!(comes_in(&firewall, remote, inside, now + UDP_IDLE - Duration::from_millis(1)));
        assert!(!comes_in(&firewall, remote, inside, now + UDP_IDLE));
    }

    #[test]
    fn multicast_link_local_and_ipv4_packets_are_dropped() {
        let (mut firewall, now) = (Firewall::default(), Instant::now());
        for (from, to) in
            [("[3fff::1]:5353", "[ff02::fb]:5353"), ("[fe80::1]:5", "[3fff::1]:5"), ("10.0.0.1:5", "10.0.0.2:5")]
        {
            assert!(!out(&mut firewall, from, to, now), "{from} {to}");
        }
    }

    #[test]
    fn a_full_table_refuses_new_flows_until_old_ones_expire() {
        let (mut firewall, now) = (Firewall::default(), Instant::now());
        let remote = "[3fff::10]:3478";
        for port in 0..MAX_MAPPINGS {
            assert!(out(&mut firewall, &format!("[3fff:1::2]:{port}"), remote, now));
        }
        assert!(!out(&mut firewall, "[3fff:1::2]:60000", remote, now));
        assert!(out(&mut firewall, "[3fff:1::2]:1", remote, now));
        assert!(out(&mut firewall, "[3fff:1::2]:60000", remote, now + UDP_IDLE));
    }
}
