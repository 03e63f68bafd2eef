//! Checks of other platforms that are possible on this machine.

mod android;
mod apple;
mod config;
mod icons;
mod linux;
mod rust;

use crate::problems::Check;

/// Checks of files, which take seconds.
pub const QUICK: &[Check] = &[
    ("Android project", android::check),
    ("Apple project", apple::check),
    ("icons", icons::check),
    ("the app's configuration for each platform", config::check),
    ("desktop entry and metadata on Linux", linux::check),
];

/// Type checks of the Rust code, which take minutes.
pub const SLOW: &[Check] = &[("Rust code on Android and Windows", rust::check)];
