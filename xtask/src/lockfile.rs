//! Crate versions in Cargo.lock.

use std::path::Path;

use anyhow::{Context, Result, bail};

/// Returns the version of `wasm-bindgen`, after checking that `xtask-web` uses the same: their private format changes with every
/// release.
///
/// # Errors
///
/// Cargo.lock cannot be read, or the versions differ.
pub fn wasm_bindgen_version(root: &Path) -> Result<String> {
    let path = root.join("Cargo.lock");
    let lock = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    common_version(&lock).map(str::to_owned)
}

fn common_version(lock: &str) -> Result<&str> {
    let app = version(lock, "wasm-bindgen").context("Cargo.lock has no wasm-bindgen")?;
    let ours = version(lock, "wasm-bindgen-cli-support").context("Cargo.lock has no wasm-bindgen-cli-support")?;
    if app != ours {
        bail!(
            "the web app uses wasm-bindgen {app}, but xtask-web uses wasm-bindgen-cli-support {ours}; set \
             wasm-bindgen-cli-support = \"={app}\" in xtask/web/Cargo.toml"
        );
    }
    Ok(app)
}

fn version<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let name_line = format!("name = \"{name}\"");
    let mut lines = lock.lines();
    lines.find(|line| *line == name_line)?;
    lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(app: &str, ours: &str) -> String {
        format!(
            "[[package]]\nname = \"wasm-bindgen\"\nversion = \"{app}\"\n\n\
             [[package]]\nname = \"wasm-bindgen-cli-support\"\nversion = \"{ours}\"\n"
        )
    }

    #[test]
    fn equal_versions_are_accepted() {
        assert_eq!(common_version(&lock("0.2.130", "0.2.130")).unwrap(), "0.2.130");
    }

    #[test]
    fn the_error_for_different_versions_names_the_fix() {
        let error = common_version(&lock("0.2.131", "0.2.130")).unwrap_err().to_string();
        assert!(error.contains("\"=0.2.131\"") && error.contains("xtask/web/Cargo.toml"), "{error}");
    }

    #[test]
    fn a_crate_with_the_same_name_prefix_is_ignored() {
        assert_eq!(version(&lock("1.0.0", "2.0.0"), "wasm-bind"), None);
        assert_eq!(version(&lock("1.0.0", "2.0.0"), "wasm-bindgen"), Some("1.0.0"));
    }
}
