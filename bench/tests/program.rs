//! Tests of the program's command line. With this test cargo also builds the program without `cfg(test)`, and clippy
//! finds code that only tests use.

#![allow(clippy::unwrap_used)]

use std::process::Command;

#[test]
fn an_unknown_command_is_an_error_that_names_it() {
    let output = Command::new(env!("CARGO_BIN_EXE_hutong-bench")).arg("everything").output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && printed.contains("unrecognized subcommand 'everything'"), "{printed}");
}
