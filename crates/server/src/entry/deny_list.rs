//! The deny list: names and addresses that are not let in.

use std::{collections::HashSet, net::IpAddr};

use hutong_protocol::{Name, NameKey};
use ipnet::IpNet;

use super::watched::Fault;

/// Names and networks that are not let in.
#[derive(Debug, Default)]
pub(crate) struct DenyList {
    names: HashSet<NameKey>,
    networks: Vec<IpNet>,
}

impl DenyList {
    /// Reads a list: an address, a network (`192.0.2.0/24`) or a name a line. Lines that begin with `#` are comments. `name:` before a
    /// name lets it look like an address or a comment.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let mut deny_list = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(network) = network(line) {
                deny_list.networks.push(network);
                continue;
            }
            let name = Name::new(line.strip_prefix("name:").unwrap_or(line));
            let name = name.map_err(|_| Fault::Line(number, "neither an address nor a network nor a name"))?;
            deny_list.names.insert(name.key());
        }
        Ok(deny_list)
    }

    /// Whether a connection from this address, of a user of this name if it has one, is not let in.
    pub(crate) fn has(&self, name: Option<&Name>, address: IpAddr) -> bool {
        self.has_address(address) || name.is_some_and(|name| self.has_name(&name.key()))
    }

    pub(crate) fn has_name(&self, name: &NameKey) -> bool {
        self.names.contains(name)
    }

    pub(crate) fn has_address(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// Reads an address or a network, in CIDR notation (RFC 4632, RFC 4291). `None`: it is neither.
#[must_use]
pub fn network(text: &str) -> Option<IpNet> {
    let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    Some(match network {
        // Connections over IPv4 are told as such, whatever the socket's family.
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
    fn names_are_compared_folded_and_addresses_by_their_network() {
        let deny_list = DenyList::parse(LIST).unwrap();
        for (name, expected) in [
            ("mallory", true),
            ("ＭＡＬＬＯＲＹ", true),
            ("Mallory 2", false),
            ("10.0.0.1", true),
            ("#1", true),
            ("# The usual suspects", false),
        ] {
            assert_eq!(deny_list.has_name(&Name::new(name).unwrap().key()), expected, "{name}");
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
            assert_eq!(deny_list.has_address(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn a_line_that_is_nothing_is_told() {
        for (text, line) in [("\u{202e}", 1), ("Ana\n\nx\u{0}", 3), (&"x".repeat(41), 1)] {
            assert!(matches!(DenyList::parse(text), Err(Fault::Line(number, _)) if number == line), "{text}");
        }
        assert!(DenyList::parse("").is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_a_list_or_a_fault(text in ".{0,200}") {
            let _: Result<DenyList, Fault> = DenyList::parse(&text);
        }

        #[test]
        fn an_address_is_in_each_of_its_networks(address in any::<IpAddr>(), prefix in 0_u8..=128) {
            let prefix = if address.is_ipv4() { prefix / 4 } else { prefix };
            let text = format!("{address}/{prefix}");
            let deny_list = DenyList::parse(&text).unwrap();
            // Of addresses that are IPv4 in IPv6 only the IPv4 part is compared.
            if address.to_canonical() == address {
                prop_assert!(deny_list.has_address(address), "{}", text);
            }
        }
    }
}
