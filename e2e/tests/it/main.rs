//! End-to-end tests, one module for each subject. All are one test program: linking takes longer than compiling.

mod access_key;
mod calls;
mod connection_loss;
mod desktop;
mod desktop_integration;
mod devices;
mod endurance;
mod firefox;
mod harness;
mod keyboard;
mod native_audio_worker;
mod native_calls;
mod native_endurance;
mod native_network;
mod native_video_worker;
mod network;
mod page_texts;
mod partial_roster;
mod permissions;
mod phones;
mod proxies;
mod python_client;
mod screen_share;
mod screenshots;
mod server_restart;
mod silent_loss;
