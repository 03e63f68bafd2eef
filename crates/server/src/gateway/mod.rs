//! WebSocket gateway: upgrades requests and runs one task per connection, with its deadlines and rate limits.

mod connection;
mod deadlines;
mod fragment_counter;
mod keepalive;
mod message_rate;
mod origin;
mod read_ahead;
mod refusal;
mod route;
mod upgrade;

pub use deadlines::Deadlines;
pub(crate) use upgrade::Gateway;
