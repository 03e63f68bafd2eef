//! Builders of cargo commands, also of those that compile and run the helper programs `xtask-web` and `xtask-checks`.

use xtask::exec::Cmd;
use xtask::project::Project;
use xtask::web_app::WebAppBuild;

/// Arguments that embed the web app in the desktop app, as shipped, instead of loading it from a development server.
pub const EMBEDDED_UI: [&str; 2] = ["--features", "hutong-app/custom-protocol"];

/// Cargo for builds for this machine, in the workspace root.
pub fn host(project: &Project) -> Cmd {
    let cargo = Cmd::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.env("CARGO_TARGET_DIR", &project.target).dir(&project.root)
}

/// Command that builds the web app, small (`release`) or fast: both builds, or `only` one. Compiles `xtask-web` first if needed.
pub fn web_app(project: &Project, only: Option<WebAppBuild>, release: bool) -> Cmd {
    tool(project, "xtask-web").args(only.map(WebAppBuild::name)).args(release.then_some("--release"))
}

/// Command that checks packages and other platforms. Compiles `xtask-checks` first if needed.
pub fn checks(project: &Project) -> Cmd {
    tool(project, "xtask-checks")
}

fn tool(project: &Project, package: &str) -> Cmd {
    host(project).args(["run", "--package", package, "--"])
}
