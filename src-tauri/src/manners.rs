//! How the app behaves on the system around it: who it is among other apps of its kind, what becomes of a closed window, what a
//! person sees of a call while the window is hidden. Phones have manners of their own; the two twins have the same face.

#[cfg(desktop)]
#[path = "manners/desktop.rs"]
mod platform;
#[cfg(mobile)]
#[path = "manners/phone.rs"]
mod platform;

pub use platform::{Place, begin, keep, show};
