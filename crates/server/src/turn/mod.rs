//! TURN over UDP, TCP and TLS: the sockets of the [`relay`](crate::relay), and the ICE servers that clients are told.
//!
//! UDP has the number of the web's port. TCP and TLS share that port itself: the first byte of a connection tells TURN from
//! HTTP. Behind a reverse proxy, which forwards only HTTP, TURN needs a port of its own.

mod host;
mod ice_servers;
mod issuer;
mod listeners;
mod options;
mod router;
mod server;
mod source;
mod stream;
mod stream_queue;
mod stream_slots;
mod udp;
mod udp_task;

pub(crate) use self::{
    host::ClientRoute,
    issuer::{CREDENTIAL_RENEWAL, CredentialIssuer},
    listeners::TurnListeners,
    server::TurnServer,
    source::IceServerSource,
    stream_slots::MAX_STREAMS,
};
pub use self::{
    host::{TurnHost, TurnHostError},
    options::TurnOptions,
};
