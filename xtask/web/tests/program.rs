//! Test of the compiled program. Makes cargo build it without `cfg(test)`, so that clippy finds code that only tests use.

#![allow(clippy::unwrap_used)]

use std::process::Command;

#[test]
fn an_unknown_argument_is_an_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask-web")).arg("--everything").output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && printed.contains("unknown argument --everything"), "{printed}");
}
