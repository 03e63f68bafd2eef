//! Starting the app when the person logs in to the computer: a desktop's system remembers that, a phone has nothing of the
//! kind. The two twins have the same face.

#[cfg(desktop)]
#[path = "autostart_desktop.rs"]
mod platform;
#[cfg(mobile)]
#[path = "autostart_phone.rs"]
mod platform;

pub use platform::Autostart;
