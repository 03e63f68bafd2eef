//! The program as it is started. With this test cargo builds it together with all others, and `cargo xtask test` finds it built.

#![allow(clippy::unwrap_used)]

use std::process::Command;

#[test]
fn what_it_does_not_know_is_an_error_that_names_what_it_knows() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask-checks")).arg("everything").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("platforms [--quick], packaging, or install"), "{said}");
}
