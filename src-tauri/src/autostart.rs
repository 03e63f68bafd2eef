//! Autostart: starting the app when the person logs in to the computer. Desktop only; [`Autostart`] has the same methods
//! on phones.

#[cfg(desktop)]
mod desktop;
#[cfg(mobile)]
mod phone;

#[cfg(desktop)]
pub use desktop::Autostart;
#[cfg(mobile)]
pub use phone::Autostart;
