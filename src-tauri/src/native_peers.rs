//! Native WebRTC peers for a webview without `RTCPeerConnection` (`WebKitGTK`).
//!
//! [`NativePeers`] has the same methods on all systems; where the webview has its own peers, they fail with
//! `NativePeerError::Unsupported`.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(target_os = "linux")]
mod render_priority;

#[cfg(target_os = "linux")]
pub use linux::NativePeers;
#[cfg(not(target_os = "linux"))]
pub use other::NativePeers;
