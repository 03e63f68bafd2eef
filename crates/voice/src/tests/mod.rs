//! The voice of a call, simulated.

mod drift;
mod echo;
mod link;
mod module;
mod properties;
mod quality;
mod speech;
