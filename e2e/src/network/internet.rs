//! Emulated internet: a public namespace with the server, and two home networks, each behind its own gateway.
//!
//! A home network reaches the public namespace through its gateway alone, and the public namespace forwards between the two as
//! routers of the internet do. Packets flow from the home network's TUN device through the gateway and the link's conditions to a
//! TUN device of the public namespace, and back.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    rc::Rc,
};

use super::{
    EmulatedLink, LinkConditions, LinkEnd, Namespace,
    gateway::{Gateway, OutboundPolicy},
    nat::{Nat, NatBehaviour},
    run_ip,
    sink_interface::SinkInterface,
};
use crate::{Context, Result, ensure};

/// Addresses of the server. Those of this module are for documentation and reach nothing (RFC 5737, RFC 9637). None
/// is in `192.0.2.0/24` or `2001:db8::/32`: the app's peer has its own use for these.
pub const SERVER_IPV4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);

/// See [`SERVER_IPV4`].
pub const SERVER_IPV6: Ipv6Addr = Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0x10);

/// The private address of the left home network's device.
pub const LEFT_PRIVATE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// The private address of the right home network's device, unless it is to have the left one's.
pub const RIGHT_PRIVATE: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 2);

/// Name of the TUN device in a home network.
const HOME_DEVICE: &str = "hutong0";

/// How a home network reaches the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uplink {
    /// IPv4 only, from this private address through a NAT.
    Ipv4 {
        /// The device's private address.
        private: Ipv4Addr,
        /// What the NAT does.
        nat: NatBehaviour,
    },
    /// IPv6 only, from a public address behind a stateful firewall.
    Ipv6,
}

/// Configuration of a home network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HomeConfig {
    /// How it reaches the internet.
    pub uplink: Uplink,
    /// Which packets its gateway lets out.
    pub policy: OutboundPolicy,
}

impl HomeConfig {
    /// A home network that lets out everything.
    #[must_use]
    pub const fn new(uplink: Uplink) -> Self {
        Self { uplink, policy: OutboundPolicy::All }
    }

    /// The address at which it reaches the server.
    #[must_use]
    pub fn server_address(&self, port: u16) -> SocketAddr {
        let ip = match self.uplink {
            Uplink::Ipv4 { .. } => IpAddr::V4(SERVER_IPV4),
            Uplink::Ipv6 => IpAddr::V6(SERVER_IPV6),
        };
        SocketAddr::new(ip, port)
    }
}

/// Which of the two home networks.
#[derive(Clone, Copy)]
struct Position {
    name: &'static str,
    /// Name of its TUN device in the public namespace.
    public_device: &'static str,
    external: Ipv4Addr,
    ipv6: Ipv6Addr,
    seed: u64,
}

const LEFT: Position = Position {
    name: "left",
    public_device: "hutong-left",
    external: Ipv4Addr::new(198, 51, 100, 1),
    ipv6: Ipv6Addr::new(0x3fff, 1, 0, 0, 0, 0, 0, 2),
    seed: 1,
};

const RIGHT: Position = Position {
    name: "right",
    public_device: "hutong-right",
    external: Ipv4Addr::new(198, 51, 100, 129),
    ipv6: Ipv6Addr::new(0x3fff, 2, 0, 0, 0, 0, 0, 2),
    seed: 2,
};

/// Address of a device in its VPN.
const VPN_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 8, 0, 2);

/// Number of the routing table for packets from this address.
const VPN_TABLE: u32 = 100;

/// A home network with one device in it.
#[derive(Debug)]
pub struct HomeNetwork {
    /// The namespace of its device.
    pub namespace: Rc<Namespace>,
    /// The link to the internet; the home network is its left end.
    pub link: EmulatedLink,
    /// Its configuration.
    pub config: HomeConfig,
}

impl HomeNetwork {
    async fn connect(config: HomeConfig, position: Position, internet: &Namespace) -> Result<Self> {
        let namespace = Rc::new(Namespace::new(position.name).await?);
        let public_device = position.public_device;
        let (home_commands, public_commands, gateway) = match config.uplink {
            Uplink::Ipv4 { private, nat } => (
                vec![
                    format!("addr add {private}/24 dev {HOME_DEVICE}"),
                    format!("link set {HOME_DEVICE} up"),
                    format!("route add default dev {HOME_DEVICE}"),
                    // Without the interface, and its route, the rule has no effect.
                    format!("rule add from {VPN_ADDRESS} lookup {VPN_TABLE}"),
                ],
                vec![
                    format!("link set {public_device} up"),
                    format!("route add {}/32 dev {public_device}", position.external),
                ],
                Gateway::ipv4(Nat::new(nat, position.external, position.seed), config.policy),
            ),
            Uplink::Ipv6 => (
                vec![
                    format!("addr add {}/64 dev {HOME_DEVICE} nodad", position.ipv6),
                    format!("link set {HOME_DEVICE} up"),
                    format!("-6 route add default dev {HOME_DEVICE}"),
                ],
                vec![
                    format!("link set {public_device} up"),
                    format!("-6 route add {}/128 dev {public_device}", position.ipv6),
                ],
                Gateway::ipv6(config.policy),
            ),
        };
        let home = LinkEnd { namespace: &namespace, device: HOME_DEVICE, ip_commands: home_commands };
        let public = LinkEnd { namespace: internet, device: public_device, ip_commands: public_commands };
        let link = EmulatedLink::connect_through(gateway, home, public).await?;
        Ok(Self { namespace, link, config })
    }

    /// Brings up a second interface with its own address, such as a VPN client's. Packets that are sent through it are lost.
    ///
    /// # Errors
    ///
    /// Returns an error when the interface cannot be created.
    pub async fn open_vpn(&self) -> Result<SinkInterface> {
        let device = "hutong-vpn";
        let commands = vec![
            format!("addr add {VPN_ADDRESS}/24 dev {device}"),
            format!("link set {device} up"),
            format!("route add default dev {device} table {VPN_TABLE}"),
        ];
        SinkInterface::open(&self.namespace, device, commands).await
    }
}

/// The public namespace and the home networks.
#[derive(Debug)]
pub struct EmulatedInternet {
    /// The namespace that has [`SERVER_IPV4`] and [`SERVER_IPV6`].
    pub public: Rc<Namespace>,
    /// One home network.
    pub left: HomeNetwork,
    /// The other one.
    pub right: HomeNetwork,
    /// All other addresses. Without a route to them a relay's packets to private addresses would fail instead of being lost.
    _elsewhere: SinkInterface,
}

impl EmulatedInternet {
    /// Creates the namespaces, and links without impairments.
    ///
    /// # Errors
    ///
    /// Returns an error without permission for network namespaces or TUN devices: as root or under `unshare -Urn` there
    /// is.
    pub async fn new(left: HomeConfig, right: HomeConfig) -> Result<Self> {
        let public = Rc::new(Namespace::new("public").await?);
        // Browsers offer no addresses of the loopback interface as candidates, and need none here.
        run_ip(&public, &format!("addr add {SERVER_IPV4}/32 dev lo")).await?;
        run_ip(&public, &format!("addr add {SERVER_IPV6}/128 dev lo nodad")).await?;
        forward_packets(&public).await?;
        let device = "hutong-other";
        let commands = vec![
            format!("link set {device} up"),
            format!("route add default dev {device}"),
            format!("-6 route add default dev {device}"),
        ];
        let elsewhere = SinkInterface::open(&public, device, commands).await?;
        let left = HomeNetwork::connect(left, LEFT, &public).await?;
        let right = HomeNetwork::connect(right, RIGHT, &public).await?;
        Ok(Self { public, left, right, _elsewhere: elsewhere })
    }

    /// Sets the conditions of both home networks' links, in both directions.
    pub fn set_conditions(&self, conditions: LinkConditions) {
        for home in [&self.left, &self.right] {
            home.link.set_both(conditions);
        }
    }
}

/// Makes a namespace a router.
async fn forward_packets(namespace: &Namespace) -> Result<()> {
    let script = "echo 1 > /proc/sys/net/ipv4/ip_forward && echo 1 > /proc/sys/net/ipv6/conf/all/forwarding";
    let output = namespace.command("sh").args(["-c", script]).output().await.context("running sh")?;
    let message = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "namespace {} cannot forward packets ({}): mount /proc/sys writable, or run the tests outside the container",
        namespace.name(),
        message.trim()
    );
    Ok(())
}
