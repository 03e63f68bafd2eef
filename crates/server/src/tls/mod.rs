//! Server certificates: self-signed, from PEM files, or from an ACME authority.
//!
//! A certificate can be replaced while the server runs. Each new handshake uses the current one; open connections keep
//! the one they began with.

mod cert_source;
mod certified_key;
mod config;
mod error;
mod refresh_task;
mod resolver;
mod self_signed;

#[cfg(feature = "acme")]
pub(crate) use certified_key::CertifiedKey;
pub(crate) use refresh_task::keep_current;
#[cfg(feature = "acme")]
pub(crate) use resolver::{CHALLENGE_PROTOCOL, CertResolver};

pub use config::{ReloadOutcome, Tls};
pub use error::TlsError;
