//! Build script: declares the app's commands, so that only windows with a capability may invoke them, and substitutes a
//! placeholder page when the interface is not built yet.

use std::{env, error::Error, path::Path};

use serde_json::{Value, json};

/// The commands of the page, as in `src-tauri/capabilities/main.json`.
const COMMANDS: &[&str] = &["attach", "from_ui", "media_open", "media_request", "media_receive", "media_send_frame"];

const UI_DIST: &str = "../ui/dist-app";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-env-changed=TAURI_CONFIG");
    let config = config_override()?;
    let dist = config["build"]["frontendDist"].as_str().unwrap_or(UI_DIST);
    println!("cargo:rerun-if-changed={dist}");
    if !Path::new(dist).join("index.html").exists() {
        println!("cargo:warning=the interface is not built; run `cargo xtask ui`");
        use_placeholder(config);
    }
    let commands = tauri_build::AppManifest::new().commands(COMMANDS);
    tauri_build::try_build(tauri_build::Attributes::new().app_manifest(commands))?;
    Ok(())
}

/// The changes to the configuration that the Tauri CLI passes in `TAURI_CONFIG`.
fn config_override() -> Result<Value, Box<dyn Error>> {
    let json = env::var("TAURI_CONFIG").ok();
    Ok(json.as_deref().map_or(Ok(json!({})), serde_json::from_str)?)
}

/// Points `frontendDist` to the placeholder page: `generate_context!`, which reads `TAURI_CONFIG`, fails when the
/// directory is missing.
fn use_placeholder(mut config: Value) {
    config["build"]["frontendDist"] = json!("unbuilt");
    println!("cargo:rustc-env=TAURI_CONFIG={config}");
}
