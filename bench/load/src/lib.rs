//! Load for signalling servers, and what they use of the machine under it, side by side in one run.
//!
//! `measure` starts each server as a process of its own and clients in others (`worker`), and tells those what to do; `report` makes
//! tables of what was found. docs/BENCHMARKS.md says what is measured and how to run it.

pub mod command;
pub mod control;
pub mod echo_baseline;
pub mod limits;
pub mod link;
pub mod measure;
pub mod report;
pub mod scan;
pub mod server;
pub mod speak;
pub mod usage;
pub mod worker;
pub mod world;
