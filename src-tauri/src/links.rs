//! Links that the system opens with the app (`hutong://`).

#[cfg(not(any(target_os = "macos", mobile)))]
mod arguments;
#[cfg(any(target_os = "macos", mobile))]
mod opened;

#[cfg(not(any(target_os = "macos", mobile)))]
pub use arguments::hear;
#[cfg(any(target_os = "macos", mobile))]
pub use opened::hear;
