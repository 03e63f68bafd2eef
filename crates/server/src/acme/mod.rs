//! Certificates from an authority that issues them by itself (ACME, RFC 8555).
//!
//! The authority opens a TLS connection to port 443 of each name and looks for a certificate that only whoever ordered can have
//! made (TLS-ALPN-01, RFC 8737). So no other port is needed, and no file that a web server would have to give out.

mod cache;
mod client;
mod options;
mod order;
mod renewal;

pub(crate) use renewal::Acme;

pub(crate) use crate::tls::CHALLENGE_PROTOCOL;
pub use options::{AcmeOptions, LETS_ENCRYPT};
