//! Names the app's commands, so that only a window that a capability gives them to can call them; and lets the app be
//! checked and tested where the interface is not built yet.

use std::{env, error::Error, path::Path};

use serde_json::{Value, json};

/// What the page may call, as src-tauri/capabilities/main.json has it.
const COMMANDS: &[&str] = &["attach", "from_ui", "media_open", "media_order", "media_next", "media_frame"];

const UI_DIST: &str = "../ui/dist";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-env-changed=TAURI_CONFIG");
    let config = given()?;
    let dist = config["build"]["frontendDist"].as_str().unwrap_or(UI_DIST);
    println!("cargo:rerun-if-changed={dist}");
    if !Path::new(dist).join("index.html").exists() {
        println!("cargo:warning=the interface is not built: `cargo xtask ui` builds it");
        show_placeholder(config);
    }
    let commands = tauri_build::AppManifest::new().commands(COMMANDS);
    tauri_build::try_build(tauri_build::Attributes::new().app_manifest(commands))?;
    Ok(())
}

/// What the command line interface, or who else builds, changes in the configuration.
fn given() -> Result<Value, Box<dyn Error>> {
    let given = env::var("TAURI_CONFIG").ok();
    Ok(given.as_deref().map_or(Ok(json!({})), serde_json::from_str)?)
}

/// `generate_context!` fails where `frontendDist` is missing, and with it every check and every editor. It reads what is given
/// from this variable.
fn show_placeholder(mut config: Value) {
    config["build"]["frontendDist"] = json!("unbuilt");
    println!("cargo:rustc-env=TAURI_CONFIG={config}");
}
