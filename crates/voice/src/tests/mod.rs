//! Simulations of a call's audio.

mod abi;
mod continuous_voices;
mod double_talk;
mod drift;
mod echo_reduction;
mod playout;
mod playout_quality;
mod properties;
mod room;
mod synthetic_speech;
