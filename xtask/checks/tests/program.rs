//! Test of the compiled program. Makes cargo build it with all tests, so that `cargo xtask test` can run it.

#![allow(clippy::unwrap_used)]

use std::process::Command;

#[test]
fn the_error_for_an_unknown_command_lists_the_commands() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask-checks")).arg("everything").output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && printed.contains("platforms [--quick], packaging, dependencies, or install"),
        "{printed}"
    );
}
