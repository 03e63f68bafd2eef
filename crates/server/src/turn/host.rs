//! The host at which a client reaches the TURN server: the one that it requested the web app from, or a configured one.

use std::{fmt, net::IpAddr, str::FromStr};

use hyper::http::uri::Authority;

/// Longest host name (RFC 1035, section 2.3.4). Others are not repeated to clients.
const MAX_HOST: usize = 253;

/// A host name or address, perhaps with a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TurnHost {
    /// As in a URL: IPv6 addresses in brackets.
    host: String,
    port: Option<u16>,
}

/// Error: the text is no host.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a host name or an address, perhaps with a port, such as turn.example.org, 192.0.2.1:3478 or [2001:db8::1]"
)]
pub struct TurnHostError;

impl TurnHost {
    /// An address.
    #[must_use]
    pub fn from_ip(address: IpAddr) -> Self {
        let host = match address.to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        Self { host, port: None }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The address, if it is one.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// Whether it names the client's own machine.
    pub(crate) fn is_loopback(&self) -> bool {
        match self.ip() {
            Some(address) => address.to_canonical().is_loopback(),
            None => {
                let name = self.host.trim_end_matches('.');
                name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
            }
        }
    }
}

impl FromStr for TurnHost {
    type Err = TurnHostError;

    fn from_str(text: &str) -> Result<Self, TurnHostError> {
        let authority: Authority = text.parse().map_err(|_| TurnHostError)?;
        let host = authority.host();
        // What a URL could not contain without an escape is no host.
        let is_name = |character: char| character.is_ascii_alphanumeric() || "-._".contains(character);
        let is_valid = host.starts_with('[') || host.chars().all(is_name);
        let has_valid_port =
            authority.as_str().len() == host.len() || authority.port_u16().is_some_and(|port| port > 0);
        if host.is_empty() || host.len() > MAX_HOST || !is_valid || !has_valid_port {
            return Err(TurnHostError);
        }
        let parsed = Self { host: host.to_owned(), port: authority.port_u16() };
        if host.starts_with('[') && parsed.ip().is_none() { Err(TurnHostError) } else { Ok(parsed) }
    }
}

impl fmt::Display for TurnHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// How a client reached the web app, by which it is told where the TURN server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ClientRoute {
    /// From this machine, whose name for itself is useless for others.
    ThisMachine {
        /// The port of the web app.
        port: u16,
    },
    /// Directly, under this name.
    Direct {
        host: TurnHost,
        /// The port of the web app.
        port: u16,
    },
    /// Through a reverse proxy, under this name if it is known.
    Proxied { host: Option<TurnHost> },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hosts_are_names_and_addresses_with_or_without_a_port() {
        for (text, host, port) in [
            ("turn.example.org", "turn.example.org", None),
            ("192.0.2.1:3478", "192.0.2.1", Some(3_478)),
            ("[2001:db8::1]", "[2001:db8::1]", None),
            ("[2001:db8::1]:443", "[2001:db8::1]", Some(443)),
            ("my_laptop.local:8017", "my_laptop.local", Some(8_017)),
        ] {
            let parsed: TurnHost = text.parse().unwrap();
            assert_eq!((parsed.host(), parsed.port()), (host, port));
            assert_eq!(parsed.to_string(), text);
        }
        let long = "a".repeat(254);
        for invalid in
            ["", ":80", "a b", "a:0", "a:99999", "a:b", "user@host", "a/b", "a?b", "[zz]", "[::1", "小明", "a,b", &long]
        {
            assert_eq!(invalid.parse::<TurnHost>(), Err(TurnHostError), "{invalid}");
        }
    }

    #[test]
    fn loopback_hosts_are_recognized() {
        for (text, is_loopback) in [
            ("localhost", true),
            ("LOCALHOST.", true),
            ("app.localhost", true),
            ("127.0.0.1", true),
            ("127.1.2.3", true),
            ("[::1]", true),
            ("[::ffff:127.0.0.1]", true),
            ("192.168.1.20", false),
            ("localhost.example.org", false),
            ("[2001:db8::1]", false),
        ] {
            assert_eq!(text.parse::<TurnHost>().unwrap().is_loopback(), is_loopback, "{text}");
        }
        assert_eq!(TurnHost::from_ip("::ffff:192.0.2.1".parse().unwrap()).to_string(), "192.0.2.1");
        assert_eq!(TurnHost::from_ip("2001:db8::1".parse().unwrap()).to_string(), "[2001:db8::1]");
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_parsed_without_a_panic(text: String) {
            if let Ok(host) = text.parse::<TurnHost>() {
                prop_assert!(host.host().is_ascii() && !host.host().contains([' ', '/', '?', '"', ',']));
            }
        }
    }
}
