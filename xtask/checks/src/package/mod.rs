//! What people install, and what is published with it.

pub mod install;
pub mod lint;
mod root;
mod unit;
mod watcher;
mod workflows;
