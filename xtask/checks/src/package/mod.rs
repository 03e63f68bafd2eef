//! Checks of packages and of what is published with them.

mod container;
mod debian_root;
pub mod dependencies;
pub mod install_test;
pub mod lint;
mod roster_client;
mod systemd_unit;
mod workflows;
