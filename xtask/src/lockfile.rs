//! Versions of crates, read from Cargo.lock.

use std::path::Path;

use anyhow::{Context, Result, bail};

/// The version of `wasm-bindgen` that everything wasm is built with, after checking that xtask-web is built with the same:
/// the two speak a private format that changes with every release.
pub fn wasm_bindgen(root: &Path) -> Result<String> {
    let path = root.join("Cargo.lock");
    let lock = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    agreed(&lock).map(str::to_owned)
}

fn agreed(lock: &str) -> Result<&str> {
    let app = version(lock, "wasm-bindgen").context("Cargo.lock has no wasm-bindgen")?;
    let ours = version(lock, "wasm-bindgen-cli-support").context("Cargo.lock has no wasm-bindgen-cli-support")?;
    if app != ours {
        bail!(
            "the web app is built with wasm-bindgen {app}, but xtask-web has wasm-bindgen-cli-support {ours}. \
             They must be the same: write wasm-bindgen-cli-support = \"={app}\" into xtask/web/Cargo.toml"
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
    fn equal_versions_are_agreed() {
        assert_eq!(agreed(&lock("0.2.130", "0.2.130")).unwrap(), "0.2.130");
    }

    #[test]
    fn different_versions_say_what_to_write_where() {
        let error = agreed(&lock("0.2.131", "0.2.130")).unwrap_err().to_string();
        assert!(error.contains("\"=0.2.131\"") && error.contains("xtask/web/Cargo.toml"), "{error}");
    }

    #[test]
    fn a_crate_whose_name_begins_alike_is_not_taken() {
        assert_eq!(version(&lock("1.0.0", "2.0.0"), "wasm-bind"), None);
        assert_eq!(version(&lock("1.0.0", "2.0.0"), "wasm-bindgen"), Some("1.0.0"));
    }
}
