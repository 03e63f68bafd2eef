//! Of the platforms that are not this machine, everything that can be checked on it.

mod android;
mod apple;
mod config;
mod icons;
mod linux;
mod rust;

use crate::problems::Check;

/// What takes seconds: files.
pub const QUICK: &[Check] = &[
    ("the Android project", android::check),
    ("the Apple project", apple::check),
    ("icons", icons::check),
    ("the app's configuration for each platform", config::check),
    ("desktop entry and metadata on Linux", linux::check),
];

/// What takes minutes: the Rust code is type-checked for other platforms.
pub const SLOW: &[Check] = &[("the Rust code on Android and Windows", rust::check)];
