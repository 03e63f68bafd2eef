//! Calls between real browsers, and the real app, over the real server.
//!
//! A test is a [`scenario`]: its body opens [`Page`]s, each in a browser of its own, against a [`Server`], and waits for
//! conditions in them. Nothing here sleeps: every wait is for a condition, and bounded. What a page did with peer connections,
//! devices and timers is told by a script that is injected before the page loads (`instrument.js`); the product has no hooks.
//!
//! Everything that a scenario starts is ended with it, also when it fails; then pictures, sources and logs of its pages are
//! kept in `target/e2e-failures`.

pub mod browser;
pub mod bus;
pub mod call_assertions;
pub mod call_quality;
pub mod desktop;
pub mod media;
pub mod network;
pub mod page;
pub mod paths;
pub mod people;
pub mod process;
pub mod proxy;
pub mod sampler;
pub mod scenario;
pub mod screen;
pub mod server;
pub mod steps;
pub mod usage;
pub mod voice;
pub mod watch;

pub use anyhow::{Context, Result, anyhow, bail, ensure};

pub use browser::{Devices, Permissions, Profile, Shown};
pub use bus::Bus;
pub use desktop::{Desktop, Setup};
pub use network::Network;
pub use page::Page;
pub use proxy::Proxy;
pub use scenario::{Outcome, World, scenario};
pub use server::Server;
pub use thirtyfour::By;
pub use watch::Seen;
