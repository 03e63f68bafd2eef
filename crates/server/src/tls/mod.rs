//! Certificates: one that the server makes and keeps itself, one from files, or one from an authority.
//!
//! The certificate can change while the server runs: each new handshake takes the certificate of that moment, and connections that
//! exist go on with the one that they began with.

mod certified_key;
mod config;
mod error;
mod keeper;
mod resolver;
mod self_signed;
mod source;

#[cfg(feature = "acme")]
pub(crate) use certified_key::CertifiedKey;
pub(crate) use keeper::keep;
#[cfg(feature = "acme")]
pub(crate) use resolver::{CHALLENGE_PROTOCOL, CertResolver};

pub use config::{Reloaded, Tls};
pub use error::TlsError;
