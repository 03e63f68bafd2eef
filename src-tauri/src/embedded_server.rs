//! The server inside a desktop app; a phone has none. Both platforms' [`EmbeddedServer`] has the same methods.

#[cfg(desktop)]
mod desktop;
#[cfg(mobile)]
mod phone;

#[cfg(desktop)]
pub use desktop::EmbeddedServer;
#[cfg(mobile)]
pub use phone::EmbeddedServer;
