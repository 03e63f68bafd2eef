//! `tauri.conf.json` and the capabilities, against the schemas that the Tauri CLI and the app's own build bring.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use super::{Problems, files, read};
use crate::exec::say;
use crate::project::Project;
use crate::{tauri, test, tools};

/// Checks the configuration of every platform, and what every capability allows.
pub fn check(project: &Project) -> Result<()> {
    let package = tools::npm(project, "@tauri-apps/cli", tauri::VERSION, "the schema of tauri.conf.json")?;
    let schema = json(&package.join("config.schema.json"))?;
    let schemas = project.root.join("gen/schemas");
    let desktop = schemas.join("desktop-schema.json");
    if !desktop.is_file() {
        // The app's build writes it, since it knows the app's commands and plugins.
        test::host_cargo(project).args(["check", "--package", "hutong-app"]).run()?;
    }
    let mobile = schemas.join("mobile-schema.json");
    if !mobile.is_file() {
        say(
            "capabilities are not checked for phones: no build for a phone has written gen/schemas/mobile-schema.json yet",
        );
    }
    let mobile = mobile.is_file().then(|| json(&mobile)).transpose()?;

    let mut problems = Problems::default();
    problems.try_out(configuration(&project.root, &schema));
    problems.try_out(capabilities(&project.root, &json(&desktop)?, mobile.as_ref()));
    problems.end()
}

/// The common configuration, and each platform's own merged into it as Tauri does it (RFC 7396).
fn configuration(root: &Path, schema: &Value) -> Result<()> {
    let dir = root.join("src-tauri");
    let common = json(&dir.join("tauri.conf.json"))?;
    let mut problems = Problems::default();
    problems.try_out(valid(schema, &common).context("src-tauri/tauri.conf.json"));
    for file in files(&dir) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name != "tauri.conf.json" && name.starts_with("tauri.") && name.ends_with(".conf.json") {
            let mut merged = common.clone();
            json_patch::merge(&mut merged, &json(&file)?);
            problems.try_out(valid(schema, &merged).with_context(|| format!("with src-tauri/{name}")));
        }
    }
    problems.end()
}

/// Each capability, for the kinds of platforms that it is for.
fn capabilities(root: &Path, desktop: &Value, mobile: Option<&Value>) -> Result<()> {
    let mut problems = Problems::default();
    for file in files(&root.join("src-tauri/capabilities")) {
        let capability = json(&file)?;
        let (on_desktop, on_phones) = kinds(&capability);
        let schemas = [(on_desktop.then_some(desktop), "desktop"), (mobile.filter(|_| on_phones), "mobile")];
        for (schema, kind) in schemas {
            if let Some(schema) = schema {
                problems.try_out(valid(schema, &capability).with_context(|| format!("{} ({kind})", file.display())));
            }
        }
    }
    problems.end()
}

/// Whether a capability is for desktops, and whether it is for phones: where it names no platforms, for both.
fn kinds(capability: &Value) -> (bool, bool) {
    let Some(platforms) = capability.get("platforms").and_then(Value::as_array) else { return (true, true) };
    let any = |wanted: &[&str]| platforms.iter().filter_map(Value::as_str).any(|it| wanted.contains(&it));
    (any(&["linux", "macOS", "windows"]), any(&["android", "iOS"]))
}

fn valid(schema: &Value, instance: &Value) -> Result<()> {
    let validator = jsonschema::validator_for(schema).map_err(|error| anyhow!("the schema itself: {error}"))?;
    let mut problems = Problems::default();
    for error in validator.iter_errors(instance) {
        problems.add(format!("at {:?}: {error}", error.instance_path().to_string()));
    }
    problems.end()
}

fn json(file: &Path) -> Result<Value> {
    serde_json::from_str(&read(file)?).with_context(|| format!("{} is no JSON", file.display()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::write;
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "identifier": { "type": "string" },
                "width": { "type": "integer" },
                "platforms": {},
                "permissions": { "type": "array", "items": { "enum": ["allow-attach"] } },
            },
            "required": ["identifier"],
            "additionalProperties": false,
        })
    }

    #[test]
    fn a_platforms_own_configuration_is_checked_where_it_is_merged() {
        let dir = tempfile::tempdir().unwrap();
        let told = || configuration(dir.path(), &schema()).map_err(|error| format!("{error:#}"));
        write(&dir.path().join("src-tauri/tauri.conf.json"), r#"{ "identifier": "a" }"#);
        write(&dir.path().join("src-tauri/tauri.android.conf.json"), r#"{ "width": 1 }"#);
        assert_eq!(told(), Ok(()));
        write(&dir.path().join("src-tauri/tauri.android.conf.json"), r#"{ "width": "wide", "identifier": null }"#);
        let both = told().unwrap_err();
        assert!(
            both.contains("tauri.android.conf.json") && both.contains("/width") && both.contains("identifier"),
            "{both}"
        );
        write(&dir.path().join("src-tauri/tauri.conf.json"), r#"{ "identifer": "a" }"#);
        assert!(told().unwrap_err().contains("identifer"));
        write(&dir.path().join("src-tauri/tauri.conf.json"), "{");
        assert!(told().unwrap_err().contains("is no JSON"));
    }

    #[test]
    fn a_capability_is_checked_for_the_platforms_that_it_is_for() {
        let dir = tempfile::tempdir().unwrap();
        let phones = json!({ "properties": { "permissions": { "items": { "enum": ["allow-ring"] } } } });
        let told = |mobile: Option<&Value>| capabilities(dir.path(), &schema(), mobile).is_ok();
        let write = |text: &str| write(&dir.path().join("src-tauri/capabilities/main.json"), text);
        write(r#"{ "identifier": "main", "permissions": ["allow-attach"] }"#);
        assert!(told(None) && !told(Some(&phones)));
        write(r#"{ "identifier": "main", "permissions": ["allow-attach"], "platforms": ["linux"] }"#);
        assert!(told(Some(&phones)));
        write(r#"{ "identifier": "main", "permissions": ["allow-ring"], "platforms": ["iOS"] }"#);
        assert!(told(Some(&phones)));
        write(r#"{ "identifier": "main", "permissions": ["allow-all"], "platforms": ["linux", "iOS"] }"#);
        assert!(!told(None));
    }
}
