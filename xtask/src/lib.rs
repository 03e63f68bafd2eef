//! What the project's commands share: running programs, the project's places, and what they need from the system.

pub mod exec;
pub mod lockfile;
pub mod packages;
pub mod project;
pub mod toolchain;
pub mod tools;
