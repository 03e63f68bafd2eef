//! Host names: of this server, as configured or requested, and of the machine.

use std::{fmt, str::FromStr};

/// Longest host name in bytes (RFC 1035, section 2.3.4).
const MAX_LENGTH: usize = 253;

/// A host name in the form that browsers send: lower case, ASCII, without a port and without a dot at its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostName(String);

/// Error: the text is no host name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a host name without scheme and port, such as nas.example.org; write a name with other letters in its ASCII form \
     (xn--...)"
)]
pub struct HostNameError;

impl HostName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether only the machine's own network can resolve the name: it has no dot, and no public DNS name is like that (ICANN
    /// permits no address records of a top-level domain). The name `localhost` has no dot either.
    pub(crate) fn is_dotless(&self) -> bool {
        !self.0.contains('.')
    }

    /// Whether it is reserved for the client's own machine (RFC 6761, section 6.3).
    pub(crate) fn is_localhost(&self) -> bool {
        self.0 == "localhost" || self.0.ends_with(".localhost")
    }

    /// The name under which multicast DNS announces a machine of this name (RFC 6762, section 3).
    pub(crate) fn in_local_domain(&self) -> Self {
        let label = self.0.split('.').next().unwrap_or_default();
        Self(format!("{label}.local"))
    }

    /// The machine's own name. `None` if it has none.
    pub(crate) fn of_this_machine() -> Option<Self> {
        #[cfg(unix)]
        let name = rustix::system::uname().nodename().to_str().ok().map(str::to_owned);
        #[cfg(not(unix))]
        let name = std::env::var("COMPUTERNAME").ok();
        name?.parse().ok()
    }
}

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, HostNameError> {
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_valid = |character: char| character.is_ascii_alphanumeric() || "-._".contains(character);
        if name.is_empty() || name.len() > MAX_LENGTH || name.starts_with('.') || !name.chars().all(is_valid) {
            return Err(HostNameError);
        }
        Ok(Self(name.to_ascii_lowercase()))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_parsed_in_the_form_that_browsers_send() {
        for (text, name) in [
            ("box.lan", "box.lan"),
            ("Calls.Example.ORG.", "calls.example.org"),
            ("my_nas", "my_nas"),
            ("xn--dqr365h.example", "xn--dqr365h.example"),
        ] {
            assert_eq!(text.parse::<HostName>().unwrap().as_str(), name, "{text}");
        }
        let long = "a".repeat(254);
        for invalid in
            ["", ".", "..", "box.lan:8017", "https://box.lan", "box lan", "胡同.example", "[::1]", "*.lan", &long]
        {
            assert_eq!(invalid.parse::<HostName>(), Err(HostNameError), "{invalid}");
        }
    }

    #[test]
    fn names_of_the_own_network_and_machine_are_recognized() {
        let name = |text: &str| text.parse::<HostName>().unwrap();
        assert!(name("nas").is_dotless() && !name("nas.lan").is_dotless());
        for (text, is_localhost) in [
            ("localhost", true),
            ("LOCALHOST.", true),
            ("app.localhost", true),
            ("localhost.example", false),
            ("notlocalhost", false),
        ] {
            assert_eq!(name(text).is_localhost(), is_localhost, "{text}");
        }
        assert_eq!(name("box").in_local_domain(), name("box.local"));
        assert_eq!(name("box.example.org").in_local_domain(), name("box.local"));
        assert_eq!(name("box.local").in_local_domain(), name("box.local"));
    }
}
