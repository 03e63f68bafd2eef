//! The native media engine: peer connections for a webview that has none (WebKitGTK). Both platforms' [`Native`] has the same
//! methods; where the webview has its own, they fail with `NativeProblem::NotHere`.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(target_os = "linux")]
mod render_priority;

#[cfg(target_os = "linux")]
pub use linux::Native;
#[cfg(not(target_os = "linux"))]
pub use other::Native;
