//! Emulated networks in network namespaces of this machine.
//!
//! [`EmulatedNetwork`] is two namespaces joined by a link that drops, delays, rate-limits and interrupts packets.
//! [`EmulatedInternet`] is two home networks behind NATs or firewalls, and a server beyond.
//!
//! The link is in user space ([`EmulatedLink`]), because not every kernel that runs tests can shape traffic.
//! [`Namespace::command`] starts programs inside a namespace. Control traffic of the tests uses neither the link nor
//! any interface that a peer connection could use: [`Namespace::expose_port`] and [`Namespace::forward_into`] relay TCP
//! between a namespace's loopback and ours through this process. So browser drivers and the signalling server stay
//! reachable whatever the link's state.
//!
//! Only this process and its children hold the namespaces and devices: the kernel removes them when these exit, in
//! whatever way.

mod authority;
mod firewall;
mod gateway;
mod internet;
mod link;
mod mdns;
mod namespace;
mod nat;
mod packet;
mod shaper;
mod sink_interface;

pub use authority::Authority;
pub use gateway::{Gateway, OutboundPolicy, PacketDirection, Verdict};
pub use internet::{
    EmulatedInternet, HomeConfig, HomeNetwork, LEFT_PRIVATE, RIGHT_PRIVATE, SERVER_IPV4, SERVER_IPV6, Uplink,
};
pub use link::{EmulatedLink, LinkDirection, LinkEnd};
pub use mdns::MdnsResponder;
pub use namespace::{Namespace, PortForward};
pub use nat::{Nat, NatBehaviour, NatFiltering, NatMapping};
pub use shaper::{AffectedTraffic, LinkConditions, LinkCounters, LinkState};
pub use sink_interface::SinkInterface;

use std::{net::Ipv4Addr, rc::Rc};

use crate::{Result, ensure};

/// Address of the left namespace on the link.
pub const LEFT_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// Address of the right namespace on the link.
pub const RIGHT_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// Address of the left namespace on its second link.
pub const LEFT_SECOND_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);

/// Names of the TUN devices of the first and of the second link.
const DEVICES: [&str; 2] = ["hutong0", "hutong1"];

/// Two namespaces and the link between them.
#[derive(Debug)]
pub struct EmulatedNetwork {
    /// The namespace at [`LEFT_ADDRESS`].
    pub left: Rc<Namespace>,
    /// The namespace at [`RIGHT_ADDRESS`].
    pub right: Rc<Namespace>,
    /// The link that joins them.
    pub link: EmulatedLink,
    second_link: Option<EmulatedLink>,
}

impl EmulatedNetwork {
    /// Creates both namespaces and a link without impairments.
    ///
    /// # Errors
    ///
    /// Returns an error without permission for network namespaces or TUN devices: as root or under `unshare -Urn` there
    /// is.
    pub async fn new() -> Result<Self> {
        let left = Rc::new(Namespace::new("left").await?);
        let right = Rc::new(Namespace::new("right").await?);
        let [device, _] = DEVICES;
        let end = |namespace, address| LinkEnd {
            namespace,
            device,
            ip_commands: vec![format!("addr add {address}/24 dev {device}"), format!("link set {device} up")],
        };
        let link = EmulatedLink::connect(end(&left, LEFT_ADDRESS), end(&right, RIGHT_ADDRESS)).await?;
        Ok(Self { left, right, link, second_link: None })
    }

    /// Gives the right namespace one more address, which the left one reaches over the link.
    ///
    /// # Errors
    ///
    /// Returns an error when the address or the route cannot be added.
    pub async fn add_public_address(&self, address: Ipv4Addr) -> Result<()> {
        let [device, _] = DEVICES;
        // Browsers offer no addresses of the loopback interface as candidates.
        run_ip(&self.right, &format!("addr add {address}/32 dev lo")).await?;
        run_ip(&self.left, &format!("route add {address}/32 dev {device}")).await
    }

    /// Makes the link the left namespace's default route. Firefox with fake devices offers only candidates of the default route,
    /// and mDNS needs a multicast route.
    ///
    /// # Errors
    ///
    /// Returns an error when the route cannot be added.
    pub async fn add_default_route(&self) -> Result<()> {
        let [device, _] = DEVICES;
        run_ip(&self.left, &format!("route add default dev {device}")).await
    }

    /// Has multicast of the right namespace cross the link too. The left one's does with [`add_default_route`](Self::add_default_route).
    ///
    /// # Errors
    ///
    /// Returns an error when the route cannot be added.
    pub async fn add_multicast_route(&self) -> Result<()> {
        let [device, _] = DEVICES;
        run_ip(&self.right, &format!("route add 224.0.0.0/4 dev {device}")).await
    }

    /// Takes the left namespace's interface down and another one up, at [`LEFT_SECOND_ADDRESS`]. The right namespace keeps
    /// its only address, and is reachable at it.
    ///
    /// # Errors
    ///
    /// Returns an error when a device cannot be changed.
    pub async fn move_left(&mut self) -> Result<()> {
        let [first, second] = DEVICES;
        self.link.set_both(LinkConditions { state: LinkState::Down, ..LinkConditions::default() });
        let up = format!("link set {second} up");
        let left = LinkEnd {
            namespace: &self.left,
            device: second,
            ip_commands: vec![
                // As a network manager does: otherwise the interface keeps its address.
                format!("addr flush dev {first}"),
                format!("link set {first} down"),
                format!("addr add {LEFT_SECOND_ADDRESS}/24 dev {second}"),
                up.clone(),
                format!("route add default dev {second}"),
            ],
        };
        let right = LinkEnd {
            namespace: &self.right,
            device: second,
            ip_commands: vec![up, format!("route add {LEFT_SECOND_ADDRESS}/32 dev {second}")],
        };
        self.second_link = Some(EmulatedLink::connect(left, right).await?);
        Ok(())
    }
}

/// Runs the program `ip` in a namespace.
async fn run_ip(namespace: &Namespace, arguments: &str) -> Result<()> {
    let output = namespace.command("ip").args(arguments.split(' ')).output().await?;
    ensure!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
