//! Starting the app when the person logs in to the computer: a desktop's system remembers that, a phone has nothing of the kind.
//! Both platforms' [`Autostart`] has the same methods.

#[cfg(desktop)]
mod desktop;
#[cfg(mobile)]
mod phone;

#[cfg(desktop)]
pub use desktop::Autostart;
#[cfg(mobile)]
pub use phone::Autostart;
