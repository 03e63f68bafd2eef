//! Settings of the webview that are not Tauri's.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
pub use linux::{prepare, set_up};
#[cfg(not(target_os = "linux"))]
pub use other::{prepare, set_up};
