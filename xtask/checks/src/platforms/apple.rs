//! Checks of the Apple projects: property lists, localized strings, and XcodeGen's specification. Xcode itself needs macOS.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use roxmltree::{Document, ParsingOptions};
use serde_json::{Value, json};
use xtask::project::Project;

use crate::problems::{Problems, is_chinese, is_latin, read};

/// Usage descriptions. Without them, iOS kills the app on a permission request, and macOS denies the request.
const USAGE_DESCRIPTIONS: [&str; 3] =
    ["NSCameraUsageDescription", "NSMicrophoneUsageDescription", "NSLocalNetworkUsageDescription"];

const APPLE: &str = "gen/apple";
const TARGET: &str = "hutong-app_iOS";

/// Paths that `cargo tauri ios init` creates before XcodeGen runs.
const CREATED_BY_INIT: [&str; 2] = ["Externals", "assets"];

/// Checks the iOS project, and the macOS files of the bundle.
pub fn check(project: &Project) -> Result<()> {
    let apple = project.root.join(APPLE);
    let mut problems = Problems::default();
    problems.collect(info_plist(&apple));
    problems.collect(localized_strings(&apple.join(TARGET)));
    problems.collect(xcodegen(&apple));
    problems.collect(property_list(&apple.join(TARGET).join(format!("{TARGET}.entitlements"))));
    if let Some(export) = problems.collect(property_list(&apple.join("ExportOptions.plist"))) {
        problems.require(export["method"].is_string(), || "ExportOptions.plist has no method".to_owned());
    }
    problems.collect(well_formed(&apple.join("LaunchScreen.storyboard")));
    problems.collect(macos_bundle(&project.root.join("src-tauri")));
    problems.finish()
}

/// Checks the iOS app's Info.plist.
fn info_plist(apple: &Path) -> Result<()> {
    let info = property_list(&apple.join(TARGET).join("Info.plist"))?;
    let mut problems = Problems::default();
    for key in USAGE_DESCRIPTIONS {
        problems.require(info[key].as_str().is_some_and(is_latin), || format!("Info.plist: {key} has no English text"));
    }
    for (key, expected) in
        [("UIBackgroundModes", json!(["audio"])), ("CFBundleLocalizations", json!(["en", "zh-Hans"]))]
    {
        problems.require(info[key] == expected, || format!("Info.plist: {key} must be {expected}"));
    }
    let types = info["CFBundleURLTypes"].as_array().into_iter().flatten();
    let mut schemes = types.filter_map(|url_type| url_type["CFBundleURLSchemes"].as_array()).flatten();
    problems.require(schemes.any(|scheme| scheme == "hutong"), || {
        "Info.plist: no CFBundleURLTypes opens hutong://".to_owned()
    });
    problems.finish()
}

/// Checks the localized strings of Info.plist.
fn localized_strings(target: &Path) -> Result<()> {
    let load = |language: &str| -> Result<BTreeMap<String, String>> {
        let file = target.join(format!("{language}.lproj/InfoPlist.strings"));
        parse_strings(&read(&file)?).with_context(|| file.display().to_string())
    };
    let (english, chinese) = (load("en")?, load("zh-Hans")?);
    let mut problems = Problems::default();
    problems.require(english.keys().eq(chinese.keys()), || {
        "InfoPlist.strings: en and zh-Hans have different keys".to_owned()
    });
    for key in USAGE_DESCRIPTIONS.iter().chain(&["CFBundleDisplayName"]) {
        let is_english = english.get(*key).is_some_and(|text| is_latin(text) && !is_chinese(text));
        problems.require(is_english, || format!("InfoPlist.strings: {key} is not in English in en.lproj"));
        let is_chinese = chinese.get(*key).is_some_and(|text| is_chinese(text));
        problems.require(is_chinese, || format!("InfoPlist.strings: {key} is not in Chinese in zh-Hans.lproj"));
    }
    problems.finish()
}

/// Parses a `.strings` file with `"key" = "text";` or a comment in each line.
fn parse_strings(text: &str) -> Result<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.starts_with("//") || (line.starts_with("/*") && line.ends_with("*/")) {
            continue;
        }
        // Quotes and escapes are the same as in JSON.
        let quoted = |text: &str| serde_json::from_str::<String>(text).ok();
        let pair = line.strip_suffix(';').and_then(|line| line.split_once(" = "));
        let pair = pair.and_then(|(key, value)| Some((quoted(key)?, quoted(value)?)));
        let (key, value) = pair.with_context(|| format!("expected \"key\" = \"text\"; in {line}"))?;
        ensure!(pairs.insert(key, value).is_none(), "duplicate key: {line}");
    }
    Ok(pairs)
}

/// Checks project.yml (<https://github.com/yonaskolb/XcodeGen>, Docs/ProjectSpec.md): every path exists, and XcodeGen would write an
/// equal Info.plist.
fn xcodegen(apple: &Path) -> Result<()> {
    let spec: Value =
        serde_saphyr::from_str(&read(&apple.join("project.yml"))?).context("project.yml is not valid YAML")?;
    let target = &spec["targets"][TARGET];
    let sources = target["sources"].as_array().with_context(|| format!("project.yml has no target {TARGET}"))?;
    let paths = sources.iter().chain([&target["info"], &target["entitlements"]]);
    let mut problems = Problems::default();
    for path in
        paths.map(|entry| entry["path"].as_str().unwrap_or_default()).filter(|path| !CREATED_BY_INIT.contains(path))
    {
        problems.require(apple.join(path).exists(), || format!("project.yml: {path} does not exist"));
    }
    let info = property_list(&apple.join(TARGET).join("Info.plist"))?;
    let properties = &target["info"]["properties"];
    for (key, value) in properties.as_object().into_iter().flatten() {
        problems.require(info[key] == *value, || {
            format!("{key} is {value} in project.yml, but {} in Info.plist", info[key])
        });
    }
    for key in USAGE_DESCRIPTIONS.iter().chain(&["UIBackgroundModes", "CFBundleURLTypes", "CFBundleLocalizations"]) {
        problems.require(!properties[key].is_null(), || {
            format!("project.yml has no {key}: XcodeGen would write Info.plist without it")
        });
    }
    problems.finish()
}

/// Checks Info.plist and entitlements of the macOS app.
fn macos_bundle(dir: &Path) -> Result<()> {
    let mut problems = Problems::default();
    if let Some(info) = problems.collect(property_list(&dir.join("Info.plist"))) {
        for key in USAGE_DESCRIPTIONS {
            let is_in_both = info[key].as_str().is_some_and(|text| is_latin(text) && is_chinese(text));
            problems.require(is_in_both, || format!("src-tauri/Info.plist: {key} must be in both languages"));
        }
    }
    if let Some(entitlements) = problems.collect(property_list(&dir.join("bundle/entitlements.plist"))) {
        for key in ["com.apple.security.device.camera", "com.apple.security.device.audio-input"] {
            problems.require(entitlements[key] == true, || {
                format!("src-tauri/bundle/entitlements.plist: {key} is not true: calls would have no video or audio")
            });
        }
    }
    problems.finish()
}

/// Reads a property list. Checks the XML separately, since the reader ignores what follows the dictionary.
fn property_list(file: &Path) -> Result<Value> {
    well_formed(file)?;
    let list: plist::Dictionary =
        plist::from_file(file).with_context(|| format!("{} is not a property list", file.display()))?;
    Ok(serde_json::to_value(list)?)
}

fn well_formed(file: &Path) -> Result<()> {
    let text = read(file)?;
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(&text, options).with_context(|| format!("{} is not XML", file.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problems::tests::{project, this_project, write};
    use std::fs;

    #[test]
    fn strings_files_are_parsed() {
        let pairs =
            parse_strings("/* For = whom; */\n\"A\" = \"one \\\"two\\\"\";\n// later\n\"B.c\" = \"二\";\n").unwrap();
        assert_eq!((pairs.len(), &*pairs["A"], &*pairs["B.c"]), (2, "one \"two\"", "二"));
        for text in [r#""A" = "one""#, r#""A" "one";"#, r#""A" = "one;"#, "\"A\" = \"1\";\n\"A\" = \"2\";", "<plist>"] {
            assert!(parse_strings(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_kind_of_problem_is_reported() {
        const INFO: &str = "gen/apple/hutong-app_iOS/Info.plist";
        const CHINESE: &str = "gen/apple/hutong-app_iOS/zh-Hans.lproj/InfoPlist.strings";
        const YML: &str = "gen/apple/project.yml";
        check(&this_project()).unwrap();
        for (file, old, new, expected) in [
            (
                INFO,
                "<key>NSCameraUsageDescription</key>",
                "<key>NSCamera</key>",
                "NSCameraUsageDescription has no English text",
            ),
            (INFO, "<string>audio</string>", "<string>audio</string><string>voip</string>", r#"must be ["audio"]"#),
            (INFO, "<string>zh-Hans</string>", "", r#"must be ["en","zh-Hans"]"#),
            (INFO, "<string>hutong</string>", "<string>other</string>", "opens hutong://"),
            (INFO, "</plist>", "", "not XML"),
            (CHINESE, "通话时，对方通过摄像头看到你。", "The camera.", "not in Chinese"),
            (CHINESE, "\"NSMicrophone", "\"NSMicro", "different keys"),
            (YML, "LaunchScreen.storyboard", "Other.storyboard", "Other.storyboard does not exist"),
            (YML, "UIBackgroundModes: [audio]", "UIBackgroundModes: []", "in project.yml, but"),
            (YML, "CFBundleURLTypes:", "CFBundleTypes:", "has no CFBundleURLTypes"),
            (YML, "  hutong-app_iOS:", "  hutong:", "no target"),
            (YML, "targets:", "targets: [", "project.yml"),
            ("gen/apple/ExportOptions.plist", "method", "way", "no method"),
            ("gen/apple/LaunchScreen.storyboard", "</document>", "", "not XML"),
            ("src-tauri/Info.plist", "通话时，对方通过麦克风听到你。", "", "in both languages"),
            ("src-tauri/bundle/entitlements.plist", "audio-input", "audio-output", "audio-input is not true"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            for path in ["gen/apple", "src-tauri/bundle", "src-tauri/Info.plist"] {
                copy(&this_project().root.join(path), &dir.path().join(path));
            }
            let path = dir.path().join(file);
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(old), "{file} has no {old}");
            write(&path, &text.replace(old, new));
            let error = format!("{:#}", check(&project(dir.path())).unwrap_err());
            assert!(error.contains(expected), "{file}, {old}: {error}");
        }
    }

    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        if from.is_file() {
            fs::copy(from, to).unwrap();
            return;
        }
        for entry in fs::read_dir(from).unwrap().flatten() {
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    }
}
