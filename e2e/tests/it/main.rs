//! End-to-end tests, a module for each area. All of them are one program, since linking it takes longer than compiling it.

mod calls;
mod desktop;
mod devices;
mod endurance;
mod entry;
mod harness;
mod keyboard;
mod losses;
mod manners;
mod native_calls;
mod native_long;
mod native_network;
mod native_picture;
mod native_voice;
mod network;
mod peer;
mod permissions;
mod phones;
mod restart;
mod roster;
mod screen;
mod screens;
mod text;
