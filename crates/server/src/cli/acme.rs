//! Command line options of the ACME client.

use std::path::PathBuf;

use clap::Args;
use hutong_server::{AcmeOptions, LETS_ENCRYPT, Tls, TlsError};

/// Options of the ACME client.
#[derive(Debug, Args)]
pub(crate) struct AcmeArgs {
    /// Accept https too, with a certificate for this host name from Let's Encrypt; repeatable
    ///
    /// The server orders and renews the certificate itself. The DNS records of the names must lead to this server, and its port
    /// 443 must be reachable from the internet: listen on it, or forward it. Using this option accepts the authority's terms of
    /// service. Failed orders are logged and retried; meanwhile the previous certificate stays in use.
    #[arg(long = "acme", value_name = "NAME", env = "HUTONG_ACME", value_delimiter = ' ', requires = "acme_cache",
          conflicts_with_all = ["self_signed", "tls_cert"])]
    acme: Vec<String>,

    /// Directory for the account and the certificate of --acme
    ///
    /// Authorities limit the number of certificates a week, so a restart must find the previous one.
    #[arg(long, value_name = "DIR", env = "HUTONG_ACME_CACHE", requires = "acme")]
    acme_cache: Option<PathBuf>,

    /// Mail address of the ACME account, for messages from the authority; repeatable
    #[arg(
        long = "acme-contact",
        value_name = "MAIL",
        env = "HUTONG_ACME_CONTACTS",
        value_delimiter = ' ',
        requires = "acme"
    )]
    acme_contacts: Vec<String>,

    /// URL of the authority's ACME directory
    #[arg(long, value_name = "URL", env = "HUTONG_ACME_DIRECTORY", default_value = LETS_ENCRYPT)]
    acme_directory: String,

    /// Root certificates (PEM) for https connections to the authority, if its own certificate is not from a public CA
    #[arg(long, value_name = "FILE", env = "HUTONG_ACME_ROOTS", requires = "acme")]
    acme_roots: Option<PathBuf>,
}

impl AcmeArgs {
    /// The TLS configuration. `None` without --acme.
    pub(crate) fn tls(self) -> Result<Option<Tls>, TlsError> {
        let (Some(directory), false) = (self.acme_cache, self.acme.is_empty()) else { return Ok(None) };
        let options = AcmeOptions {
            names: self.acme,
            contacts: self.acme_contacts,
            directory,
            authority: self.acme_directory,
            roots: self.acme_roots,
        };
        Tls::acme(options).map(Some)
    }
}
