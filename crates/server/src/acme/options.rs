//! Options of the ACME client.

use std::path::PathBuf;

/// URL of Let's Encrypt's production directory.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// Which authority issues the certificate, and for which names.
#[derive(Clone, Debug)]
pub struct AcmeOptions {
    /// Host names, at least one. Their DNS records have to lead to this server.
    pub names: Vec<String>,
    /// Mail addresses of the account, for messages from the authority.
    pub contacts: Vec<String>,
    /// Directory for the account and the certificate. Created if missing.
    pub directory: PathBuf,
    /// URL of the authority's ACME directory, such as [`LETS_ENCRYPT`].
    pub authority: String,
    /// PEM file with the root certificates for https connections to the authority. `None` for the public roots.
    pub roots: Option<PathBuf>,
}

/// Whether an authority can validate the name by TLS-ALPN-01: a host name of at least two labels, no address, no wildcard.
pub(super) fn is_public_name(name: &str) -> bool {
    let label = |label: &str| {
        let inside = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        !label.is_empty() && label.len() <= 63 && inside && !label.starts_with('-') && !label.ends_with('-')
    };
    let last_is_alphabetic =
        name.rsplit('.').next().is_some_and(|last| last.bytes().any(|byte| byte.is_ascii_alphabetic()));
    name.len() <= 253 && name.contains('.') && name.split('.').all(label) && last_is_alphabetic
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_host_names_are_accepted() {
        for good in ["hutong.example.org", "a.b", "xn--dqr365h.example", "1.example"] {
            assert!(is_public_name(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "localhost",
            "192.0.2.1",
            "*.example.org",
            "a..b",
            "-a.example",
            "a b.example",
            "胡同.example",
            "::1",
        ] {
            assert!(!is_public_name(bad), "{bad}");
        }
    }
}
