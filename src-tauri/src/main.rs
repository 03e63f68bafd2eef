//! The desktop program.

// A release opens no console window on Windows.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

fn main() {
    hutong_app::run();
}
