//! Addresses of the computer's network interfaces.

use std::net::IpAddr;

/// The addresses of all interfaces, sorted; empty if they cannot be listed.
pub fn interface_addresses() -> Vec<IpAddr> {
    let mut addresses: Vec<_> =
        if_addrs::get_if_addrs().unwrap_or_default().iter().map(if_addrs::Interface::ip).collect();
    addresses.sort_unstable();
    addresses
}
