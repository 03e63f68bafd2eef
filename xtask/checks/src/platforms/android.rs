//! The Android project, as far as it can be looked at without Android's own tools: what its manifest says, its texts, and
//! that manifest and resources compile and link with the `aapt2` that builds use.
//!
//! Gradle, Kotlin and the NDK are not there; what only they see is built in CI.

mod manifest;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use roxmltree::Document;
use serde_json::{Value, json};
use xtask::exec::{Cmd, find, say};
use xtask::packages::ANDROID_RESOURCES;
use xtask::project::Project;

use crate::problems::{Problems, is_chinese, read};

/// Manifest and resources.
const MAIN: &str = "gen/android/app/src/main";

/// What the app's configuration is on Android beside what it is everywhere.
const CONFIG: &str = "src-tauri/tauri.android.conf.json";

/// Android's own resources, of Debian's package: those of Android 10.
const FRAMEWORK: &str = "/usr/share/android-framework-res/framework-res.apk";

/// The version of Android (its API level) that these are of.
const FRAMEWORK_LEVEL: &str = "29";

/// The oldest Android that the app runs on, as its build script says.
const OLDEST: &str = "24";

/// What later versions of Android brought, which those resources do not know: left out for linking.
const LATER: [&str; 1] = [r#"android:dataExtractionRules="@xml/data_extraction_rules""#];

/// Stands in for what Gradle brings from Google's libraries.
const LIBRARIES: &str = r#"<resources>
    <style name="Theme.Material3.DayNight.NoActionBar" parent="@android:style/Theme.DeviceDefault.NoActionBar" />
</resources>"#;

/// Checks manifest, texts and resources of the Android project.
///
/// # Errors
///
/// Everything that is wrong with it.
pub fn check(project: &Project) -> Result<()> {
    let main = project.root.join(MAIN);
    let mut problems = Problems::default();
    problems.try_out(manifest::check(&read(&main.join("AndroidManifest.xml"))?));
    problems.try_out(links(&read(&project.root.join(CONFIG))?));
    problems.try_out(texts(&main.join("res")));
    problems.try_out(link(project, &main));
    problems.end()
}

/// The plugin hands on only links that its configuration names, whatever the manifest lets in.
fn links(config: &str) -> Result<()> {
    let config: Value = serde_json::from_str(config).with_context(|| format!("{CONFIG} is no JSON"))?;
    let named = config.pointer("/plugins/deep-link/mobile");
    let expected = json!([{ "scheme": ["hutong"], "host": "call", "appLink": false }]);
    if named != Some(&expected) {
        bail!("{CONFIG} does not name the links that the manifest lets in: hutong://call/");
    }
    Ok(())
}

/// English and Chinese say the same things.
fn texts(res: &Path) -> Result<()> {
    let english = strings(&res.join("values/strings.xml"))?;
    let chinese = strings(&res.join("values-zh/strings.xml"))?;
    let mut problems = Problems::default();
    for name in english.keys().chain(chinese.keys()) {
        let (Some(english), Some(chinese)) = (english.get(name), chinese.get(name)) else {
            problems.add(format!("the text {name} is there in one language only"));
            continue;
        };
        problems.demand(!english.is_empty() && !is_chinese(english), || format!("the text {name} is not English"));
        problems.demand(is_chinese(chinese), || format!("the text {name} is not Chinese"));
    }
    problems.end()
}

fn strings(file: &Path) -> Result<BTreeMap<String, String>> {
    let text = read(file)?;
    let document = Document::parse(&text).with_context(|| format!("{} is no XML", file.display()))?;
    let strings = document.descendants().filter(|node| node.has_tag_name("string"));
    Ok(strings
        .map(|node| (node.attribute("name").unwrap_or_default().into(), node.text().unwrap_or_default().into()))
        .collect())
}

/// Compiles the resources and links them with the manifest, as Gradle does.
fn link(project: &Project, main: &Path) -> Result<()> {
    ANDROID_RESOURCES.ensure("checking the Android project's resources")?;
    if find("aapt2").is_none() || !Path::new(FRAMEWORK).is_file() {
        say("left out, for lack of aapt2 or of Android's own resources: linking those of the Android project");
        return Ok(());
    }
    let work = Work::new(project)?;
    work.compile(&main.join("res"), "own.zip")?;
    fs::create_dir_all(work.0.join("libraries/values"))?;
    fs::write(work.0.join("libraries/values/styles.xml"), LIBRARIES)?;
    work.compile(&work.0.join("libraries"), "libraries.zip")?;
    let manifest = read(&main.join("AndroidManifest.xml"))?;
    work.link(&for_linking(&manifest)?)?;
    // What passes over a text that is not there would tell nothing of one that is.
    let broken = manifest.replace("@string/app_name", "@string/no_such_text");
    if work.link(&for_linking(&broken)?).is_ok() {
        bail!("aapt2 linked a manifest that names a text that is not there, and so says nothing");
    }
    Ok(())
}

/// The manifest as Gradle gives it to aapt2, without what the resources at hand are too old for.
fn for_linking(manifest: &str) -> Result<String> {
    let mut text = manifest
        .replacen("<manifest ", "<manifest package=\"app.hutong.Hutong\" ", 1)
        .replace("${applicationId}", "app.hutong.Hutong");
    for attribute in LATER {
        text = text.replace(attribute, "");
    }
    if let Some(place) = text.find("${") {
        let name: String = text[place..].chars().take_while(|&c| c != '"').collect();
        bail!("the manifest leaves {name} to Gradle, and this check does not know it");
    }
    Ok(text)
}

/// A directory for what aapt2 makes.
struct Work(PathBuf);

impl Work {
    fn new(project: &Project) -> Result<Self> {
        let dir = project.target.join("check-platforms").join("android");
        // Anew, so that nothing of an earlier run is linked.
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
            .args(["link", "-I", FRAMEWORK, "--min-sdk-version", OLDEST, "--target-sdk-version", FRAMEWORK_LEVEL])
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
    use crate::problems::tests::{ours, write};

    #[test]
    fn the_links_of_the_manifest_are_handed_on() {
        let ours = read(&ours().root.join(CONFIG)).unwrap();
        links(&ours).unwrap();
        for wrong in ["{", "{}", &ours.replace("hutong", "https"), &ours.replace("call", "else")] {
            assert!(links(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_text_in_one_language_only_is_told() {
        texts(&ours().root.join(MAIN).join("res")).unwrap();
        for (chinese, expected) in [
            (r#"<resources><string name="b">通话</string></resources>"#, "one language only"),
            (r#"<resources><string name="a">Call</string></resources>"#, "not Chinese"),
            ("<resources>", "no XML"),
        ] {
            let res = tempfile::tempdir().unwrap();
            write(&res.path().join("values/strings.xml"), r#"<resources><string name="a">Call</string></resources>"#);
            write(&res.path().join("values-zh/strings.xml"), chinese);
            let said = format!("{:#}", texts(res.path()).unwrap_err());
            assert!(said.contains(expected), "{chinese}: {said}");
        }
    }

    #[test]
    fn a_place_that_nobody_fills_is_told() {
        assert!(for_linking(r#"<manifest a="${applicationId}.x">"#).unwrap().contains("app.hutong.Hutong.x"));
        assert!(for_linking(r#"<manifest a="${else}">"#).unwrap_err().to_string().contains("${else}"));
    }
}
