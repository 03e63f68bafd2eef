//! On phones the page reports events of the network.

use std::net::IpAddr;

/// No addresses.
pub const fn interface_addresses() -> Option<Vec<IpAddr>> {
    None
}
