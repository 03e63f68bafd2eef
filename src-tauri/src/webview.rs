//! Configuration of the webview beyond Tauri's options: features for calls, and restarts of a crashed page.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
pub use linux::{configure, set_environment};
#[cfg(not(target_os = "linux"))]
pub use other::{configure, set_environment};
