//! Desktop integration: single instance per profile, window, tray, notifications and call links. On phones only call
//! links work; the other functions do nothing there.

#[cfg(desktop)]
mod desktop_env;
#[cfg(desktop)]
mod integration;
#[cfg(desktop)]
mod notifications;
#[cfg(mobile)]
mod phone;
#[cfg(desktop)]
mod shell;
#[cfg(desktop)]
mod shell_event;
#[cfg(desktop)]
mod shell_host;
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
mod window_activation;
#[cfg(desktop)]
mod window_close;

#[cfg(desktop)]
pub use integration::{DesktopIntegration, show};
#[cfg(mobile)]
pub use phone::{DesktopIntegration, forward_to_running_instance, set_identifier};
#[cfg(desktop)]
pub use single_instance::{forward_to_running_instance, set_identifier};
