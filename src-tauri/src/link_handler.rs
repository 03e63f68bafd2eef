//! The program that the desktop opens `hutong:` links with. Linux only: elsewhere, and from a package, the installation
//! registers the app. [`LinkHandler`] has the same methods on other systems.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
pub use linux::LinkHandler;
#[cfg(not(target_os = "linux"))]
pub use other::LinkHandler;

/// Who opens the links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisteredHandler {
    /// This program, by the entry that it has written.
    ThisProgram,
    /// Another entry, such as that of an installed package.
    Another,
    /// Nothing.
    Nothing,
}
