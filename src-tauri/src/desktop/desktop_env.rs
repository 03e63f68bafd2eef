//! Probes of the desktop environment: tray host and single-instance support.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
pub use linux::{finds_running_app, has_tray_host};
#[cfg(not(target_os = "linux"))]
pub use other::{finds_running_app, has_tray_host};
