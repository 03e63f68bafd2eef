//! What an operator says about certificates from an authority.

use std::path::PathBuf;

/// The production directory of Let's Encrypt.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// Who issues certificates, and for what.
#[derive(Clone, Debug)]
pub struct AcmeOptions {
    /// Host names, at least one. All of them lead to this server.
    pub names: Vec<String>,
    /// Mail addresses that the authority may write to.
    pub contacts: Vec<String>,
    /// Where account and certificate are kept. Made where it is not there.
    pub directory: PathBuf,
    /// The URL of the authority's directory, such as [`LETS_ENCRYPT`].
    pub authority: String,
    /// The roots, in a PEM file, that vouch for the authority's own address; `None` for the public ones.
    pub roots: Option<PathBuf>,
}

/// A name that an authority could find: letters, digits and hyphens, in more than one part. Neither addresses nor wildcards: those
/// have other challenges.
pub(super) fn is_public_name(name: &str) -> bool {
    let label = |label: &str| {
        let inside = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        !label.is_empty() && label.len() <= 63 && inside && !label.starts_with('-') && !label.ends_with('-')
    };
    let last_is_a_word =
        name.rsplit('.').next().is_some_and(|last| last.bytes().any(|byte| byte.is_ascii_alphabetic()));
    name.len() <= 253 && name.contains('.') && name.split('.').all(label) && last_is_a_word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_an_authority_can_find_are_taken() {
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
