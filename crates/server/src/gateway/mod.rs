//! WebSockets: who may open one, and what is told to whoever breaks the rules that need no knowledge of users.

mod connection;
mod deadlines;
mod eager;
mod rate;
mod refusal;
mod upgrade;
mod vigil;

pub use deadlines::Deadlines;
pub(crate) use upgrade::Gateway;
