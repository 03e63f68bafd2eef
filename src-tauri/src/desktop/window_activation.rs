//! Bringing the window to the front, where the desktop allows it.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
pub use linux::{attention_paid, show};
#[cfg(not(target_os = "linux"))]
pub use other::{attention_paid, show};
