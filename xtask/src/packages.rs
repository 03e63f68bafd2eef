//! System packages: installed by apt on Debian and its derivatives, named in a message on other systems.

use std::path::Path;

use anyhow::{Result, bail};

use crate::exec::{Cmd, find_in_path, status};

/// A Debian package, and programs that make it unnecessary if one of them is in PATH.
type Package = (&'static str, &'static [&'static str]);

/// System packages that a step needs.
#[derive(Debug, Clone, Copy)]
pub struct SystemPackages {
    /// Debian packages.
    pub debian: &'static [Package],
    /// Description of what to install on systems without apt.
    pub other_systems: &'static str,
}

/// Webview and libraries to build and run the desktop app on Linux.
pub const DESKTOP: SystemPackages = SystemPackages {
    debian: &[
        ("build-essential", &[]),
        ("pkg-config", &["pkg-config"]),
        ("libwebkit2gtk-4.1-dev", &[]),
        ("librsvg2-dev", &[]),
        ("libayatana-appindicator3-dev", &[]),
    ],
    other_systems: "WebKitGTK 4.1, librsvg and libayatana-appindicator3 with their headers, a C compiler and pkg-config \
                (https://v2.tauri.app/start/prerequisites names the packages of each distribution)",
};

/// Browsers and tools for end-to-end and wasm tests.
pub const BROWSERS: SystemPackages = SystemPackages {
    debian: &[
        ("chromium", &["chromium", "chromium-browser", "google-chrome"]),
        ("chromium-driver", &["chromedriver"]),
        ("firefox-esr", &["firefox-esr", "firefox"]),
        ("webkit2gtk-driver", &["WebKitWebDriver"]),
        ("xvfb", &["Xvfb"]),
        ("xauth", &["xauth"]),
        // Window manager that prevents focus stealing.
        ("metacity", &["metacity"]),
        ("fonts-noto-cjk", &[]),
        // Network namespaces for calls over bad networks.
        ("iproute2", &["ip"]),
        ("util-linux", &["nsenter"]),
        // Adds a certificate authority to a browser's profile.
        ("libnss3-tools", &["certutil"]),
        // TURN server for relayed calls.
        ("coturn", &["turnserver"]),
        // Reverse proxies: as installed, this one listens nowhere, and the package without `-bin` would start the other.
        ("haproxy", &["haproxy"]),
        ("apache2-bin", &["apache2", "httpd"]),
        // ACME server that issues certificates to the server under test.
        ("pebble", &["pebble"]),
        // A server whose clock is wrong.
        ("faketime", &["faketime"]),
        // Session bus for single instance, notifications and tray.
        ("dbus-daemon", &["dbus-daemon"]),
        // Opens links as other programs do.
        ("libglib2.0-bin", &["gio"]),
        // Independent client, written from the documentation of the protocol.
        ("python3", &[]),
        ("python3-aiortc", &[]),
        ("python3-websockets", &[]),
    ],
    other_systems: "Chromium or Chrome with its chromedriver, Firefox, WebKitWebDriver, Xvfb, Metacity, iproute2, util-linux, certutil of NSS, coturn, nginx, HAProxy, Caddy, Apache, pebble, faketime, dbus-daemon, gio, Python 3 \
                with aiortc and websockets, and a font with Chinese characters",
};

/// Compiler for libFuzzer.
pub const FUZZING: SystemPackages = SystemPackages { debian: &[("g++", &["c++"])], other_systems: "a C++ compiler" };

/// Debian's Rust for wasm with the source of the standard library, for machines where rustup cannot add the target.
pub const RUST_WEB: SystemPackages = SystemPackages {
    debian: &[
        ("rustc-web", &[]),
        ("cargo-web", &[]),
        ("rust-web-src", &[]),
        ("rust-web-llvm", &[]),
        ("lld-22", &["rust-lld"]),
    ],
    other_systems: "Rust from https://rustup.rs, then run: rustup target add wasm32-unknown-unknown",
};

/// Clippy for [`RUST_WEB`].
pub const RUST_WEB_CLIPPY: SystemPackages =
    SystemPackages { debian: &[("rust-web-clippy", &[])], other_systems: RUST_WEB.other_systems };

/// C compiler for `ring` when the app is type-checked for Android. Nothing is linked or run, so that a compiler for Linux on the
/// same architecture suffices.
pub const ANDROID_C_COMPILER: SystemPackages = SystemPackages {
    debian: &[("gcc-aarch64-linux-gnu", &["aarch64-linux-gnu-gcc"]), ("libc6-dev-arm64-cross", &[])],
    other_systems: "a C compiler named aarch64-linux-gnu-gcc with its headers",
};

/// C compiler for `ring` and resource compiler for the icon, when the app is type-checked for Windows.
pub const WINDOWS_C_COMPILER: SystemPackages = SystemPackages {
    debian: &[
        ("gcc-mingw-w64-x86-64", &["x86_64-w64-mingw32-gcc"]),
        ("binutils-mingw-w64-x86-64", &["x86_64-w64-mingw32-windres"]),
    ],
    other_systems: "mingw-w64 for x86_64 (x86_64-w64-mingw32-gcc and x86_64-w64-mingw32-windres)",
};

/// Resource compiler and framework resources for checking the Android manifest.
pub const ANDROID_RESOURCES: SystemPackages = SystemPackages {
    debian: &[("aapt", &["aapt2"]), ("android-framework-res", &[])],
    other_systems: "aapt2 and the resources of Android's framework (Debian's packages aapt and android-framework-res)",
};

/// Linters for desktop entries and AppStream metadata.
pub const LINUX_LINTERS: SystemPackages = SystemPackages {
    debian: &[("desktop-file-utils", &["desktop-file-validate"]), ("appstream", &["appstreamcli"])],
    other_systems: "desktop-file-validate and appstreamcli",
};

/// Linter for shell scripts.
pub const SHELLCHECK: SystemPackages =
    SystemPackages { debian: &[("shellcheck", &["shellcheck"])], other_systems: "shellcheck" };

/// Profilers for server benchmarks.
pub const PROFILERS: SystemPackages = SystemPackages {
    debian: &[("linux-perf", &["perf"]), ("strace", &["strace"])],
    other_systems: "perf and strace; without them profiles and system calls are not measured",
};

/// TURN server for relay benchmarks.
pub const COTURN: SystemPackages =
    SystemPackages { debian: &[("coturn", &["turnserver"])], other_systems: "coturn (turnserver)" };

/// Node with npm, for tools that are not on crates.io.
const NODE: SystemPackages = SystemPackages {
    debian: &[("nodejs", &["node"]), ("npm", &["npm"])],
    other_systems: "Node 18 or later with npm (https://nodejs.org)",
};

impl SystemPackages {
    /// Installs missing packages for `purpose`. On systems without apt, prints what is needed and continues.
    ///
    /// # Errors
    ///
    /// The installation fails, or needs a password; the error then contains the command to run.
    pub fn ensure(&self, purpose: &str) -> Result<()> {
        if !is_debian() {
            // Installed packages are unknown on other systems: the step itself fails if something is missing.
            if cfg!(target_os = "linux") {
                status(format!("{purpose} needs {}", self.other_systems));
            }
            return Ok(());
        }
        let missing = missing_packages(self.debian, &installed()?, |program| find_in_path(program).is_some());
        if missing.is_empty() { Ok(()) } else { install(&missing, purpose) }
    }
}

/// Installs npm for `purpose` if it is missing.
///
/// # Errors
///
/// The installation fails, or the system has no apt.
pub fn ensure_npm(purpose: &str) -> Result<()> {
    if find_in_path("npm").is_some() && find_in_path("node").is_some() {
        return Ok(());
    }
    if !is_debian() {
        bail!("{purpose} needs {}", NODE.other_systems);
    }
    NODE.ensure(purpose)
}

/// Whether packages can be queried and installed by apt.
pub fn is_debian() -> bool {
    Path::new("/etc/debian_version").is_file()
        && find_in_path("apt-get").is_some()
        && find_in_path("dpkg-query").is_some()
}

fn install(packages: &[&str], purpose: &str) -> Result<()> {
    let list = packages.join(" ");
    let Some(apt) = apt() else {
        bail!(
            "{purpose} needs packages that are not installed. Run this command, then try again:\n\n    sudo apt-get install -y {list}\n"
        );
    };
    status(format!("installing for {purpose}: {list}"));
    let get = |args: &[&str]| {
        let mut command = Cmd::new(apt[0]).args(&apt[1..]);
        if apt.len() == 1 {
            command = command.env("DEBIAN_FRONTEND", "noninteractive");
        }
        command.args(["-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=120"]).args(args)
    };
    let arguments: Vec<&str> =
        ["install", "-y", "--no-install-recommends"].into_iter().chain(packages.iter().copied()).collect();
    // Existing package lists are usually current enough, and fetching them is slow. A new machine has none.
    if has_lists() && get(&arguments).run().is_ok() {
        return Ok(());
    }
    get(&["update"]).run()?;
    get(&arguments).run()
}

fn has_lists() -> bool {
    let Ok(entries) = std::fs::read_dir("/var/lib/apt/lists") else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
}

/// The command that runs apt-get as root; `None` if that needs a password.
fn apt() -> Option<Vec<&'static str>> {
    let is_root = Cmd::new("id").arg("-u").output().is_ok_and(|id| id.trim() == "0");
    if is_root {
        return Some(vec!["apt-get"]);
    }
    let has_sudo = find_in_path("sudo").is_some() && Cmd::new("sudo").args(["-n", "true"]).output().is_ok();
    has_sudo.then(|| vec!["sudo", "-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"])
}

fn installed() -> Result<String> {
    Cmd::new("dpkg-query").args(["-W", "-f", "${db:Status-Status} ${Package} ${Provides}\\n"]).output()
}

fn missing_packages(wanted: &[Package], installed: &str, has: impl Fn(&str) -> bool) -> Vec<&'static str> {
    wanted
        .iter()
        .filter(|(package, programs)| !programs.iter().any(|program| has(program)) && !is_installed(package, installed))
        .map(|(package, _)| *package)
        .collect()
}

fn is_installed(package: &str, installed: &str) -> bool {
    installed.lines().filter_map(|line| line.strip_prefix("installed ")).any(|names| {
        // The line also lists the virtual packages it provides, as `name (= version), name`.
        names.split([' ', ',']).any(|name| name == package)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "installed xvfb xserver\nconfig-files chromium \ninstalled nodejs npm (= 10.8), node-types\n";

    #[test]
    fn packages_that_are_not_installed_are_missing() {
        let wanted: &[Package] = &[("xvfb", &[]), ("chromium", &[]), ("xauth", &[])];
        assert_eq!(missing_packages(wanted, LISTING, |_| false), ["chromium", "xauth"]);
    }

    #[test]
    fn a_package_provided_by_another_counts_as_installed() {
        assert!(missing_packages(&[("npm", &[]), ("node-types", &[])], LISTING, |_| false).is_empty());
    }

    #[test]
    fn a_program_in_path_replaces_its_package() {
        let wanted: &[Package] = &[("chromium", &["chromium", "google-chrome"]), ("xauth", &["xauth"])];
        assert_eq!(missing_packages(wanted, LISTING, |program| program == "google-chrome"), ["xauth"]);
    }
}
