//! The options for certificates from an authority.

use std::path::PathBuf;

use clap::Args;
use hutong_server::{AcmeOptions, LETS_ENCRYPT, Tls, TlsError};

/// Whom to ask for certificates, and for what.
#[derive(Debug, Args)]
pub(crate) struct AcmeArgs {
    /// Answer https too, with a certificate for this host name that Let's Encrypt issues; may be given several times
    ///
    /// The names have to lead to this server, and its port 443 has to be reached from the internet: listen on it, or forward it.
    /// The certificate is ordered and renewed by the server itself. By this you agree to the authority's terms. What goes wrong is
    /// logged, and tried again; meanwhile the last certificate is shown on.
    #[arg(long = "acme", value_name = "NAME", env = "HUTONG_ACME", value_delimiter = ' ', requires = "acme_cache",
          conflicts_with_all = ["self_signed", "tls_cert"])]
    acme: Vec<String>,

    /// Keep the account and the certificate of --acme in this directory
    ///
    /// Authorities issue only so many certificates a week, so a restart must find the last one.
    #[arg(long, value_name = "DIR", env = "HUTONG_ACME_CACHE", requires = "acme")]
    acme_cache: Option<PathBuf>,

    /// A mail address that the authority may write to; may be given several times
    #[arg(
        long = "acme-contact",
        value_name = "MAIL",
        env = "HUTONG_ACME_CONTACTS",
        value_delimiter = ' ',
        requires = "acme"
    )]
    acme_contacts: Vec<String>,

    /// Another authority than Let's Encrypt: the URL of its ACME directory
    #[arg(long, value_name = "URL", env = "HUTONG_ACME_DIRECTORY", default_value = LETS_ENCRYPT)]
    acme_directory: String,

    /// The roots (PEM) that vouch for the authority's own address, where they are not public: a company's, for example
    #[arg(long, value_name = "FILE", env = "HUTONG_ACME_ROOTS", requires = "acme")]
    acme_roots: Option<PathBuf>,
}

impl AcmeArgs {
    /// The certificate, where one is wanted.
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
