//! Switches on features of `WebKitGTK` that are off unless asked for (`WebKitFeature`, since 2.42), for which the Rust bindings
//! have no call. Empty on other systems.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
pub use linux::enable;
