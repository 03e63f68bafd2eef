//! Checks of the Android manifest: permissions, features, exported components and links are exactly those that a call needs.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use roxmltree::{Document, Node};

use crate::problems::Problems;

/// XML namespace of Android's attributes.
const ANDROID: &str = "http://schemas.android.com/apk/res/android";

/// Permissions, with the last API level for those that have one.
const PERMISSIONS: [&str; 8] = [
    "ACCESS_NETWORK_STATE",
    "BLUETOOTH until 30",
    "CAMERA",
    "INTERNET",
    "MODIFY_AUDIO_SETTINGS",
    "POST_NOTIFICATIONS",
    "RECORD_AUDIO",
    "WAKE_LOCK",
];

/// Hardware features that the permissions imply. All are declared as optional.
const OPTIONAL_FEATURES: [&str; 7] =
    ["bluetooth", "camera", "camera.any", "camera.autofocus", "camera.front", "microphone", "touchscreen"];

/// Attributes of the application.
const APPLICATION_ATTRIBUTES: [(&str, Option<&str>); 7] = [
    ("allowBackup", Some("false")),
    ("dataExtractionRules", Some("@xml/data_extraction_rules")),
    ("debuggable", None),
    ("fullBackupContent", Some("false")),
    ("networkSecurityConfig", Some("@xml/network_security_config")),
    ("resizeableActivity", Some("true")),
    ("usesCleartextTraffic", Some("false")),
];

/// Configuration changes that the activity handles: others recreate it, which ends a call.
const HANDLED_CHANGES: &str = "orientation screenSize smallestScreenSize screenLayout density fontScale keyboard keyboardHidden navigation locale \
                        layoutDirection uiMode";

/// Categories, scheme and host of links that open the app.
const LINKS: &str = r#"["category.BROWSABLE", "category.DEFAULT"] ["hutong"] ["call"]"#;

/// Checks the manifest.
pub fn check(text: &str) -> Result<()> {
    let document = Document::parse(text).context("the manifest is not valid XML")?;
    let mut problems = Problems::default();
    permissions(&document, &mut problems);
    let application = document.descendants().find(|node| node.has_tag_name("application"));
    let application = application.context("the manifest has no <application> element")?;
    for (name, expected) in APPLICATION_ATTRIBUTES {
        let found = attribute(application, name);
        problems.require(found == expected, || format!("{name} must be {expected:?}, but is {found:?}"));
    }
    let components = ["activity", "activity-alias", "service", "receiver", "provider"];
    let is_exported = |node: &Node<'_, '_>| {
        components.contains(&node.tag_name().name()) && attribute(*node, "exported") != Some("false")
    };
    match application.children().filter(is_exported).collect::<Vec<_>>()[..] {
        [main] if attribute(main, "name") == Some(".MainActivity") => activity(main, &mut problems),
        _ => problems.add("other apps can start components other than the main activity"),
    }
    problems.finish()
}

fn permissions(document: &Document<'_>, problems: &mut Problems) {
    let requested = document.descendants().filter(|node| node.tag_name().name().starts_with("uses-permission"));
    let requested: BTreeSet<String> = requested
        .map(|node| {
            let name = attribute(node, "name").unwrap_or_default().trim_start_matches("android.permission.");
            attribute(node, "maxSdkVersion").map_or_else(|| name.to_owned(), |last| format!("{name} until {last}"))
        })
        .collect();
    problems.require(requested.iter().eq(PERMISSIONS), || {
        format!("the manifest requests {requested:?} instead of {PERMISSIONS:?}")
    });
    let features = document.descendants().filter(|node| node.has_tag_name("uses-feature"));
    let (required, optional): (BTreeSet<_>, BTreeSet<_>) = features
        .map(|node| (attribute(node, "name").unwrap_or_default(), attribute(node, "required")))
        .partition(|(_, is_required)| *is_required != Some("false"));
    let missing: Vec<_> = OPTIONAL_FEATURES
        .iter()
        .filter(|feature| !optional.iter().any(|(name, _)| name.strip_prefix("android.hardware.") == Some(feature)))
        .collect();
    problems.require(required.is_empty() && missing.is_empty(), || {
        format!("the manifest requires the features {required:?}, and does not declare as optional {missing:?}")
    });
}

fn activity(activity: Node<'_, '_>, problems: &mut Problems) {
    let changes: BTreeSet<_> = attribute(activity, "configChanges").unwrap_or_default().split('|').collect();
    for change in HANDLED_CHANGES.split_whitespace() {
        problems.require(changes.contains(change), || format!("a change of {change} ends a call"));
    }
    let mode = attribute(activity, "launchMode");
    problems.require(mode == Some("singleTask"), || "a link opens a second window".to_owned());
    problems
        .require(attribute(activity, "screenOrientation").is_none(), || "the screen orientation is fixed".to_owned());
    let values = |filter: Node<'_, '_>, tag: &'static str, name: &str| -> Vec<String> {
        let nodes = filter.children().filter(|node| node.has_tag_name(tag)).filter_map(|node| attribute(node, name));
        nodes.map(|value| value.trim_start_matches("android.intent.").to_owned()).collect()
    };
    let filters = activity.children().filter(|node| node.has_tag_name("intent-filter"));
    let links: Vec<_> =
        filters.filter(|filter| values(*filter, "action", "name").contains(&"action.VIEW".to_owned())).collect();
    problems.require(!links.is_empty(), || "hutong:// links do not open the app".to_owned());
    for link in links {
        let mut categories = values(link, "category", "name");
        categories.sort();
        let found = format!("{categories:?} {:?} {:?}", values(link, "data", "scheme"), values(link, "data", "host"));
        problems.require(found == LINKS, || format!("the app opens links of {found} instead of {LINKS}"));
    }
}

fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.attribute((ANDROID, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problems::tests::this_project;

    #[test]
    fn every_changed_attribute_is_reported() {
        let good =
            std::fs::read_to_string(this_project().root.join("gen/android/app/src/main/AndroidManifest.xml")).unwrap();
        check(&good).unwrap();
        let camera = r#"<uses-permission android:name="android.permission.CAMERA" />"#;
        for (from, to, expected) in [
            (camera, "", "instead of"),
            (
                camera,
                r#"<uses-permission android:name="android.permission.CAMERA" android:maxSdkVersion="30" />"#,
                "30",
            ),
            (camera, r#"<uses-permission-sdk-23 android:name="android.permission.READ_SMS" />"#, "READ_SMS"),
            (r#"camera.front" android:required="false""#, r#"camera.front""#, "requires the features"),
            ("android.hardware.camera.autofocus", "android.hardware.wifi", "autofocus"),
            (r#"usesCleartextTraffic="false""#, r#"usesCleartextTraffic="true""#, "usesCleartextTraffic"),
            (r#"android:networkSecurityConfig="@xml/network_security_config""#, "", "networkSecurityConfig"),
            ("<application", r#"<application android:debuggable="true""#, "debuggable"),
            ("|locale|", "|", "change of locale"),
            (r#"launchMode="singleTask""#, r#"launchMode="standard""#, "second window"),
            (r#"exported="false""#, r#"exported="true""#, "other than the main activity"),
            (r#"scheme="hutong""#, r#"scheme="https""#, "opens links"),
            (r#"host="call""#, r#"path="/call""#, "opens links"),
            ("android.intent.category.BROWSABLE", "android.intent.category.HOME", "opens links"),
            ("android.intent.action.VIEW", "android.intent.action.EDIT", "do not open"),
        ] {
            assert!(good.contains(from), "{from}");
            let error = check(&good.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(expected), "{from} to {to}: {error}");
        }
        assert!(check("<manifest />").unwrap_err().to_string().contains("no <application>"));
    }
}
