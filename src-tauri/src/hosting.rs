//! The server inside the app: on a desktop there is one, on a phone there is none. The two twins have the same face.

#[cfg(desktop)]
#[path = "hosting_desktop.rs"]
mod platform;
#[cfg(mobile)]
#[path = "hosting_phone.rs"]
mod platform;

use hutong_core::app::AppProblem;

pub use platform::Hosting;

/// How far a wish to share, or to share no more, went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Shared {
    /// All is as it was wished.
    AsWished,
    /// As far as it went: this is in the way.
    But(AppProblem),
}
