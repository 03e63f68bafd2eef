//! Hutong's signalling server, as a library.
//!
//! The program `hutong-server` and the desktop app both run it. One [`Server`] answers everything on its port: the web
//! app at `/`, the WebSocket at `/ws`, `/healthz`, `/readyz`, and, where it has a [`Tls`], http and https alike.
//!
//! # Running one
//!
//! ```no_run
//! use hutong_server::{BindError, Options, Server};
//!
//! # async fn run() -> Result<(), BindError> {
//! let loopback = ([127, 0, 0, 1], hutong_server::DEFAULT_PORT).into();
//! let server = match Server::bind(Options::listen_on(loopback)).await {
//!     // The port is taken: say so, and take a free one.
//!     Err(BindError::AddressInUse(_)) => Server::bind(Options::listen_on(([127, 0, 0, 1], 0).into())).await?,
//!     other => other?,
//! };
//! println!("http://{}/", server.local_addr());
//! // ...
//! server.shutdown().await; // Everybody is told; returns within a few seconds.
//! # Ok(()) }
//! ```
//!
//! # Letting others join, while it runs
//!
//! A server on loopback opens to the network and closes again on the same port. Whoever came from this machine stays
//! connected through both; whoever came over the network is told `shutting_down` when it closes.
//!
//! ```no_run
//! # async fn share(server: &mut hutong_server::Server, directory: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
//! use hutong_server::Tls;
//!
//! // The addresses that people type or scan; the certificate is kept in the directory and made anew when they change.
//! let names = ["192.168.1.20".to_owned(), "my-laptop.local".to_owned()];
//! let tls = Tls::self_signed(directory, &names)?;
//! println!("fingerprint {}", tls.fingerprint().unwrap_or_default());
//! server.open_to_network(tls).await?;
//! println!("https://192.168.1.20:{}/", server.local_addr().port());
//! // ...
//! server.close_to_network().await?;
//! # Ok(()) }
//! ```
//!
//! Where a task that the server cannot do without panics, the server stops, and [`Server::failed`] returns why.
//!
//! All of it runs on the tokio runtime that [`Server::bind`] is called on. A [`Server`] that is dropped stops at once.
//!
//! # Inside
//!
//! A connection's task (`gateway`) turns frames into messages and back, and keeps the deadlines and rates that need no
//! knowledge of users. Whether a `hello` is let in is asked at the door (`entry`) first. The [`registry`] alone decides who is in which state; it does no I/O. Between them stands the hub:
//! it owns the registry and the clock, and puts what the registry wants delivered into each connection's bounded outbox.

#[cfg(feature = "acme")]
mod acme;
mod clock;
mod drain;
mod entry;
mod gateway;
mod handler;
mod headers;
mod http;
mod hub;
mod listener;
mod metrics;
mod options;
mod outbox;
pub mod registry;
mod routes;
mod server;
mod shutdown;
mod sockets;
mod stream;
mod supervisor;
mod ticket_key;
mod tls;
mod token_bucket;
mod transport;
mod web;

#[cfg(feature = "acme")]
pub use acme::{AcmeOptions, LETS_ENCRYPT};
pub use entry::{
    EntryFileError, EntryOptions, ProxyHeader, SecretKind, UsersFileLineError, parse_network, users_file_line,
};
pub use gateway::Deadlines;
pub use ipnet::IpNet;
pub use options::Options;
pub use server::Server;
pub use sockets::BindError;
pub use supervisor::TaskFailure;
pub use ticket_key::{TicketKey, TicketKeyError};
pub use tls::{Reloaded, Tls, TlsError};

/// The port of a server, embedded or not, unless another is asked for.
pub const DEFAULT_PORT: u16 = 8017;
