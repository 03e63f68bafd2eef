//! What Android's manifest asks for and allows: exactly what a call needs.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use roxmltree::{Document, Node};

use crate::problems::Problems;

/// The namespace of Android's attributes.
const ANDROID: &str = "http://schemas.android.com/apk/res/android";

/// The permissions, and the last Android (API level) that one is for.
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

/// The hardware that the permissions would demand. It is demanded nowhere.
const FEATURES: [&str; 7] =
    ["bluetooth", "camera", "camera.any", "camera.autofocus", "camera.front", "microphone", "touchscreen"];

/// What the application says of itself.
const APPLICATION: [(&str, Option<&str>); 7] = [
    ("allowBackup", Some("false")),
    ("dataExtractionRules", Some("@xml/data_extraction_rules")),
    ("debuggable", None),
    ("fullBackupContent", Some("false")),
    ("networkSecurityConfig", Some("@xml/network_security_config")),
    ("resizeableActivity", Some("true")),
    ("usesCleartextTraffic", Some("false")),
];

/// Changes that would otherwise make the activity anew, and end a call.
const SURVIVED: &str = "orientation screenSize smallestScreenSize screenLayout density fontScale keyboard keyboardHidden navigation locale \
                        layoutDirection uiMode";

/// Where links that open the app may stand, their scheme and their host.
const LINKS: &str = r#"["category.BROWSABLE", "category.DEFAULT"] ["hutong"] ["call"]"#;

/// Checks the manifest.
///
/// # Errors
///
/// Everything in it that is not as it is meant to be.
pub fn check(text: &str) -> Result<()> {
    let document = Document::parse(text).context("the manifest is no XML")?;
    let mut problems = Problems::default();
    permissions(&document, &mut problems);
    let application = document.descendants().find(|node| node.has_tag_name("application"));
    let application = application.context("the manifest has no application")?;
    for (name, expected) in APPLICATION {
        let found = attribute(application, name);
        problems.demand(found == expected, || format!("{name} is to be {expected:?} and is {found:?}"));
    }
    let parts = ["activity", "activity-alias", "service", "receiver", "provider"];
    let is_open =
        |node: &Node<'_, '_>| parts.contains(&node.tag_name().name()) && attribute(*node, "exported") != Some("false");
    match application.children().filter(is_open).collect::<Vec<_>>()[..] {
        [main] if attribute(main, "name") == Some(".MainActivity") => activity(main, &mut problems),
        _ => problems.add("other apps may start something else than the main activity alone"),
    }
    problems.end()
}

fn permissions(document: &Document<'_>, problems: &mut Problems) {
    let asked = document.descendants().filter(|node| node.tag_name().name().starts_with("uses-permission"));
    let asked: BTreeSet<String> = asked
        .map(|node| {
            let name = attribute(node, "name").unwrap_or_default().trim_start_matches("android.permission.");
            attribute(node, "maxSdkVersion").map_or_else(|| name.to_owned(), |last| format!("{name} until {last}"))
        })
        .collect();
    problems.demand(asked.iter().eq(PERMISSIONS), || format!("it asks for {asked:?}, and not for {PERMISSIONS:?}"));
    let features = document.descendants().filter(|node| node.has_tag_name("uses-feature"));
    let (demanded, optional): (BTreeSet<_>, BTreeSet<_>) = features
        .map(|node| (attribute(node, "name").unwrap_or_default(), attribute(node, "required")))
        .partition(|(_, required)| *required != Some("false"));
    let missing: Vec<_> = FEATURES
        .iter()
        .filter(|feature| !optional.iter().any(|(name, _)| name.strip_prefix("android.hardware.") == Some(feature)))
        .collect();
    problems.demand(demanded.is_empty() && missing.is_empty(), || {
        format!("the app demands {demanded:?}, and does not say that it can do without {missing:?}")
    });
}

fn activity(activity: Node<'_, '_>, problems: &mut Problems) {
    let changes: BTreeSet<_> = attribute(activity, "configChanges").unwrap_or_default().split('|').collect();
    for change in SURVIVED.split_whitespace() {
        problems.demand(changes.contains(change), || format!("a call does not survive a change of {change}"));
    }
    let mode = attribute(activity, "launchMode");
    problems.demand(mode == Some("singleTask"), || "a link would open a second window".to_owned());
    problems.demand(attribute(activity, "screenOrientation").is_none(), || "the phone cannot be turned".to_owned());
    let said = |filter: Node<'_, '_>, tag: &'static str, name: &str| -> Vec<String> {
        let values = filter.children().filter(|node| node.has_tag_name(tag)).filter_map(|node| attribute(node, name));
        values.map(|value| value.trim_start_matches("android.intent.").to_owned()).collect()
    };
    let filters = activity.children().filter(|node| node.has_tag_name("intent-filter"));
    let links: Vec<_> =
        filters.filter(|filter| said(*filter, "action", "name").contains(&"action.VIEW".to_owned())).collect();
    problems.demand(!links.is_empty(), || "hutong:// links do not open the app".to_owned());
    for link in links {
        let mut categories = said(link, "category", "name");
        categories.sort();
        let found = format!("{categories:?} {:?} {:?}", said(link, "data", "scheme"), said(link, "data", "host"));
        problems.demand(found == LINKS, || format!("the app opens links of {found}, and not of {LINKS} alone"));
    }
}

fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.attribute((ANDROID, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problems::tests::ours;

    #[test]
    fn whatever_is_changed_is_told() {
        let good = std::fs::read_to_string(ours().root.join("gen/android/app/src/main/AndroidManifest.xml")).unwrap();
        check(&good).unwrap();
        let camera = r#"<uses-permission android:name="android.permission.CAMERA" />"#;
        for (from, to, expected) in [
            (camera, "", "and not for"),
            (
                camera,
                r#"<uses-permission android:name="android.permission.CAMERA" android:maxSdkVersion="30" />"#,
                "30",
            ),
            (camera, r#"<uses-permission-sdk-23 android:name="android.permission.READ_SMS" />"#, "READ_SMS"),
            (r#"camera.front" android:required="false""#, r#"camera.front""#, "demands"),
            ("android.hardware.camera.autofocus", "android.hardware.wifi", "autofocus"),
            (r#"usesCleartextTraffic="false""#, r#"usesCleartextTraffic="true""#, "usesCleartextTraffic"),
            (r#"android:networkSecurityConfig="@xml/network_security_config""#, "", "networkSecurityConfig"),
            ("<application", r#"<application android:debuggable="true""#, "debuggable"),
            ("|locale|", "|", "survive a change of locale"),
            (r#"launchMode="singleTask""#, r#"launchMode="standard""#, "second window"),
            (r#"exported="false""#, r#"exported="true""#, "something else"),
            (r#"scheme="hutong""#, r#"scheme="https""#, "opens links"),
            (r#"host="call""#, r#"path="/call""#, "opens links"),
            ("android.intent.category.BROWSABLE", "android.intent.category.HOME", "opens links"),
            ("android.intent.action.VIEW", "android.intent.action.EDIT", "do not open"),
        ] {
            assert!(good.contains(from), "{from}");
            let said = check(&good.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(said.contains(expected), "{from} to {to}: {said}");
        }
        assert!(check("<manifest />").unwrap_err().to_string().contains("no application"));
    }
}
