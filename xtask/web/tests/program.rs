//! The program as it is started. With this test cargo also builds it as it is, and clippy sees what only tests use.

#![allow(clippy::unwrap_used)]

use std::process::Command;

#[test]
fn what_it_does_not_know_is_an_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask-web")).arg("--everything").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("unknown argument --everything"), "{said}");
}
