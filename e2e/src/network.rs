//! A network of two places, wholly on this machine and apart from its own: two network namespaces, joined by a link that
//! loses, delays, narrows and breaks as a test wants.
//!
//! The link lives in user space ([`Link`]), since not every kernel that runs tests can shape traffic. Programs are started in
//! a place by [`Namespace::command`]. What tests themselves need of a place does not go over the link, nor over any interface
//! that a peer connection could use: [`Namespace::expose`] and [`Namespace::bring`] carry TCP between a place's loopback and
//! ours through this process. So the driver of a browser is reached, and the signalling server, whatever state the link is in.
//!
//! Namespaces and devices are held by nothing but this process and what it starts: they are gone with it, however it ends.

mod link;
mod namespace;

pub use link::{Conditions, Counters, Direction, Flow, Link, Traffic};
pub use namespace::{Door, Namespace};

use std::{net::Ipv4Addr, rc::Rc};

use crate::Result;

/// The address of the left place on the link.
pub const LEFT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// The address of the right place on the link.
pub const RIGHT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// Two places and the link between them.
#[derive(Debug)]
pub struct Network {
    /// The place at [`LEFT`].
    pub left: Rc<Namespace>,
    /// The place at [`RIGHT`].
    pub right: Rc<Namespace>,
    /// What joins them.
    pub link: Link,
}

impl Network {
    /// Makes both places, with a link that does no harm yet.
    ///
    /// # Errors
    ///
    /// When this process may make no network namespaces or TUN devices: it has to be root, or to run under `unshare -Urn`.
    pub async fn new() -> Result<Self> {
        let left = Rc::new(Namespace::new("left").await?);
        let right = Rc::new(Namespace::new("right").await?);
        let link = Link::between((&left, LEFT), (&right, RIGHT)).await?;
        Ok(Self { left, right, link })
    }
}
