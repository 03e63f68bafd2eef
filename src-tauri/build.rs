//! Names the app's commands, so that only a window that a capability gives them to can call them.

use std::path::Path;

const UI_DIST: &str = "../ui/dist";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed={UI_DIST}");
    println!("cargo:rerun-if-env-changed=TAURI_CONFIG");
    // `generate_context!` fails where the interface is not built, and with it every check and every editor.
    if !Path::new(UI_DIST).join("index.html").exists() && std::env::var_os("TAURI_CONFIG").is_none() {
        println!("cargo:warning=the interface is not built: `cargo xtask ui` builds it");
        println!(r#"cargo:rustc-env=TAURI_CONFIG={{"build":{{"frontendDist":"unbuilt"}}}}"#);
    }
    let commands = tauri_build::AppManifest::new().commands(&["attach", "from_ui"]);
    tauri_build::try_build(tauri_build::Attributes::new().app_manifest(commands))?;
    Ok(())
}
