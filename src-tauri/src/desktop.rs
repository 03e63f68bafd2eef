//! Desktop integration: one app for a profile, window, tray, notifications, links. A phone has none of it but the links; there the
//! same functions do nothing.

#[cfg(desktop)]
mod closing;
#[cfg(desktop)]
mod desktop_env;
#[cfg(desktop)]
mod event;
#[cfg(desktop)]
mod host;
#[cfg(desktop)]
mod integration;
#[cfg(desktop)]
mod notifications;
#[cfg(mobile)]
mod phone;
#[cfg(desktop)]
mod shell;
#[cfg(desktop)]
mod single_instance;
#[cfg(desktop)]
mod strings;
#[cfg(desktop)]
mod tauri_host;
#[cfg(desktop)]
mod tray;
#[cfg(desktop)]
mod tray_content;

#[cfg(desktop)]
pub use integration::{DesktopIntegration, show};
#[cfg(mobile)]
pub use phone::{DesktopIntegration, hand_over, set_identifier};
#[cfg(desktop)]
pub use single_instance::{hand_over, set_identifier};
