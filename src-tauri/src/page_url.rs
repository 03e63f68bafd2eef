//! The URL of the page in the webview, for permission decisions.

#[cfg(target_os = "android")]
mod android;
#[cfg(not(target_os = "android"))]
mod other;

#[cfg(target_os = "android")]
pub use android::{PageUrl, current, on_load};
#[cfg(not(target_os = "android"))]
pub use other::{PageUrl, current, on_load};
