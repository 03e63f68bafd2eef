//! Reverse proxies for the end-to-end tests: those in PATH, else extracted from Debian's packages. They are not installed,
//! because an installed one starts at once and takes port 80.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use xtask::{
    exec::{Cmd, find_in_path, status},
    packages::is_debian,
    project::Project,
};

/// Programs, each in the Debian package of its name.
const PROGRAMS: [&str; 2] = ["nginx", "caddy"];

/// The search path with which the tests find the proxies.
///
/// # Errors
///
/// A package cannot be downloaded or extracted. On other systems a missing program is an error of its test.
pub fn search_path(project: &Project) -> Result<OsString> {
    let mut dirs: Vec<PathBuf> = env::var_os("PATH").iter().flat_map(env::split_paths).collect();
    dirs.extend(["/usr/sbin", "/sbin"].map(PathBuf::from));
    if is_debian() {
        let missing: Vec<_> = PROGRAMS.into_iter().filter(|name| find_in_path(name).is_none()).collect();
        if !missing.is_empty() {
            let root = project.cache.join("proxies");
            extract(&root, &missing)?;
            dirs.extend(["usr/bin", "usr/sbin"].map(|dir| root.join(dir)));
        }
    }
    env::join_paths(dirs).context("a directory in PATH contains a colon")
}

fn extract(root: &Path, packages: &[&str]) -> Result<()> {
    let is_extracted = |name: &&&str| ["usr/bin", "usr/sbin"].iter().any(|dir| root.join(dir).join(name).is_file());
    let missing: Vec<_> = packages.iter().filter(|name| !is_extracted(name)).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    status(format!("extracting Debian's packages of {}", missing.join(", ")));
    fs::create_dir_all(root)?;
    // apt verifies the packages by the keys of the distribution.
    Cmd::new("apt-get").args(["-o", "Acquire::Retries=3", "download"]).args(&missing).dir(root).run()?;
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            Cmd::new("dpkg-deb").arg("-x").arg(&path).arg(root).run()?;
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
