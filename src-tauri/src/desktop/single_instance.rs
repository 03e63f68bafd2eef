//! Lets one app of a profile run: a second start hands its arguments to the first, and ends.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
pub use linux::{hand_over, plugin, set_identifier};
#[cfg(not(target_os = "linux"))]
pub use other::{hand_over, plugin, set_identifier};
