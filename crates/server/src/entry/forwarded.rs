//! What a proxy says of whom it speaks for: `X-Forwarded-For`, and `Forwarded` (RFC 7239).

use std::net::{IpAddr, SocketAddr};

use hyper::{HeaderMap, header, header::HeaderName};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Which header the proxies write.
///
/// One alone is believed. A proxy passes on the headers that it does not know, so that the other may be anybody's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`, as nearly all write it.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Whether a request says that it was forwarded, be it true or not.
pub(crate) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(header::FORWARDED)
}

/// The addresses that the header names, the nearest first; `None` for one that cannot be read.
pub(crate) fn hops(headers: &HeaderMap, which: ProxyHeader) -> Vec<Option<IpAddr>> {
    /// More than any chain of proxies has.
    const MOST: usize = 32;
    let name = match which {
        ProxyHeader::XForwardedFor => X_FORWARDED_FOR,
        ProxyHeader::Forwarded => header::FORWARDED,
    };
    // Lines of one header are one list, in their order (RFC 9110, section 5.3).
    let lines: Vec<&str> = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or("?")).collect();
    lines
        .into_iter()
        .rev()
        .flat_map(|line| {
            let elements: Vec<_> = match which {
                ProxyHeader::XForwardedFor => line.rsplit(',').map(|element| node(element.trim())).collect(),
                ProxyHeader::Forwarded => from_the_end(line, b',').into_iter().map(of_element).collect(),
            };
            elements
        })
        .take(MOST)
        .collect()
}

/// The address of a `forwarded-element`: pairs such as `for="[2001:db8::1]:80";proto=https`.
fn of_element(element: &str) -> Option<IpAddr> {
    let pairs = from_the_end(element, b';');
    let mut values = pairs.iter().filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value.trim())
    });
    let value = values.next()?;
    // Named twice, it is nobody's.
    if values.next().is_some() {
        return None;
    }
    match value.strip_prefix('"') {
        Some(quoted) => node(&unescape(quoted.strip_suffix('"')?)),
        None => node(value),
    }
}

/// An address with or without a port. `unknown` and names that a proxy made up are none (RFC 7239, section 6).
fn node(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok().map(IpAddr::V6);
    let address = text.parse().ok().or_else(bracketed).or_else(|| text.parse().ok().map(|with: SocketAddr| with.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// The parts of a list, from its end, split where the separator is not inside a quoted string (RFC 9110, section 5.6.4).
///
/// Read from the end, since that is what the nearest proxy wrote: a quote that somebody before it left open swallows nothing of it.
fn from_the_end(text: &str, separator: u8) -> Vec<&str> {
    let bytes = text.as_bytes();
    let mut parts = Vec::new();
    let (mut end, mut quoted) = (text.len(), false);
    for place in (0..bytes.len()).rev() {
        if bytes[place] == b'"' {
            let escapes = bytes[..place].iter().rev().take_while(|byte| **byte == b'\\').count();
            quoted = !quoted || escapes % 2 == 1;
        } else if bytes[place] == separator && !quoted {
            parts.push(&text[place + 1..end]);
            end = place;
        }
    }
    parts.push(&text[..end]);
    parts
}

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

    fn read(which: ProxyHeader, lines: &[&str]) -> Vec<Option<IpAddr>> {
        let name = if which == ProxyHeader::Forwarded { "forwarded" } else { "x-forwarded-for" };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, HeaderValue::from_str(line).unwrap());
        }
        hops(&headers, which)
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
            assert_eq!(read(ProxyHeader::XForwardedFor, lines), addresses(expected), "{lines:?}");
        }
    }

    #[test]
    fn forwarded_is_read_as_its_rfc_writes_it() {
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
            assert_eq!(read(ProxyHeader::Forwarded, lines), addresses(expected), "{lines:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(lines in prop::collection::vec("[ -~]{0,80}", 0..4)) {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            for which in [ProxyHeader::XForwardedFor, ProxyHeader::Forwarded] {
                prop_assert!(read(which, &lines).len() <= 32);
            }
        }

        #[test]
        fn what_a_proxy_appends_is_the_nearest_whatever_came_before(line in "[ -~]{0,80}", address in any::<IpAddr>()) {
            let appended = format!("{line}, {address}");
            prop_assert_eq!(read(ProxyHeader::XForwardedFor, &[&appended])[0], Some(address.to_canonical()));
            let own = format!("for=\"{}\"", SocketAddr::new(address, 1));
            for lines in [&[line.as_str(), &own][..], &[&format!("{line}, {own}")]] {
                prop_assert_eq!(read(ProxyHeader::Forwarded, lines)[0], Some(address.to_canonical()));
            }
        }
    }
}
