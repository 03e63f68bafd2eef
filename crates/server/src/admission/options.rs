//! Options of admission control.

use std::path::PathBuf;

use ipnet::IpNet;

use super::{forwarded::ProxyHeader, secrets::AccessKey};

/// Options of admission control. The default admits everybody and trusts no proxy.
#[derive(Clone, Debug)]
pub struct AdmissionOptions {
    /// The secret that a login requires.
    pub secret: SecretRequirement,
    /// File of denied names, addresses and networks, one a line. The server reloads it when it changes.
    pub deny_file: Option<PathBuf>,
    /// Proxies whose header is believed about the address of a client.
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which these proxies record client addresses.
    pub proxy_header: ProxyHeader,
    /// WebSocket connections that one IPv4 address or one IPv6 /64 prefix may have open. An IPv6 /48 may have twice as
    /// many. Loopback and trusted proxies are exempt.
    pub max_per_address: usize,
}

/// The secret that a login requires. The server reloads the files when they change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SecretRequirement {
    /// No secret, until [`Server::set_access_key`](crate::Server::set_access_key) sets one.
    #[default]
    None,
    /// This access key, which all users share, until [`Server::set_access_key`](crate::Server::set_access_key) changes it.
    AccessKey(AccessKey),
    /// The access key in this file, which all users share.
    AccessKeyFile(PathBuf),
    /// The user's password. This file has one name and password hash a line.
    UsersFile(PathBuf),
}

impl Default for AdmissionOptions {
    fn default() -> Self {
        Self {
            secret: SecretRequirement::None,
            deny_file: None,
            trusted_proxies: Vec::new(),
            proxy_header: ProxyHeader::default(),
            max_per_address: 2_000,
        }
    }
}
