//! `cargo xtask bench`: builds what is measured, and measures it.

use std::ffi::OsString;

use anyhow::Result;

use crate::exec::say;
use crate::packages::{BROWSERS, DESKTOP};
use crate::project::Project;
use crate::test::{EMBEDDED, host_cargo};
use crate::toolchain::WasmToolchain;
use crate::ui;

/// As the app is shipped, with the test devices of debug builds: `[profile.bench-app]`.
const PROFILE: &str = "bench-app";

/// The app with its native peer beside Chromium. The web app is the small one, and is built where it is in nobody's way.
pub fn native(project: &Project, args: &[OsString]) -> Result<()> {
    DESKTOP.ensure("the desktop app")?;
    BROWSERS.ensure("measuring beside a browser")?;
    let dist = project.target.join("bench-ui");
    let toolchain = WasmToolchain::ensure(project)?;
    ui::build(project, &toolchain, &ui::Options { release: true, out: dist.clone() })?;
    say("building the server and the app (several minutes the first time)");
    let page = dist.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
    host_cargo(project)
        .args(["build", "--profile", PROFILE, "--package", "hutong-server", "--package", "hutong-app"])
        .args(EMBEDDED)
        .env("HUTONG_UI_DIST", &dist)
        .env("TAURI_CONFIG", format!(r#"{{"build":{{"frontendDist":"{page}"}}}}"#))
        .run()?;
    let built = |name: &str| project.target.join(PROFILE).join(name);
    host_cargo(project).args(["build", "--package", "hutong-bench"]).run()?;
    host_cargo(project)
        .args(["run", "--quiet", "--package", "hutong-bench", "--", "native"])
        .args(args)
        .env("HUTONG_SERVER_BIN", built("hutong-server"))
        .env("HUTONG_APP_BIN", built("hutong-app"))
        .become_it()
}
