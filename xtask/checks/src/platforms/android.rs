//! Checks of the Android project that need no Android SDK: manifest, strings, and linking of manifest and resources by `aapt2`.
//!
//! What needs Gradle, Kotlin or the NDK is built in CI.

mod manifest;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use roxmltree::Document;
use serde_json::{Value, json};
use xtask::exec::{Cmd, find_in_path, status};
use xtask::packages::ANDROID_RESOURCES;
use xtask::project::Project;

use crate::problems::{Problems, is_chinese, read};

/// Directory of manifest and resources.
const MAIN: &str = "gen/android/app/src/main";

/// The app's configuration for Android.
const CONFIG: &str = "src-tauri/tauri.android.conf.json";

/// Android's framework resources in Debian's package: those of Android 10.
const FRAMEWORK: &str = "/usr/share/android-framework-res/framework-res.apk";

/// API level of these resources.
const FRAMEWORK_LEVEL: &str = "29";

/// Minimum API level of the app, as in its build script.
const MIN_API_LEVEL: &str = "24";

/// Attributes newer than those resources: removed for linking.
const NEWER_ATTRIBUTES: [&str; 1] = [r#"android:dataExtractionRules="@xml/data_extraction_rules""#];

/// Substitute for resources of Google's libraries, which Gradle would add.
const LIBRARY_RESOURCES: &str = r#"<resources>
    <style name="Theme.Material3.DayNight.NoActionBar" parent="@android:style/Theme.DeviceDefault.NoActionBar" />
</resources>"#;

/// Checks manifest, strings and resources of the Android project.
pub fn check(project: &Project) -> Result<()> {
    let main = project.root.join(MAIN);
    let mut problems = Problems::default();
    problems.collect(manifest::check(&read(&main.join("AndroidManifest.xml"))?));
    problems.collect(deep_links(&read(&project.root.join(CONFIG))?));
    problems.collect(localized_strings(&main.join("res")));
    problems.collect(link_resources(project, &main));
    problems.finish()
}

/// Checks the deep-link plugin's configuration: it forwards only links listed there, whatever the manifest accepts.
fn deep_links(config: &str) -> Result<()> {
    let config: Value = serde_json::from_str(config).with_context(|| format!("{CONFIG} is not JSON"))?;
    let configured = config.pointer("/plugins/deep-link/mobile");
    let expected = json!([{ "scheme": ["hutong"], "host": "call", "appLink": false }]);
    if configured != Some(&expected) {
        bail!("{CONFIG}: the deep-link plugin must list exactly what the manifest accepts, hutong://call/");
    }
    Ok(())
}

/// Checks that every string exists in English and Chinese.
fn localized_strings(res: &Path) -> Result<()> {
    let english = strings(&res.join("values/strings.xml"))?;
    let chinese = strings(&res.join("values-zh/strings.xml"))?;
    let mut problems = Problems::default();
    for name in english.keys().chain(chinese.keys()) {
        let (Some(english), Some(chinese)) = (english.get(name), chinese.get(name)) else {
            problems.add(format!("the string {name} exists in one language only"));
            continue;
        };
        problems.require(!english.is_empty() && !is_chinese(english), || format!("the string {name} is not English"));
        problems.require(is_chinese(chinese), || format!("the string {name} is not Chinese"));
    }
    problems.finish()
}

fn strings(file: &Path) -> Result<BTreeMap<String, String>> {
    let text = read(file)?;
    let document = Document::parse(&text).with_context(|| format!("{} is not XML", file.display()))?;
    let strings = document.descendants().filter(|node| node.has_tag_name("string"));
    Ok(strings
        .map(|node| (node.attribute("name").unwrap_or_default().into(), node.text().unwrap_or_default().into()))
        .collect())
}

/// Compiles the resources, and links them with the manifest as Gradle does.
fn link_resources(project: &Project, main: &Path) -> Result<()> {
    ANDROID_RESOURCES.ensure("checking the Android project's resources")?;
    if find_in_path("aapt2").is_none() || !Path::new(FRAMEWORK).is_file() {
        status("skipping the resources of the Android project: aapt2 or the framework resources are not installed");
        return Ok(());
    }
    let work = AaptWorkDir::new(project)?;
    work.compile(&main.join("res"), "own.zip")?;
    fs::create_dir_all(work.0.join("libraries/values"))?;
    fs::write(work.0.join("libraries/values/styles.xml"), LIBRARY_RESOURCES)?;
    work.compile(&work.0.join("libraries"), "libraries.zip")?;
    let manifest = read(&main.join("AndroidManifest.xml"))?;
    work.link(&for_linking(&manifest)?)?;
    // Verifies that aapt2 detects a missing string.
    let broken = manifest.replace("@string/app_name", "@string/no_such_text");
    if work.link(&for_linking(&broken)?).is_ok() {
        bail!("aapt2 linked a manifest that refers to a missing string, so this check would miss such errors");
    }
    Ok(())
}

/// The manifest as Gradle passes it to aapt2, without attributes that the resources are too old for.
fn for_linking(manifest: &str) -> Result<String> {
    let mut text = manifest
        .replacen("<manifest ", "<manifest package=\"app.hutong.Hutong\" ", 1)
        .replace("${applicationId}", "app.hutong.Hutong");
    for attribute in NEWER_ATTRIBUTES {
        text = text.replace(attribute, "");
    }
    if let Some(start) = text.find("${") {
        let name: String = text[start..].chars().take_while(|&c| c != '"').collect();
        bail!("the manifest has the placeholder {name}; add its value to this check");
    }
    Ok(text)
}

/// Directory of aapt2's output.
struct AaptWorkDir(PathBuf);

impl AaptWorkDir {
    fn new(project: &Project) -> Result<Self> {
        let dir = project.target.join("check-platforms").join("android");
        // Removes the output of earlier runs.
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).with_context(|| format!("cannot write to {}", dir.display()))?;
        Ok(Self(dir))
    }

    fn compile(&self, res: &Path, out: &str) -> Result<()> {
        Cmd::new("aapt2").args(["compile", "--dir"]).arg(res).arg("-o").arg(self.0.join(out)).output().map(drop)
    }

    fn link(&self, manifest: &str) -> Result<()> {
        let file = self.0.join("AndroidManifest.xml");
        fs::write(&file, manifest)?;
        Cmd::new("aapt2")
            .args([
                "link",
                "-I",
                FRAMEWORK,
                "--min-sdk-version",
                MIN_API_LEVEL,
                "--target-sdk-version",
                FRAMEWORK_LEVEL,
            ])
            .arg("--manifest")
            .arg(&file)
            .arg("-o")
            .arg(self.0.join("linked.apk"))
            .args([self.0.join("libraries.zip"), self.0.join("own.zip")])
            .output()
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problems::tests::{this_project, write};

    #[test]
    fn deep_links_are_checked() {
        let config = read(&this_project().root.join(CONFIG)).unwrap();
        deep_links(&config).unwrap();
        for wrong in ["{", "{}", &config.replace("hutong", "https"), &config.replace("call", "else")] {
            assert!(deep_links(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn missing_translations_are_reported() {
        localized_strings(&this_project().root.join(MAIN).join("res")).unwrap();
        for (chinese, expected) in [
            (r#"<resources><string name="b">通话</string></resources>"#, "one language only"),
            (r#"<resources><string name="a">Call</string></resources>"#, "not Chinese"),
            ("<resources>", "not XML"),
        ] {
            let res = tempfile::tempdir().unwrap();
            write(&res.path().join("values/strings.xml"), r#"<resources><string name="a">Call</string></resources>"#);
            write(&res.path().join("values-zh/strings.xml"), chinese);
            let error = format!("{:#}", localized_strings(res.path()).unwrap_err());
            assert!(error.contains(expected), "{chinese}: {error}");
        }
    }

    #[test]
    fn unknown_placeholders_are_reported() {
        assert!(for_linking(r#"<manifest a="${applicationId}.x">"#).unwrap().contains("app.hutong.Hutong.x"));
        assert!(for_linking(r#"<manifest a="${else}">"#).unwrap_err().to_string().contains("${else}"));
    }
}
