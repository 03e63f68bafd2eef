//! What the server counts of itself, for whoever watches it from outside.
//!
//! Counting is a few additions to atomic numbers, without a lock but for the set-up of a call. The words that tell series apart
//! come from closed lists (the protocol's codes and states), never from outside, so that there are as many as at the start for
//! ever. The numbers belong to one server: two in one process do not share them.

mod counter_family;
mod counters;
mod endpoint;
mod exposition;
mod gauges;
#[cfg(target_os = "linux")]
mod process;

pub(crate) use counters::{Closed, Connected, Metrics};
pub(crate) use endpoint::serve;
pub(crate) use exposition::Exposition;
pub(crate) use gauges::Gauges;
