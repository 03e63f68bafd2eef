//! Deep links: receives the `hutong://` links that the system opens with the app.

#[cfg(not(any(target_os = "macos", mobile)))]
mod arguments;
#[cfg(any(target_os = "macos", mobile))]
mod plugin;

#[cfg(not(any(target_os = "macos", mobile)))]
pub use arguments::listen;
#[cfg(any(target_os = "macos", mobile))]
pub use plugin::listen;
