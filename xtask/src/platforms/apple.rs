//! The projects for Apple's systems: property lists, texts in both languages, and what XcodeGen is told. Xcode itself exists on
//! macOS only.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use plist::{Dictionary, Value};
use serde::Deserialize;

use super::{Problems, is_chinese, is_latin, read, strings};
use crate::project::Project;

/// Without a text for each of these, iOS ends an app that asks for what it is about, and macOS refuses it.
const USAGE: [&str; 3] = ["NSCameraUsageDescription", "NSMicrophoneUsageDescription", "NSLocalNetworkUsageDescription"];

const APPLE: &str = "gen/apple";
const TARGET: &str = "hutong-app_iOS";
const SCHEME: &str = "hutong";

/// What `cargo tauri ios init` makes before XcodeGen runs.
const MADE_BY_INIT: [&str; 2] = ["Externals", "assets"];

/// Checks everything that can be read here.
pub fn check(project: &Project) -> Result<()> {
    let apple = project.root.join(APPLE);
    let mut problems = Problems::default();
    problems.try_out(information(&apple));
    problems.try_out(texts(&apple.join(TARGET)));
    problems.try_out(xcodegen(&apple));
    problems.try_out(list(&apple.join(TARGET).join(format!("{TARGET}.entitlements"))));
    problems.try_out(list(&apple.join("ExportOptions.plist")).and_then(|list| {
        list.get("method").and_then(Value::as_string).map(drop).context("ExportOptions.plist names no method")
    }));
    problems.try_out(well_formed(&apple.join("LaunchScreen.storyboard")));
    problems.try_out(desktop(&project.root.join("src-tauri")));
    problems.end()
}

/// Info.plist of the app on iOS.
fn information(apple: &Path) -> Result<()> {
    let info = list(&apple.join(TARGET).join("Info.plist"))?;
    let mut problems = Problems::default();
    for key in USAGE {
        let text = info.get(key).and_then(Value::as_string).unwrap_or_default();
        problems.demand(is_latin(text), || format!("Info.plist: {key} says nothing in English"));
    }
    let strings = |key: &str| -> Vec<&str> {
        info.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_string).collect()
    };
    problems.demand(strings("UIBackgroundModes") == ["audio"], || {
        "Info.plist: UIBackgroundModes must be audio alone (docs/decisions/0010-apple.md)".to_owned()
    });
    problems.demand(strings("CFBundleLocalizations") == ["en", "zh-Hans"], || {
        "Info.plist: CFBundleLocalizations must be en and zh-Hans".to_owned()
    });
    let kinds = info.get("CFBundleURLTypes").and_then(Value::as_array).into_iter().flatten();
    let schemes = kinds.filter_map(|kind| kind.as_dictionary()?.get("CFBundleURLSchemes")?.as_array()).flatten();
    problems.demand(schemes.filter_map(Value::as_string).any(|scheme| scheme == SCHEME), || {
        format!("Info.plist: no CFBundleURLTypes opens {SCHEME}://")
    });
    problems.end()
}

/// The texts of Info.plist in each language.
fn texts(target: &Path) -> Result<()> {
    let of = |language: &str| -> Result<BTreeMap<String, String>> {
        let file = target.join(format!("{language}.lproj/InfoPlist.strings"));
        strings::parse(&read(&file)?).with_context(|| file.display().to_string())
    };
    let (english, chinese) = (of("en")?, of("zh-Hans")?);
    let mut problems = Problems::default();
    problems.demand(english.keys().eq(chinese.keys()), || {
        let (english, chinese): (Vec<_>, Vec<_>) = (english.keys().collect(), chinese.keys().collect());
        format!("InfoPlist.strings: {english:?} in en, {chinese:?} in zh-Hans")
    });
    for key in USAGE.iter().chain(&["CFBundleDisplayName"]) {
        problems.demand(english.get(*key).is_some_and(|text| is_latin(text) && !is_chinese(text)), || {
            format!("InfoPlist.strings: {key} is not in English in en.lproj")
        });
        problems.demand(chinese.get(*key).is_some_and(|text| is_chinese(text)), || {
            format!("InfoPlist.strings: {key} is not in Chinese in zh-Hans.lproj")
        });
    }
    problems.end()
}

/// What of project.yml is looked at (<https://github.com/yonaskolb/XcodeGen>, Docs/ProjectSpec.md).
#[derive(Debug, Deserialize)]
struct Spec {
    targets: BTreeMap<String, Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    sources: Vec<Source>,
    info: Info,
    entitlements: Placed,
}

#[derive(Debug, Deserialize)]
struct Source {
    path: String,
}

#[derive(Debug, Deserialize)]
struct Placed {
    path: String,
}

#[derive(Debug, Deserialize)]
struct Info {
    path: String,
    properties: Dictionary,
}

/// project.yml: every path is there, and XcodeGen would write the Info.plist that is there.
fn xcodegen(apple: &Path) -> Result<()> {
    let spec: Spec = serde_saphyr::from_str(&read(&apple.join("project.yml"))?).context("project.yml")?;
    let target = spec.targets.get(TARGET).with_context(|| format!("project.yml has no target {TARGET}"))?;
    let mut problems = Problems::default();
    let sources = target.sources.iter().map(|source| &source.path).filter(|path| !MADE_BY_INIT.contains(&&***path));
    for path in sources.chain([&target.info.path, &target.entitlements.path]) {
        problems.demand(apple.join(path).exists(), || format!("project.yml: there is no {path}"));
    }
    let info = list(&apple.join(&target.info.path))?;
    for (key, value) in &target.info.properties {
        problems.demand(info.get(key).is_some_and(|there| same(there, value)), || {
            format!("{key} is {value:?} in project.yml, and {:?} in Info.plist", info.get(key))
        });
    }
    for key in USAGE.iter().chain(&["UIBackgroundModes", "CFBundleURLTypes", "CFBundleLocalizations"]) {
        problems.demand(target.info.properties.contains_key(key), || {
            format!("project.yml has no {key}: XcodeGen would write Info.plist without it")
        });
    }
    problems.end()
}

/// Whether two values are the same whatever way they were written.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Dictionary(one), Value::Dictionary(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        (one, other) => one == other,
    }
}

/// What the app on macOS carries.
fn desktop(dir: &Path) -> Result<()> {
    let mut problems = Problems::default();
    if let Some(info) = problems.try_out(list(&dir.join("Info.plist"))) {
        for key in USAGE {
            let text = info.get(key).and_then(Value::as_string).unwrap_or_default();
            problems.demand(is_latin(text) && is_chinese(text), || {
                format!("src-tauri/Info.plist: {key} must be said in both languages")
            });
        }
    }
    if let Some(entitlements) = problems.try_out(list(&dir.join("bundle/entitlements.plist"))) {
        for key in ["com.apple.security.device.camera", "com.apple.security.device.audio-input"] {
            problems.demand(entitlements.get(key).and_then(Value::as_boolean) == Some(true), || {
                format!(
                    "src-tauri/bundle/entitlements.plist: {key} is not true, and calls would have no picture or voice"
                )
            });
        }
    }
    problems.end()
}

fn list(file: &Path) -> Result<Dictionary> {
    let value = Value::from_file(file).with_context(|| format!("{} is no property list", file.display()))?;
    // The reader stops at the end of the dictionary, whatever comes then.
    well_formed(file)?;
    value.into_dictionary().with_context(|| format!("{} is no dictionary", file.display()))
}

fn well_formed(file: &Path) -> Result<()> {
    let text = read(file)?;
    let mut reader = quick_xml::Reader::from_str(&text);
    let mut depth = 0_usize;
    loop {
        match reader.read_event().with_context(|| format!("{} is no XML", file.display()))? {
            quick_xml::events::Event::Start(_) => depth += 1,
            quick_xml::events::Event::End(_) => depth = depth.saturating_sub(1),
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    ensure!(depth == 0 && text.contains('<'), "{} ends too early", file.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ours, write};
    use super::*;
    use std::fs;

    /// A copy of our own project, to be broken.
    fn copy() -> (tempfile::TempDir, Project) {
        let dir = tempfile::tempdir().unwrap();
        let own = ours().root;
        for place in ["gen/apple", "src-tauri/bundle"] {
            copy_all(&own.join(place), &dir.path().join(place));
        }
        fs::copy(own.join("src-tauri/Info.plist"), dir.path().join("src-tauri/Info.plist")).unwrap();
        let project = super::super::tests::project(dir.path());
        (dir, project)
    }

    fn copy_all(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().flatten() {
            let to = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy_all(&entry.path(), &to);
            } else {
                fs::copy(entry.path(), to).unwrap();
            }
        }
    }

    #[test]
    fn ours_is_in_order() {
        check(&ours()).unwrap();
    }

    #[test]
    fn whatever_is_broken_is_told() {
        for (file, old, new, told) in [
            (
                "gen/apple/hutong-app_iOS/Info.plist",
                "<key>NSCameraUsageDescription</key>",
                "<key>NSCamera</key>",
                "NSCameraUsageDescription says nothing",
            ),
            (
                "gen/apple/hutong-app_iOS/Info.plist",
                "<string>audio</string>",
                "<string>audio</string><string>voip</string>",
                "audio alone",
            ),
            ("gen/apple/hutong-app_iOS/Info.plist", "<string>zh-Hans</string>", "", "must be en and zh-Hans"),
            (
                "gen/apple/hutong-app_iOS/Info.plist",
                "<string>hutong</string>",
                "<string>other</string>",
                "opens hutong://",
            ),
            ("gen/apple/hutong-app_iOS/Info.plist", "</plist>", "", "too early"),
            (
                "gen/apple/hutong-app_iOS/zh-Hans.lproj/InfoPlist.strings",
                "通话时，对方通过摄像头看到你。",
                "The camera.",
                "not in Chinese",
            ),
            ("gen/apple/hutong-app_iOS/zh-Hans.lproj/InfoPlist.strings", "\"NSMicrophone", "\"NSMicro", "in zh-Hans"),
            ("gen/apple/hutong-app_iOS/en.lproj/InfoPlist.strings", ";", "", "; is missing"),
            ("gen/apple/project.yml", "LaunchScreen.storyboard", "Other.storyboard", "no Other.storyboard"),
            ("gen/apple/project.yml", "UIBackgroundModes: [audio]", "UIBackgroundModes: []", "in project.yml, and"),
            ("gen/apple/project.yml", "CFBundleURLTypes:", "CFBundleTypes:", "has no CFBundleURLTypes"),
            ("gen/apple/project.yml", "  hutong-app_iOS:", "  hutong:", "no target"),
            ("gen/apple/project.yml", "targets:", "targets: [", "project.yml"),
            ("gen/apple/ExportOptions.plist", "method", "way", "no method"),
            ("gen/apple/LaunchScreen.storyboard", "</document>", "", "too early"),
            ("gen/apple/LaunchScreen.storyboard", "</scenes>", "</scene>", "no XML"),
            ("gen/apple/hutong-app_iOS/hutong-app_iOS.entitlements", "<dict/>", "<dict>", "no property list"),
            ("src-tauri/Info.plist", "通话时，对方通过麦克风听到你。", "", "in both languages"),
            ("src-tauri/bundle/entitlements.plist", "audio-input", "audio-output", "audio-input is not true"),
        ] {
            let (dir, project) = copy();
            let path = dir.path().join(file);
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(old), "{file} has no {old}");
            write(&path, &text.replace(old, new));
            let said = check(&project).map_err(|error| format!("{error:#}"));
            assert!(said.as_ref().is_err_and(|said| said.contains(told)), "{file}, {old}: {said:?}");
        }
    }
}
