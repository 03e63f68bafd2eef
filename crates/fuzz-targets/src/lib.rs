//! Bodies of the fuzz targets: functions that take arbitrary bytes and must neither panic nor break an invariant.
//!
//! libFuzzer calls them (`fuzz/`), and so do ordinary tests, with the committed corpus and with bytes from
//! [`SplitMix64`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a fuzz target reports a failure by panicking"
)]

mod decode;
mod names;
mod registry;
mod relay;
mod split_mix;

pub use decode::decode;
#[cfg(feature = "media")]
pub use hutong_media::inspect::{ice, rtcp, rtp, turn_stream};
pub use names::names;
pub use registry::{RegistryOp, registry};
pub use relay::{RelayOp, relay};
pub use split_mix::SplitMix64;

/// Fuzz target: its name, which is also its directory in `fuzz/corpus`, and the function that takes the bytes.
pub type FuzzTarget = (&'static str, fn(&[u8]));

/// All fuzz targets.
pub const TARGETS: &[FuzzTarget] = &[
    ("decode", decode),
    ("names", names),
    ("registry", registry),
    ("relay", relay),
    #[cfg(feature = "media")]
    ("ice", ice),
    #[cfg(feature = "media")]
    ("rtcp", rtcp),
    #[cfg(feature = "media")]
    ("rtp", rtp),
    #[cfg(feature = "media")]
    ("turn_stream", turn_stream),
];
