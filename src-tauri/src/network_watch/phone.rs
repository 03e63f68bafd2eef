//! On phones the page reports events of the network.

use std::net::IpAddr;

/// No addresses.
pub fn interface_addresses() -> Vec<IpAddr> {
    Vec::new()
}
