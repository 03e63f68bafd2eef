//! What Android's manifest asks for and allows: exactly what a call needs.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use roxmltree::{Document, Node};

use super::super::Problems;

/// The namespace of Android's attributes.
const ANDROID: &str = "http://schemas.android.com/apk/res/android";

/// The permissions, each with the last Android (API level) that it is for.
const PERMISSIONS: [(&str, Option<&str>); 8] = [
    ("INTERNET", None),
    ("ACCESS_NETWORK_STATE", None),
    ("CAMERA", None),
    ("RECORD_AUDIO", None),
    ("MODIFY_AUDIO_SETTINGS", None),
    ("BLUETOOTH", Some("30")),
    ("POST_NOTIFICATIONS", None),
    ("WAKE_LOCK", None),
];

/// The hardware that the permissions would demand. It is demanded nowhere.
const FEATURES: [&str; 7] = [
    "android.hardware.camera",
    "android.hardware.camera.any",
    "android.hardware.camera.autofocus",
    "android.hardware.camera.front",
    "android.hardware.microphone",
    "android.hardware.bluetooth",
    "android.hardware.touchscreen",
];

/// What the application says of itself.
const APPLICATION: [(&str, &str); 8] = [
    ("allowBackup", "false"),
    ("dataExtractionRules", "@xml/data_extraction_rules"),
    ("fullBackupContent", "false"),
    ("icon", "@mipmap/ic_launcher"),
    ("label", "@string/app_name"),
    ("networkSecurityConfig", "@xml/network_security_config"),
    ("resizeableActivity", "true"),
    ("usesCleartextTraffic", "false"),
];

/// Changes that would otherwise make the activity anew, and end a call.
const SURVIVED: [&str; 12] = [
    "orientation",
    "screenSize",
    "smallestScreenSize",
    "screenLayout",
    "density",
    "fontScale",
    "keyboard",
    "keyboardHidden",
    "navigation",
    "locale",
    "layoutDirection",
    "uiMode",
];

/// Checks the manifest.
///
/// # Errors
///
/// Everything in it that is not as it is meant to be.
pub fn check(text: &str) -> Result<()> {
    let document = Document::parse(text).context("the manifest is no XML")?;
    let root = document.root_element();
    let mut problems = Problems::default();
    permissions(root, &mut problems);
    features(root, &mut problems);
    match child(root, "application") {
        Some(application) => self::application(application, &mut problems),
        None => problems.add("the manifest has no application"),
    }
    problems.end()
}

fn permissions(root: Node<'_, '_>, problems: &mut Problems) {
    let expected: BTreeSet<_> = PERMISSIONS
        .iter()
        .map(|(name, last)| (format!("android.permission.{name}"), last.map(str::to_owned)))
        .collect();
    let mut found = BTreeSet::new();
    for node in root.children().filter(|node| node.tag_name().name().starts_with("uses-permission")) {
        let name = attribute(node, "name").unwrap_or_default();
        problems.demand(has_reason(node), || format!("no comment says what {name} is for"));
        let is_new = found.insert((name.to_owned(), attribute(node, "maxSdkVersion").map(str::to_owned)));
        problems.demand(is_new, || format!("{name} is there twice"));
    }
    for (name, _) in found.difference(&expected) {
        problems.add(format!("{name} is not needed, or not for these versions of Android"));
    }
    for (name, _) in expected.difference(&found) {
        problems.add(format!("{name} is missing, or is for other versions of Android"));
    }
}

/// Whether a comment stands right before it.
fn has_reason(node: Node<'_, '_>) -> bool {
    let before = node.prev_siblings().skip(1).find(|node| !node.is_text());
    before.is_some_and(|node| node.is_comment() && node.text().is_some_and(|text| !text.trim().is_empty()))
}

fn features(root: Node<'_, '_>, problems: &mut Problems) {
    let nodes: Vec<_> = children(root, "uses-feature").collect();
    for node in &nodes {
        let name = attribute(*node, "name").unwrap_or_default();
        problems.demand(attribute(*node, "required") == Some("false"), || format!("the app demands {name}"));
        problems.demand(FEATURES.contains(&name), || format!("{name} is no hardware that a permission demands"));
    }
    for name in FEATURES {
        let is_there = nodes.iter().any(|node| attribute(*node, "name") == Some(name));
        problems.demand(is_there, || format!("{name} is demanded, because nothing says that it is not"));
    }
}

fn application(application: Node<'_, '_>, problems: &mut Problems) {
    for (name, expected) in APPLICATION {
        let found = attribute(application, name);
        problems.demand(found == Some(expected), || format!("{name} is to be {expected:?} and is {found:?}"));
    }
    problems.demand(attribute(application, "debuggable").is_none(), || "releases could be debugged".to_owned());
    let parts = ["activity", "activity-alias", "service", "receiver", "provider"];
    let open: Vec<_> = application
        .children()
        .filter(|node| parts.contains(&node.tag_name().name()) && attribute(*node, "exported") != Some("false"))
        .collect();
    match open[..] {
        [main] if attribute(main, "name") == Some(".MainActivity") => activity(main, problems),
        _ => problems.add("other apps may start something else than the main activity alone"),
    }
}

fn activity(activity: Node<'_, '_>, problems: &mut Problems) {
    let changes: BTreeSet<_> = attribute(activity, "configChanges").unwrap_or_default().split('|').collect();
    for change in SURVIVED {
        problems.demand(changes.contains(change), || format!("a call does not survive a change of {change}"));
    }
    let mode = attribute(activity, "launchMode");
    problems.demand(mode == Some("singleTask"), || "a link would open a second window".to_owned());
    problems.demand(attribute(activity, "screenOrientation").is_none(), || "the phone cannot be turned".to_owned());
    let links: Vec<_> = children(activity, "intent-filter")
        .filter(|filter| names(*filter, "action").contains("android.intent.action.VIEW"))
        .collect();
    problems.demand(!links.is_empty(), || "hutong:// links do not open the app".to_owned());
    for filter in links {
        let categories = names(filter, "category");
        let expected = ["android.intent.category.BROWSABLE", "android.intent.category.DEFAULT"];
        problems.demand(categories == expected.into(), || "links are not opened from everywhere".to_owned());
        let found = |name| children(filter, "data").filter_map(move |data| attribute(data, name)).collect::<Vec<_>>();
        let (schemes, hosts) = (found("scheme"), found("host"));
        problems.demand(schemes == ["hutong"] && hosts == ["call"], || {
            format!("the app opens links of {schemes:?} to {hosts:?}, and not of hutong to call alone")
        });
    }
}

fn names<'a>(filter: Node<'a, '_>, tag: &'static str) -> BTreeSet<&'a str> {
    children(filter, tag).filter_map(|node| attribute(node, "name")).collect()
}

fn child<'a, 'input>(node: Node<'a, 'input>, tag: &'static str) -> Option<Node<'a, 'input>> {
    children(node, tag).next()
}

fn children<'a, 'input>(node: Node<'a, 'input>, tag: &'static str) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |node| node.has_tag_name(tag))
}

fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.attribute((ANDROID, name))
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::ours;
    use super::*;

    fn our_manifest() -> String {
        std::fs::read_to_string(ours().root.join(super::super::MAIN).join("AndroidManifest.xml")).unwrap()
    }

    #[test]
    fn our_manifest_asks_for_exactly_what_a_call_needs() {
        check(&our_manifest()).unwrap();
    }

    #[test]
    fn whatever_is_changed_is_told() {
        let camera = r#"<uses-permission android:name="android.permission.CAMERA" />"#;
        let cases = [
            (camera, "", "CAMERA is missing"),
            (
                camera,
                r#"<uses-permission android:name="android.permission.CAMERA" android:maxSdkVersion="30" />"#,
                "CAMERA",
            ),
            (
                camera,
                r#"<!-- Why not? --><uses-permission android:name="android.permission.READ_SMS" />"#,
                "READ_SMS is not",
            ),
            (
                camera,
                r#"<!-- Why not? --><uses-permission-sdk-23 android:name="android.permission.READ_SMS" />"#,
                "READ_SMS",
            ),
            ("<!-- The own picture. Asked for when the first video call is made or answered. -->", "", "CAMERA is for"),
            (r#"camera.front" android:required="false""#, r#"camera.front" android:required="true""#, "demands"),
            (r#"camera.front" android:required="false""#, r#"camera.front""#, "demands"),
            ("android.hardware.camera.autofocus", "android.hardware.wifi", "autofocus is demanded"),
            (r#"usesCleartextTraffic="false""#, r#"usesCleartextTraffic="true""#, "usesCleartextTraffic"),
            (r#"android:networkSecurityConfig="@xml/network_security_config""#, "", "networkSecurityConfig"),
            (r#"allowBackup="false""#, r#"allowBackup="true""#, "allowBackup"),
            ("orientation|", "", "survive a change of orientation"),
            ("|locale|", "|", "survive a change of locale"),
            (r#"launchMode="singleTask""#, r#"launchMode="standard""#, "second window"),
            (r#"exported="false""#, r#"exported="true""#, "something else"),
            (r#"scheme="hutong""#, r#"scheme="https""#, "opens links"),
            (r#"host="call""#, r#"path="/call""#, "opens links"),
            ("android.intent.category.BROWSABLE", "android.intent.category.HOME", "from everywhere"),
            ("android.intent.action.VIEW", "android.intent.action.EDIT", "do not open"),
        ];
        let good = our_manifest();
        for (from, to, expected) in cases {
            assert!(good.contains(from), "{from}");
            let said = check(&good.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(said.contains(expected), "{from} to {to}: {said}");
        }
        assert!(check("<manifest>").unwrap_err().to_string().contains("no XML"));
        assert!(check("<manifest />").unwrap_err().to_string().contains("no application"));
    }
}
