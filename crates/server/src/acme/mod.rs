//! ACME client (RFC 8555): orders and renews a certificate from an authority such as Let's Encrypt.
//!
//! It answers TLS-ALPN-01 challenges (RFC 8737): the authority connects to port 443 of each name and expects a certificate
//! that only the owner of the order can create. So no other port and no file on a web server are needed.

mod cache;
mod client;
mod options;
mod order;
mod renewal;

pub(crate) use renewal::AcmeRenewer;

pub(crate) use crate::tls::CHALLENGE_PROTOCOL;
pub use options::{AcmeOptions, LETS_ENCRYPT};
