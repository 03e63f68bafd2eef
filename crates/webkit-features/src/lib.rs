//! Enables experimental features of `WebKitGTK` by name (`WebKitFeature`, since 2.42), which the Rust bindings do not cover.
//!
//! Empty on other systems.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
pub use linux::enable;
