//! Deny list: names and networks whose users are refused.

use std::{collections::HashSet, net::IpAddr};

use hutong_protocol::{Name, NameKey};
use ipnet::IpNet;

use super::reloadable_file::FileContentError;

/// Parsed deny list.
#[derive(Debug, Default)]
pub(crate) struct DenyList {
    names: HashSet<NameKey>,
    networks: Vec<IpNet>,
}

impl DenyList {
    /// Parses one entry a line: an address, a network (`192.0.2.0/24`) or a name. Lines that begin with `#` are comments.
    /// The prefix `name:` marks a name that looks like an address or a comment.
    pub(crate) fn parse(text: &str) -> Result<Self, FileContentError> {
        let mut deny_list = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(network) = parse_network(line) {
                deny_list.networks.push(network);
                continue;
            }
            let name = Name::new(line.strip_prefix("name:").unwrap_or(line));
            let name = name.map_err(|_| FileContentError::Line(number, "not an address, a network or a valid name"))?;
            deny_list.names.insert(name.key());
        }
        Ok(deny_list)
    }

    /// Whether a connection from this address, or its user if it has one, is denied.
    pub(crate) fn matches(&self, name: Option<&Name>, address: IpAddr) -> bool {
        self.contains_address(address) || name.is_some_and(|name| self.contains_name(&name.key()))
    }

    pub(crate) fn contains_name(&self, name: &NameKey) -> bool {
        self.names.contains(name)
    }

    pub(crate) fn contains_address(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// Parses an address, or a network in CIDR notation (RFC 4632, RFC 4291). `None` if the text is neither.
#[must_use]
pub fn parse_network(text: &str) -> Option<IpNet> {
    let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    Some(match network {
        // Client addresses are compared in canonical form, so an IPv4-mapped network becomes an IPv4 one.
        IpNet::V6(mapped) if mapped.prefix_len() >= 96 => match mapped.addr().to_ipv4_mapped() {
            Some(address) => ipnet::Ipv4Net::new(address, mapped.prefix_len() - 96).map_or(network, IpNet::V4),
            None => network,
        },
        network => network,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIST: &str = "\u{20}# The usual suspects
Mallory

198.51.100.7
  203.0.113.0/24\r
2001:db8:bad::/48
::ffff:192.0.2.128/121
name:10.0.0.1
name:#1
";

    #[test]
    fn names_match_case_folded_and_addresses_by_network() {
        let deny_list = DenyList::parse(LIST).unwrap();
        for (name, expected) in [
            ("mallory", true),
            ("ＭＡＬＬＯＲＹ", true),
            ("Mallory 2", false),
            ("10.0.0.1", true),
            ("#1", true),
            ("# The usual suspects", false),
        ] {
            assert_eq!(deny_list.contains_name(&Name::new(name).unwrap().key()), expected, "{name}");
        }
        for (address, expected) in [
            ("198.51.100.7", true),
            ("::ffff:198.51.100.7", true),
            ("198.51.100.8", false),
            ("203.0.113.255", true),
            ("203.0.114.0", false),
            ("2001:db8:bad:ffff::1", true),
            ("2001:db8:bae::1", false),
            ("192.0.2.129", true),
            ("192.0.2.127", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(deny_list.contains_address(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn a_parse_error_names_the_line() {
        for (text, line) in [("\u{202e}", 1), ("Ana\n\nx\u{0}", 3), (&"x".repeat(41), 1)] {
            assert!(
                matches!(DenyList::parse(text), Err(FileContentError::Line(number, _)) if number == line),
                "{text}"
            );
        }
        assert!(DenyList::parse("").is_ok());
    }

    proptest! {
        #[test]
        fn any_text_parses_or_fails_without_a_panic(text in ".{0,200}") {
            let _: Result<DenyList, FileContentError> = DenyList::parse(&text);
        }

        #[test]
        fn an_address_matches_every_network_that_contains_it(address in any::<IpAddr>(), prefix in 0_u8..=128) {
            let prefix = if address.is_ipv4() { prefix / 4 } else { prefix };
            let text = format!("{address}/{prefix}");
            let deny_list = DenyList::parse(&text).unwrap();
            // An IPv4-mapped IPv6 address is compared as IPv4.
            if address.to_canonical() == address {
                prop_assert!(deny_list.contains_address(address), "{}", text);
            }
        }
    }
}
