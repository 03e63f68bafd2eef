//! Entry point of the desktop program.

// No console window in a release on Windows.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

fn main() {
    hutong_app::run();
}
