//! Emulated network: two network namespaces of this machine, joined by a user-space link that drops, delays,
//! rate-limits and interrupts packets.
//!
//! The link is in user space ([`EmulatedLink`]), because not every kernel that runs tests can shape traffic.
//! [`Namespace::command`] starts programs inside a namespace. Control traffic of the tests uses neither the link nor
//! any interface that a peer connection could use: [`Namespace::expose_port`] and [`Namespace::forward_into`] relay TCP
//! between a namespace's loopback and ours through this process. So browser drivers and the signalling server stay
//! reachable whatever the link's state.
//!
//! Only this process and its children hold the namespaces and devices: the kernel removes them when these exit, in
//! whatever way.

mod link;
mod namespace;

pub use link::{AffectedTraffic, EmulatedLink, LinkConditions, LinkCounters, LinkDirection, LinkState};
pub use namespace::{Namespace, PortForward};

use std::{net::Ipv4Addr, rc::Rc};

use crate::Result;

/// Address of the left namespace on the link.
pub const LEFT_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// Address of the right namespace on the link.
pub const RIGHT_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// Two namespaces and the link between them.
#[derive(Debug)]
pub struct EmulatedNetwork {
    /// The namespace at [`LEFT_ADDRESS`].
    pub left: Rc<Namespace>,
    /// The namespace at [`RIGHT_ADDRESS`].
    pub right: Rc<Namespace>,
    /// The link that joins them.
    pub link: EmulatedLink,
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
        let link = EmulatedLink::connect((&left, LEFT_ADDRESS), (&right, RIGHT_ADDRESS)).await?;
        Ok(Self { left, right, link })
    }
}
