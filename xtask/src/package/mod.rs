//! What people install: packages, what is published with them, and the checks of both.

pub mod install;
pub mod links;
pub mod lint;
mod root;
pub mod server_deb;
mod unit;
pub mod version;
mod websocket;
mod workflows;
