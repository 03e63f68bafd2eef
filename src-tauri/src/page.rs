//! The address of the page that the webview shows.

#[cfg(target_os = "android")]
mod android;
#[cfg(not(target_os = "android"))]
mod other;

#[cfg(target_os = "android")]
pub use android::{Page, address, loads};
#[cfg(not(target_os = "android"))]
pub use other::{Page, address, loads};
