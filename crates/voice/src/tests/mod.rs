//! The voice of a call, simulated.

mod double_talk;
mod drift;
mod echo;
mod link;
mod module;
mod properties;
mod quality;
mod room;
mod speech;
mod voices;
