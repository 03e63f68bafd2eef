//! End-to-end test harness: calls between Chromium and the desktop app over the real server.
//!
//! A test is a [`scenario`]: its body opens [`TestPage`]s, each in its own browser, against a [`ServerProcess`], and waits for
//! conditions in them. Nothing sleeps: each wait is for a condition and has a time limit. The injected script `instrument.js`
//! records what a page does with peer connections, devices and timers; the product has no test hooks.
//!
//! A scenario stops everything that it has started, on success and on failure. After a failure the screenshots, page sources and
//! logs are in `target/e2e-failures`.

pub mod bidi;
pub mod browser;
mod browser_state;
pub mod call_assertions;
pub mod call_path;
pub mod call_quality;
pub mod call_steps;
pub mod clients;
pub mod coturn;
pub mod dbus;
pub mod desktop;
pub mod firefox;
pub mod instrument;
pub mod network;
pub mod network_report;
pub mod page;
mod page_control;
pub mod paths;
pub mod playback_monitor;
pub mod process;
pub mod proxy;
pub mod reverse_proxy;
pub mod sampler;
pub mod scenario;
pub mod server;
pub mod statistics;
pub mod synthetic_media;
mod tabs;
pub mod usage;
pub mod virtual_display;
pub mod window_manager;

pub use anyhow::{Context, Error, Result, anyhow, bail, ensure};

pub use browser::{BrowserOptions, DevicePermissions, FakeDevices, Mdns, WindowPlacement};
pub use dbus::SessionBus;
pub use desktop::{AppOptions, DesktopApp};
pub use network::EmulatedNetwork;
pub use page::TestPage;
pub use playback_monitor::PlaybackReport;
pub use proxy::TcpProxy;
pub use scenario::{TestEnv, TestResult, scenario};
pub use server::ServerProcess;
pub use thirtyfour::By;
