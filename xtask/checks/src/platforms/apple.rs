//! The projects for Apple's systems: property lists, texts in both languages, and what XcodeGen is told. Xcode itself exists on
//! macOS only.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use roxmltree::{Document, ParsingOptions};
use serde_json::{Value, json};
use xtask::project::Project;

use crate::problems::{Problems, is_chinese, is_latin, read};

/// Without a text for each of these, iOS ends an app that asks for what it is about, and macOS refuses it.
const USAGE: [&str; 3] = ["NSCameraUsageDescription", "NSMicrophoneUsageDescription", "NSLocalNetworkUsageDescription"];

const APPLE: &str = "gen/apple";
const TARGET: &str = "hutong-app_iOS";

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
    if let Some(export) = problems.try_out(list(&apple.join("ExportOptions.plist"))) {
        problems.demand(export["method"].is_string(), || "ExportOptions.plist names no method".to_owned());
    }
    problems.try_out(well_formed(&apple.join("LaunchScreen.storyboard")));
    problems.try_out(desktop(&project.root.join("src-tauri")));
    problems.end()
}

/// Info.plist of the app on iOS.
fn information(apple: &Path) -> Result<()> {
    let info = list(&apple.join(TARGET).join("Info.plist"))?;
    let mut problems = Problems::default();
    for key in USAGE {
        problems
            .demand(info[key].as_str().is_some_and(is_latin), || format!("Info.plist: {key} says nothing in English"));
    }
    for (key, expected) in
        [("UIBackgroundModes", json!(["audio"])), ("CFBundleLocalizations", json!(["en", "zh-Hans"]))]
    {
        problems.demand(info[key] == expected, || format!("Info.plist: {key} must be {expected}"));
    }
    let kinds = info["CFBundleURLTypes"].as_array().into_iter().flatten();
    let mut schemes = kinds.filter_map(|kind| kind["CFBundleURLSchemes"].as_array()).flatten();
    problems.demand(schemes.any(|scheme| scheme == "hutong"), || {
        "Info.plist: no CFBundleURLTypes opens hutong://".to_owned()
    });
    problems.end()
}

/// The texts of Info.plist in each language.
fn texts(target: &Path) -> Result<()> {
    let of = |language: &str| -> Result<BTreeMap<String, String>> {
        let file = target.join(format!("{language}.lproj/InfoPlist.strings"));
        strings(&read(&file)?).with_context(|| file.display().to_string())
    };
    let (english, chinese) = (of("en")?, of("zh-Hans")?);
    let mut problems = Problems::default();
    problems.demand(english.keys().eq(chinese.keys()), || {
        "InfoPlist.strings: en and zh-Hans have not the same texts".to_owned()
    });
    for key in USAGE.iter().chain(&["CFBundleDisplayName"]) {
        let is_english = english.get(*key).is_some_and(|text| is_latin(text) && !is_chinese(text));
        problems.demand(is_english, || format!("InfoPlist.strings: {key} is not in English in en.lproj"));
        let is_chinese = chinese.get(*key).is_some_and(|text| is_chinese(text));
        problems.demand(is_chinese, || format!("InfoPlist.strings: {key} is not in Chinese in zh-Hans.lproj"));
    }
    problems.end()
}

/// The pairs of a `.strings` file, as ours are written: `"key" = "text";` or a comment in each line.
fn strings(text: &str) -> Result<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.starts_with("//") || (line.starts_with("/*") && line.ends_with("*/")) {
            continue;
        }
        // Its quotes and escapes are JSON's as well.
        let quoted = |text: &str| serde_json::from_str::<String>(text).ok();
        let pair = line.strip_suffix(';').and_then(|line| line.split_once(" = "));
        let pair = pair.and_then(|(key, value)| Some((quoted(key)?, quoted(value)?)));
        let (key, value) = pair.with_context(|| format!("no \"key\" = \"text\"; {line}"))?;
        ensure!(pairs.insert(key, value).is_none(), "it is there twice: {line}");
    }
    Ok(pairs)
}

/// project.yml (<https://github.com/yonaskolb/XcodeGen>, Docs/ProjectSpec.md): every path is there, and XcodeGen would write the
/// Info.plist that is there.
fn xcodegen(apple: &Path) -> Result<()> {
    let spec: Value = serde_saphyr::from_str(&read(&apple.join("project.yml"))?).context("project.yml")?;
    let target = &spec["targets"][TARGET];
    let sources = target["sources"].as_array().with_context(|| format!("project.yml has no target {TARGET}"))?;
    let paths = sources.iter().chain([&target["info"], &target["entitlements"]]);
    let mut problems = Problems::default();
    for path in paths.map(|of| of["path"].as_str().unwrap_or_default()).filter(|path| !MADE_BY_INIT.contains(path)) {
        problems.demand(apple.join(path).exists(), || format!("project.yml: there is no {path}"));
    }
    let info = list(&apple.join(TARGET).join("Info.plist"))?;
    let properties = &target["info"]["properties"];
    for (key, value) in properties.as_object().into_iter().flatten() {
        problems.demand(info[key] == *value, || {
            format!("{key} is {value} in project.yml, and {} in Info.plist", info[key])
        });
    }
    for key in USAGE.iter().chain(&["UIBackgroundModes", "CFBundleURLTypes", "CFBundleLocalizations"]) {
        problems.demand(!properties[key].is_null(), || {
            format!("project.yml has no {key}: XcodeGen would write Info.plist without it")
        });
    }
    problems.end()
}

/// What the app on macOS carries.
fn desktop(dir: &Path) -> Result<()> {
    let mut problems = Problems::default();
    if let Some(info) = problems.try_out(list(&dir.join("Info.plist"))) {
        for key in USAGE {
            let is_in_both = info[key].as_str().is_some_and(|text| is_latin(text) && is_chinese(text));
            problems.demand(is_in_both, || format!("src-tauri/Info.plist: {key} must be said in both languages"));
        }
    }
    if let Some(entitlements) = problems.try_out(list(&dir.join("bundle/entitlements.plist"))) {
        for key in ["com.apple.security.device.camera", "com.apple.security.device.audio-input"] {
            problems.demand(entitlements[key] == true, || {
                format!(
                    "src-tauri/bundle/entitlements.plist: {key} is not true, and calls would have no picture or voice"
                )
            });
        }
    }
    problems.end()
}

/// A property list, whose reader stops at the end of the dictionary, whatever comes then.
fn list(file: &Path) -> Result<Value> {
    well_formed(file)?;
    let list: plist::Dictionary =
        plist::from_file(file).with_context(|| format!("{} is no property list", file.display()))?;
    Ok(serde_json::to_value(list)?)
}

fn well_formed(file: &Path) -> Result<()> {
    let text = read(file)?;
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(&text, options).with_context(|| format!("{} is no XML", file.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problems::tests::{ours, project, write};
    use std::fs;

    #[test]
    fn texts_are_read_between_comments() {
        let pairs = strings("/* For = whom; */\n\"A\" = \"one \\\"two\\\"\";\n// later\n\"B.c\" = \"二\";\n").unwrap();
        assert_eq!((pairs.len(), &*pairs["A"], &*pairs["B.c"]), (2, "one \"two\"", "二"));
        for text in [r#""A" = "one""#, r#""A" "one";"#, r#""A" = "one;"#, "\"A\" = \"1\";\n\"A\" = \"2\";", "<plist>"] {
            assert!(strings(text).is_err(), "{text}");
        }
    }

    #[test]
    fn whatever_is_broken_is_told() {
        const INFO: &str = "gen/apple/hutong-app_iOS/Info.plist";
        const CHINESE: &str = "gen/apple/hutong-app_iOS/zh-Hans.lproj/InfoPlist.strings";
        const YML: &str = "gen/apple/project.yml";
        check(&ours()).unwrap();
        for (file, old, new, told) in [
            (
                INFO,
                "<key>NSCameraUsageDescription</key>",
                "<key>NSCamera</key>",
                "NSCameraUsageDescription says nothing",
            ),
            (INFO, "<string>audio</string>", "<string>audio</string><string>voip</string>", r#"must be ["audio"]"#),
            (INFO, "<string>zh-Hans</string>", "", r#"must be ["en","zh-Hans"]"#),
            (INFO, "<string>hutong</string>", "<string>other</string>", "opens hutong://"),
            (INFO, "</plist>", "", "no XML"),
            (CHINESE, "通话时，对方通过摄像头看到你。", "The camera.", "not in Chinese"),
            (CHINESE, "\"NSMicrophone", "\"NSMicro", "the same texts"),
            (YML, "LaunchScreen.storyboard", "Other.storyboard", "no Other.storyboard"),
            (YML, "UIBackgroundModes: [audio]", "UIBackgroundModes: []", "in project.yml, and"),
            (YML, "CFBundleURLTypes:", "CFBundleTypes:", "has no CFBundleURLTypes"),
            (YML, "  hutong-app_iOS:", "  hutong:", "no target"),
            (YML, "targets:", "targets: [", "project.yml"),
            ("gen/apple/ExportOptions.plist", "method", "way", "no method"),
            ("gen/apple/LaunchScreen.storyboard", "</document>", "", "no XML"),
            ("src-tauri/Info.plist", "通话时，对方通过麦克风听到你。", "", "in both languages"),
            ("src-tauri/bundle/entitlements.plist", "audio-input", "audio-output", "audio-input is not true"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            for place in ["gen/apple", "src-tauri/bundle", "src-tauri/Info.plist"] {
                copy(&ours().root.join(place), &dir.path().join(place));
            }
            let path = dir.path().join(file);
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(old), "{file} has no {old}");
            write(&path, &text.replace(old, new));
            let said = format!("{:#}", check(&project(dir.path())).unwrap_err());
            assert!(said.contains(told), "{file}, {old}: {said}");
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
