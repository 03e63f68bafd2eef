//! Single instance per profile: a second start passes its arguments to the running instance and exits.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
pub use linux::{forward_to_running_instance, plugin, set_identifier};
#[cfg(not(target_os = "linux"))]
pub use other::{forward_to_running_instance, plugin, set_identifier};
