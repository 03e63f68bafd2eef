//! Deny list: names and networks whose users are refused.

use std::{collections::HashSet, net::IpAddr, ops::RangeInclusive};

use hutong_protocol::{Name, NameKey};
use ipnet::IpNet;

use super::reloadable_file::FileContentError;

/// Parsed deny list.
#[derive(Debug, Default)]
pub(crate) struct DenyList {
    names: HashSet<NameKey>,
    networks: NetworkSet,
}

/// Set of networks, searched in logarithmic time: a list may have as many networks as a country or a provider.
#[derive(Debug, Default)]
struct NetworkSet {
    /// First and last addresses, as numbers of their family, sorted and without overlaps.
    v4: Vec<RangeInclusive<u128>>,
    v6: Vec<RangeInclusive<u128>>,
}

impl DenyList {
    /// Parses one entry a line: an address, a network (`192.0.2.0/24`) or a name. Lines that begin with `#` are comments.
    /// The prefix `name:` marks a name that looks like an address or a comment.
    pub(crate) fn parse(text: &str) -> Result<Self, FileContentError> {
        let mut deny_list = Self::default();
        let mut networks = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(network) = parse_network(line) {
                networks.push(network);
                continue;
            }
            let name = Name::new(line.strip_prefix("name:").unwrap_or(line));
            let name = name.map_err(|_| FileContentError::Line(number, "not an address, a network or a valid name"))?;
            deny_list.names.insert(name.key());
        }
        deny_list.networks = NetworkSet::new(&networks);
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
        self.networks.contains(address, |_| {})
    }
}

impl NetworkSet {
    fn new(networks: &[IpNet]) -> Self {
        let of = |is_v4: bool| {
            let family = networks.iter().filter(|network| network.addr().is_ipv4() == is_v4);
            merged(family.map(|network| number(network.network())..=number(network.broadcast())).collect())
        };
        Self { v4: of(true), v6: of(false) }
    }

    /// Whether a network contains the address. Calls `compare` with each range that the search looks at.
    fn contains(&self, address: IpAddr, mut compare: impl FnMut(&RangeInclusive<u128>)) -> bool {
        let address = address.to_canonical();
        let ranges = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        let address = number(address);
        let end = ranges.partition_point(|range| {
            compare(range);
            *range.start() <= address
        });
        end.checked_sub(1).and_then(|last| ranges.get(last)).is_some_and(|range| range.contains(&address))
    }
}

/// Sorts the ranges and joins those that overlap.
fn merged(mut ranges: Vec<RangeInclusive<u128>>) -> Vec<RangeInclusive<u128>> {
    ranges.sort_unstable_by_key(|range| *range.start());
    let mut merged: Vec<RangeInclusive<u128>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start() <= last.end() => *last = *last.start()..=*last.end().max(range.end()),
            _ => merged.push(range),
        }
    }
    merged.shrink_to_fit();
    merged
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
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

    #[test]
    fn a_hundred_thousand_networks_take_few_comparisons() {
        let text: String =
            (0..100_000_u32).map(|number| format!("{}/30\n", std::net::Ipv4Addr::from(number << 8))).collect();
        let deny_list = DenyList::parse(&text).unwrap();
        for (address, denied) in [("0.0.0.0", true), ("0.0.2.3", true), ("0.0.2.4", false), ("255.0.0.0", false)] {
            let mut comparisons = 0;
            assert_eq!(
                deny_list.networks.contains(address.parse().unwrap(), |_| comparisons += 1),
                denied,
                "{address}"
            );
            assert!(comparisons <= 18, "{comparisons} comparisons for {address}");
        }
    }

    fn network() -> impl Strategy<Value = IpNet> {
        // Few addresses, so that networks overlap.
        (any::<bool>(), 0_u8..16, 0_u8..=32).prop_map(|(is_v4, host, prefix)| {
            let address =
                if is_v4 { IpAddr::from([10, 0, 0, host]) } else { IpAddr::from([8, 0, 0, 0, 0, 0, 0, host.into()]) };
            IpNet::new(address, if is_v4 { prefix } else { 96 + prefix }).unwrap()
        })
    }

    proptest! {
        #[test]
        fn a_set_contains_what_any_of_its_networks_contains(
            networks in prop::collection::vec(network(), 0..12),
            host in 0_u8..20,
        ) {
            let set = NetworkSet::new(&networks);
            for address in [IpAddr::from([10, 0, 0, host]), IpAddr::from([8, 0, 0, 0, 0, 0, 0, host.into()])] {
                let expected = networks.iter().any(|network| network.contains(&address));
                prop_assert_eq!(set.contains(address, |_| {}), expected, "{} in {:?}", address, networks);
            }
        }

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
