//! System packages: on Debian and its relatives they are installed, elsewhere the person is told what to install.

use std::path::Path;

use anyhow::{Result, bail};

use crate::exec::{Cmd, find, say};

/// A Debian package and the programs that stand for it: where one of them is in PATH, however it got there, the package is
/// not needed.
type Package = (&'static str, &'static [&'static str]);

/// What a step needs from the system, in Debian's names and in words for other systems.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    /// Debian packages.
    pub debian: &'static [Package],
    /// What to install where there is no apt.
    pub elsewhere: &'static str,
}

/// The webview and its companions, for building and running the desktop app on Linux.
pub const DESKTOP: Need = Need {
    debian: &[
        ("build-essential", &[]),
        ("pkg-config", &["pkg-config"]),
        ("libwebkit2gtk-4.1-dev", &[]),
        ("librsvg2-dev", &[]),
        ("libayatana-appindicator3-dev", &[]),
    ],
    elsewhere: "WebKitGTK 4.1, librsvg and libayatana-appindicator3 with their headers, a C compiler and pkg-config \
                (https://v2.tauri.app/start/prerequisites names the packages of each distribution)",
};

/// What end-to-end and wasm tests drive.
pub const BROWSERS: Need = Need {
    debian: &[
        ("chromium", &["chromium", "chromium-browser", "google-chrome"]),
        ("chromium-driver", &["chromedriver"]),
        ("webkit2gtk-driver", &["WebKitWebDriver"]),
        ("xvfb", &["Xvfb"]),
        ("xauth", &["xauth"]),
        ("fonts-noto-cjk", &[]),
        // Calls over bad networks run in network namespaces.
        ("iproute2", &["ip"]),
        ("util-linux", &["nsenter"]),
        // Calls over a relay.
        ("coturn", &["turnserver"]),
        // An authority that issues certificates to the server.
        ("pebble", &["pebble"]),
        // One app a profile, notifications and the tray speak over a session bus.
        ("dbus-daemon", &["dbus-daemon"]),
        // The client that was written from the protocol's documentation.
        ("python3", &[]),
        ("python3-aiortc", &[]),
        ("python3-websockets", &[]),
    ],
    elsewhere: "Chromium or Chrome with its chromedriver, WebKitWebDriver, Xvfb, iproute2, util-linux, coturn, pebble, dbus-daemon, Python 3 \
                with aiortc and websockets, and a font with Chinese characters",
};

/// What compiles libFuzzer.
pub const FUZZING: Need = Need { debian: &[("g++", &["c++"])], elsewhere: "a C++ compiler" };

/// A Rust that compiles to wasm together with the source of its library, for where rustup cannot add the target.
pub const RUST_WEB: Need = Need {
    debian: &[
        ("rustc-web", &[]),
        ("cargo-web", &[]),
        ("rust-web-src", &[]),
        ("rust-web-llvm", &[]),
        ("lld-22", &["rust-lld"]),
    ],
    elsewhere: "Rust from https://rustup.rs, then run: rustup target add wasm32-unknown-unknown",
};

/// Clippy of that Rust.
pub const RUST_WEB_CLIPPY: Need = Need { debian: &[("rust-web-clippy", &[])], elsewhere: RUST_WEB.elsewhere };

/// What compiles the C in `ring` when the app is type-checked for Android: nothing of it is linked or run, so the compiler and
/// headers of another Linux on the same processor do.
pub const C_FOR_ANDROID: Need = Need {
    debian: &[("gcc-aarch64-linux-gnu", &["aarch64-linux-gnu-gcc"]), ("libc6-dev-arm64-cross", &[])],
    elsewhere: "a C compiler named aarch64-linux-gnu-gcc with its headers",
};

/// The same for Windows, and what puts the icon into programs there.
pub const C_FOR_WINDOWS: Need = Need {
    debian: &[
        ("gcc-mingw-w64-x86-64", &["x86_64-w64-mingw32-gcc"]),
        ("binutils-mingw-w64-x86-64", &["x86_64-w64-mingw32-windres"]),
    ],
    elsewhere: "mingw-w64 for x86_64 (x86_64-w64-mingw32-gcc and x86_64-w64-mingw32-windres)",
};

/// What compiles and links Android's manifest and resources, and Android's own resources.
pub const ANDROID_RESOURCES: Need = Need {
    debian: &[("aapt", &["aapt2"]), ("android-framework-res", &[])],
    elsewhere: "aapt2 and the resources of Android's framework (Debian's packages aapt and android-framework-res)",
};

/// The linters of desktop entries and AppStream metadata.
pub const LINUX_LINTERS: Need = Need {
    debian: &[("desktop-file-utils", &["desktop-file-validate"]), ("appstream", &["appstreamcli"])],
    elsewhere: "desktop-file-validate and appstreamcli",
};

/// The linter of shell scripts.
pub const SHELLCHECK: Need = Need { debian: &[("shellcheck", &["shellcheck"])], elsewhere: "shellcheck" };

/// What looks into a server that is measured.
pub const INSIGHT: Need = Need {
    debian: &[("linux-perf", &["perf"]), ("strace", &["strace"])],
    elsewhere: "perf and strace, without which nothing is said of profiles and system calls",
};

/// Node with npm, which brings tools that have no crate.
const NODE: Need = Need {
    debian: &[("nodejs", &["node"]), ("npm", &["npm"])],
    elsewhere: "Node 18 or later with npm (https://nodejs.org)",
};

impl Need {
    /// Installs what is missing, or says what to install and why.
    pub fn ensure(&self, why: &str) -> Result<()> {
        if !is_debian() {
            // What is there cannot be told on other systems, so the step goes on and shows it.
            if cfg!(target_os = "linux") {
                say(format!("{why} needs {}", self.elsewhere));
            }
            return Ok(());
        }
        let missing = missing(self.debian, &installed()?, |program| find(program).is_some());
        if missing.is_empty() { Ok(()) } else { install(&missing, why) }
    }
}

/// Makes sure that npm is there.
pub fn ensure_npm(why: &str) -> Result<()> {
    if find("npm").is_some() && find("node").is_some() {
        return Ok(());
    }
    if !is_debian() {
        bail!("{why} needs {}", NODE.elsewhere);
    }
    NODE.ensure(why)
}

/// Whether packages can be looked up and installed with apt.
pub fn is_debian() -> bool {
    Path::new("/etc/debian_version").is_file() && find("apt-get").is_some() && find("dpkg-query").is_some()
}

fn install(packages: &[&str], why: &str) -> Result<()> {
    let list = packages.join(" ");
    let Some(apt) = apt() else {
        bail!(
            "{why} needs packages that are not installed. Run this, then try again:\n\n    sudo apt-get install -y {list}\n"
        );
    };
    say(format!("installing for {why}: {list}"));
    let get = |args: &[&str]| {
        let mut command = Cmd::new(apt[0]).args(&apt[1..]);
        if apt.len() == 1 {
            command = command.env("DEBIAN_FRONTEND", "noninteractive");
        }
        command.args(["-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=120"]).args(args)
    };
    let wanted: Vec<&str> =
        ["install", "-y", "--no-install-recommends"].into_iter().chain(packages.iter().copied()).collect();
    // The lists of a fresh machine are empty or old; those of one in use are mostly good, and fetching them takes long.
    if has_lists() && get(&wanted).run().is_ok() {
        return Ok(());
    }
    get(&["update"]).run()?;
    get(&wanted).run()
}

fn has_lists() -> bool {
    let Ok(entries) = std::fs::read_dir("/var/lib/apt/lists") else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
}

/// The words before apt-get's arguments, where this person may install packages without being asked for a password.
fn apt() -> Option<Vec<&'static str>> {
    let is_root = Cmd::new("id").arg("-u").output().is_ok_and(|id| id.trim() == "0");
    if is_root {
        return Some(vec!["apt-get"]);
    }
    let has_sudo = find("sudo").is_some() && Cmd::new("sudo").args(["-n", "true"]).output().is_ok();
    has_sudo.then(|| vec!["sudo", "-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"])
}

fn installed() -> Result<String> {
    Cmd::new("dpkg-query").args(["-W", "-f", "${db:Status-Status} ${Package} ${Provides}\\n"]).output()
}

fn missing(wanted: &[Package], installed: &str, has: impl Fn(&str) -> bool) -> Vec<&'static str> {
    wanted
        .iter()
        .filter(|(package, programs)| !programs.iter().any(|program| has(program)) && !is_installed(package, installed))
        .map(|(package, _)| *package)
        .collect()
}

fn is_installed(package: &str, installed: &str) -> bool {
    installed.lines().filter_map(|line| line.strip_prefix("installed ")).any(|names| {
        // What a package provides stands in the same line as `name (= version), name`.
        names.split([' ', ',']).any(|name| name == package)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "installed xvfb xserver\nconfig-files chromium \ninstalled nodejs npm (= 10.8), node-types\n";

    #[test]
    fn only_what_is_not_installed_is_missing() {
        let wanted: &[Package] = &[("xvfb", &[]), ("chromium", &[]), ("xauth", &[])];
        assert_eq!(missing(wanted, LISTING, |_| false), ["chromium", "xauth"]);
    }

    #[test]
    fn what_another_package_provides_is_installed() {
        assert!(missing(&[("npm", &[]), ("node-types", &[])], LISTING, |_| false).is_empty());
    }

    #[test]
    fn a_program_from_elsewhere_stands_for_its_package() {
        let wanted: &[Package] = &[("chromium", &["chromium", "google-chrome"]), ("xauth", &["xauth"])];
        assert_eq!(missing(wanted, LISTING, |program| program == "google-chrome"), ["xauth"]);
    }
}
