//! Hutong's signalling server, as a library.
//!
//! The program `hutong-server` and the desktop app both embed it. One [`Server`] serves the web app at `/`, the WebSocket at
//! `/ws`, and the probes `/healthz` and `/readyz` on one port; with a [`Tls`], it accepts http and https there.
//!
//! # Running a server
//!
//! ```no_run
//! use hutong_server::{BindError, Options, Server};
//!
//! # async fn run() -> Result<(), BindError> {
//! let loopback = ([127, 0, 0, 1], hutong_server::DEFAULT_PORT).into();
//! let server = match Server::bind(Options::listen_on(loopback)).await {
//!     // The port is in use: take a free one.
//!     Err(BindError::AddressInUse(_)) => Server::bind(Options::listen_on(([127, 0, 0, 1], 0).into())).await?,
//!     other => other?,
//! };
//! println!("http://{}/", server.local_addr());
//! // ...
//! server.shutdown().await; // Disconnects all clients; returns within a few seconds.
//! # Ok(()) }
//! ```
//!
//! # Opening a running server to the network
//!
//! A server on loopback can open to the network and close again, on the same port. Connections from this machine continue
//! through both. Closing disconnects clients from other machines with `shutting_down`.
//!
//! ```no_run
//! # async fn share(server: &mut hutong_server::Server, directory: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
//! use hutong_server::Tls;
//!
//! // The addresses that users type or scan. The certificate is stored in the directory, and replaced when they change.
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
//! If a critical background task panics, the server stops and [`Server::failed`] returns the reason.
//!
//! Everything runs on the tokio runtime that calls [`Server::bind`]. Dropping a [`Server`] stops it at once.
//!
//! # Structure
//!
//! The task of a connection (`gateway`) converts between frames and messages, and enforces the timeouts and rates that need no
//! knowledge of users. Admission control (`admission`) checks each `hello`. The [`registry`] alone decides the state of each
//! user, and does no I/O. The hub connects them: it owns the registry and the clock, and puts the registry's deliveries into
//! the bounded outbox of each connection.

#[cfg(feature = "acme")]
mod acme;
mod addr_prefix;
mod addr_rate_limiter;
mod admission;
mod clock;
pub mod clock_step;
mod critical_mutex;
mod drain;
mod gateway;
mod handler;
mod headers;
mod host_name;
mod http;
mod hub;
mod listener;
mod metrics;
mod options;
mod outbox;
mod protocol_detection;
mod rate_limiter;
mod refusal_slots;
mod refused_connection;
pub mod registry;
pub mod relay;
mod revocation_file;
mod revocation_writer;
mod routes;
mod served_hosts;
mod server;
mod server_state;
mod shutdown;
mod slot_counts;
mod sockets;
mod stream;
mod supervisor;
mod ticket_key;
mod tls;
mod token_bucket;
mod transport;
mod turn;
mod web;

#[cfg(feature = "acme")]
pub use acme::{AcmeOptions, LETS_ENCRYPT};
pub use admission::{
    AccessKey, AdmissionFileError, AdmissionOptions, InvalidAccessKey, ProxyHeader, SecretRequirement, SecretsInFile,
    UsersFileLineError, parse_network, users_file_line,
};
pub use gateway::Deadlines;
pub use host_name::{HostName, HostNameError};
pub use ipnet::IpNet;
pub use options::Options;
pub use relay::{RelayLimits, TurnCredential, TurnSecret, TurnSecretError};
pub use revocation_file::revocation_file_beside;
pub use server::Server;
pub use sockets::BindError;
pub use supervisor::TaskFailure;
pub use ticket_key::{TicketKey, TicketKeyError};
pub use tls::{ReloadOutcome, Tls, TlsError};
pub use turn::{TurnHost, TurnHostError, TurnOptions};

/// Default port of the program and of the embedded server.
pub const DEFAULT_PORT: u16 = 8017;
