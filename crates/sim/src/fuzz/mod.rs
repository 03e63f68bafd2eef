//! What takes any bytes and must neither panic nor break a promise. Each function is one target of `fuzz/`.

mod decode;
mod names;
mod registry;

pub use decode::decode;
pub use names::names;
pub use registry::{Op, registry};

/// A target: its name, as in `fuzz/corpus`, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 3] = [("decode", decode), ("names", names), ("registry", registry)];
