//! Names the app's commands, so that only a window that a capability gives them to can call them; and lets the app be
//! checked and tested where the interface is not built yet.

use std::{env, error::Error, path::Path};

use serde_json::{Value, json};

/// What the page may call, as src-tauri/capabilities/main.json has it.
const COMMANDS: &[&str] = &["attach", "from_ui", "media_open", "media_order", "media_next", "media_frame"];

const UI_DIST: &str = "../ui/dist";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={UI_DIST}");
    println!("cargo:rerun-if-env-changed=TAURI_CONFIG");
    if !Path::new(UI_DIST).join("index.html").exists() {
        println!("cargo:warning=the interface is not built: `cargo xtask ui` builds it");
        show_placeholder()?;
    }
    let commands = tauri_build::AppManifest::new().commands(COMMANDS);
    tauri_build::try_build(tauri_build::Attributes::new().app_manifest(commands))?;
    Ok(())
}

/// `generate_context!` fails where `frontendDist` is missing, and with it every check and every editor. It reads what the
/// command line interface changes in the configuration from this variable, and so does this.
fn show_placeholder() -> Result<(), Box<dyn Error>> {
    let given = env::var("TAURI_CONFIG").ok();
    let mut config: Value = given.as_deref().map_or(Ok(json!({})), serde_json::from_str)?;
    config["build"]["frontendDist"] = json!("unbuilt");
    println!("cargo:rustc-env=TAURI_CONFIG={config}");
    Ok(())
}
