//! Addresses of the computer's network interfaces.

use std::net::IpAddr;

/// The addresses of all interfaces, sorted; `None` if they cannot be listed.
pub fn interface_addresses() -> Option<Vec<IpAddr>> {
    let mut addresses: Vec<_> = if_addrs::get_if_addrs().ok()?.iter().map(if_addrs::Interface::ip).collect();
    addresses.sort_unstable();
    Some(addresses)
}
