//! The server inside the desktop app. [`EmbeddedServer`] has the same methods on phones, where it does not exist.

#[cfg(desktop)]
mod access_key;
#[cfg(desktop)]
mod desktop;
#[cfg(mobile)]
mod phone;

#[cfg(desktop)]
pub use desktop::EmbeddedServer;
#[cfg(mobile)]
pub use phone::EmbeddedServer;
