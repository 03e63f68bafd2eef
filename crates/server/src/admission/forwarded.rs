//! Parser for the client addresses that proxies record: `X-Forwarded-For`, and `Forwarded` (RFC 7239).

use std::net::{IpAddr, SocketAddr};

use hyper::{HeaderMap, header, header::HeaderName};

/// Longer than any real chain of proxies. Bounds the work for a forged header.
const MAX_HOPS: usize = 32;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Request header in which the trusted proxies record client addresses.
///
/// Only one of the two is read. A proxy passes headers that it does not know through unchanged, so a client could forge
/// the other one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`, the de-facto standard.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl ProxyHeader {
    const fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => X_FORWARDED_FOR,
            Self::Forwarded => header::FORWARDED,
        }
    }

    /// Whether a request has this header.
    pub(super) fn is_in(self, headers: &HeaderMap) -> bool {
        headers.contains_key(self.name())
    }
}

/// Whether a request has a header that only proxies should add.
pub(crate) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(header::FORWARDED)
}

/// Addresses in the header, nearest hop first. `None` stands for an entry that is not an address.
pub(crate) fn hops(headers: &HeaderMap, header: ProxyHeader) -> Vec<Option<IpAddr>> {
    // Several lines of one header form one list, in order (RFC 9110, section 5.3).
    let lines: Vec<&str> = headers.get_all(header.name()).iter().map(|line| line.to_str().unwrap_or("?")).collect();
    lines
        .into_iter()
        .rev()
        .flat_map(|line| {
            let elements: Vec<_> = match header {
                ProxyHeader::XForwardedFor => line.rsplit(',').map(|element| parse_node(element.trim())).collect(),
                ProxyHeader::Forwarded => rsplit_unquoted(line, b',').into_iter().map(forwarded_element).collect(),
            };
            elements
        })
        .take(MAX_HOPS)
        .collect()
}

/// Hosts that the elements of `Forwarded` name (RFC 7239, section 5.3).
pub(crate) fn forwarded_hosts(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(header::FORWARDED).into_iter().filter_map(|line| line.to_str().ok());
    let elements = lines.flat_map(|line| rsplit_unquoted(line, b','));
    elements.take(MAX_HOPS).filter_map(|element| pair(element, "host")).collect()
}

/// Address in a `forwarded-element`, which is a list of pairs such as `for="[2001:db8::1]:80";proto=https`.
fn forwarded_element(element: &str) -> Option<IpAddr> {
    parse_node(&pair(element, "for")?)
}

/// Value of the pair with this name in a `forwarded-element`.
fn pair(element: &str, name: &str) -> Option<String> {
    let pairs = rsplit_unquoted(element, b';');
    let mut values = pairs.iter().filter_map(|pair| {
        let (found, value) = pair.split_once('=')?;
        found.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    });
    let value = values.next()?;
    // An element with two pairs of one name is invalid (RFC 7239, section 4).
    if values.next().is_some() {
        return None;
    }
    match value.strip_prefix('"') {
        Some(quoted) => Some(unescape(quoted.strip_suffix('"')?)),
        None => Some(value.to_owned()),
    }
}

/// Address of a node, with or without a port. `None` for `unknown` and obfuscated identifiers (RFC 7239, section 6).
fn parse_node(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok().map(IpAddr::V6);
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    let address = text.parse().ok().or_else(bracketed).or_else(with_port);
    address.map(|address: IpAddr| address.to_canonical())
}

/// Splits a list at separators outside quoted strings (RFC 9110, section 5.6.4), last element first.
///
/// Scans from the end because the nearest proxy appended there: an unbalanced quote further left, which a client may have
/// sent, cannot swallow the proxy's element.
fn rsplit_unquoted(text: &str, separator: u8) -> Vec<&str> {
    let bytes = text.as_bytes();
    let mut elements = Vec::new();
    let (mut end, mut quoted) = (text.len(), false);
    for index in (0..bytes.len()).rev() {
        if bytes[index] == b'"' {
            let backslashes = bytes[..index].iter().rev().take_while(|byte| **byte == b'\\').count();
            quoted = !quoted || backslashes % 2 == 1;
        } else if bytes[index] == separator && !quoted {
            elements.push(&text[index + 1..end]);
            end = index;
        }
    }
    elements.push(&text[..end]);
    elements
}

/// Resolves the backslash escapes of a quoted string.
fn unescape(quoted: &str) -> String {
    let mut characters = quoted.chars();
    let mut text = String::with_capacity(quoted.len());
    while let Some(c) = characters.next() {
        text.push(if c == '\\' { characters.next().unwrap_or(c) } else { c });
    }
    text
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn parse(header: ProxyHeader, lines: &[&str]) -> Vec<Option<IpAddr>> {
        let name = if header == ProxyHeader::Forwarded { "forwarded" } else { "x-forwarded-for" };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, HeaderValue::from_str(line).unwrap());
        }
        hops(&headers, header)
    }

    fn addresses(texts: &[&str]) -> Vec<Option<IpAddr>> {
        texts.iter().map(|text| text.parse().ok()).collect()
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right() {
        let cases: &[(&[&str], &[&str])] = &[
            (&[], &[]),
            (&["192.0.2.1"], &["192.0.2.1"]),
            (&["192.0.2.1, 198.51.100.2"], &["198.51.100.2", "192.0.2.1"]),
            (&["192.0.2.1", "198.51.100.2,203.0.113.3"], &["203.0.113.3", "198.51.100.2", "192.0.2.1"]),
            (&["2001:db8::1, [2001:db8::2], [2001:db8::3]:443"], &["2001:db8::3", "2001:db8::2", "2001:db8::1"]),
            (&["192.0.2.1:4711, ::ffff:192.0.2.2"], &["192.0.2.2", "192.0.2.1"]),
            (&["unknown, 192.0.2.1,"], &["-", "192.0.2.1", "-"]),
            (&["1.2.3, 1.2.3.4.5, 01.2.3.4, example.org"], &["-", "-", "-", "-"]),
        ];
        for (lines, expected) in cases {
            assert_eq!(parse(ProxyHeader::XForwardedFor, lines), addresses(expected), "{lines:?}");
        }
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_specifies() {
        let cases: &[(&[&str], &[&str])] = &[
            (&["for=192.0.2.60;proto=http;by=203.0.113.43"], &["192.0.2.60"]),
            (&["for=192.0.2.43, for=\"[2001:db8:cafe::17]\""], &["2001:db8:cafe::17", "192.0.2.43"]),
            (&["For=\"[2001:db8:cafe::17]:4711\""], &["2001:db8:cafe::17"]),
            (&["proto=https; FOR = 192.0.2.1"], &["192.0.2.1"]),
            (&["for=\"192.0.2.1:80\"", "for=198.51.100.1"], &["198.51.100.1", "192.0.2.1"]),
            (&["for=\"192\\.0.2.1\""], &["192.0.2.1"]),
            (&["for=_hidden, for=unknown, proto=https"], &["-", "-", "-"]),
            (&["for=\"1.1.1.1, for=2.2.2.2"], &["2.2.2.2", "-"]),
            (&["for=\"1.1.1.1, for=2.2.2.2\";for=3.3.3.3"], &["-"]),
            (&["by=\"a,b;for=1.1.1.1\";for=192.0.2.1"], &["192.0.2.1"]),
        ];
        for (lines, expected) in cases {
            assert_eq!(parse(ProxyHeader::Forwarded, lines), addresses(expected), "{lines:?}");
        }
    }

    proptest! {
        #[test]
        fn any_header_is_parsed_without_a_panic(lines in prop::collection::vec("[ -~]{0,80}", 0..4)) {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            for header in [ProxyHeader::XForwardedFor, ProxyHeader::Forwarded] {
                prop_assert!(parse(header, &lines).len() <= 32);
            }
        }

        #[test]
        fn the_appended_address_is_the_nearest_hop_after_any_prefix(line in "[ -~]{0,80}", address in any::<IpAddr>()) {
            let appended = format!("{line}, {address}");
            prop_assert_eq!(parse(ProxyHeader::XForwardedFor, &[&appended])[0], Some(address.to_canonical()));
            let element = format!("for=\"{}\"", SocketAddr::new(address, 1));
            for lines in [&[line.as_str(), &element][..], &[&format!("{line}, {element}")]] {
                prop_assert_eq!(parse(ProxyHeader::Forwarded, lines)[0], Some(address.to_canonical()));
            }
        }
    }
}
