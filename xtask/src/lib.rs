//! Library of the project's commands: running programs, locating directories, installing system packages and tools.

pub mod exec;
pub mod lockfile;
pub mod packages;
pub mod project;
pub mod toolchain;
pub mod tools;
pub mod web_app;
