//! What a server is told of who may come in.

use std::path::PathBuf;

use ipnet::IpNet;

use super::forwarded::ProxyHeader;

/// Who may come in. The default: everybody, directly.
#[derive(Clone, Debug)]
pub struct EntryOptions {
    /// What a person has to know.
    pub secret: SecretKind,
    /// A file of names, addresses and networks that are not let in, one a line.
    pub refused_file: Option<PathBuf>,
    /// Proxies whose word is taken for the address that a request comes from.
    pub trusted_proxies: Vec<IpNet>,
    /// The header that they write it into.
    pub proxy_header: ProxyHeader,
    /// WebSockets that one address (IPv6: one network of 64 bits) may have open. Loopback and trusted proxies may have any number.
    pub max_per_address: usize,
}

/// What a person has to know to come in. The files are read anew when they change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SecretKind {
    /// Nothing.
    #[default]
    None,
    /// The access key in this file.
    AccessKey(PathBuf),
    /// The password whose hash stands beside their name in this file.
    Users(PathBuf),
}

impl Default for EntryOptions {
    fn default() -> Self {
        Self {
            secret: SecretKind::None,
            refused_file: None,
            trusted_proxies: Vec::new(),
            proxy_header: ProxyHeader::default(),
            max_per_address: 2_000,
        }
    }
}
