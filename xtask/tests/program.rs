//! Test of the compiled program. Makes cargo build it without `cfg(test)`, so that clippy finds code that only tests use.

#![allow(clippy::unwrap_used)]

use std::process::Command;

#[test]
fn the_error_for_an_unknown_command_names_it() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("everything").output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && printed.contains("unrecognized subcommand 'everything'"), "{printed}");
}
