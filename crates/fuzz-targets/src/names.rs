//! Fuzz target of user names: a valid name is in normal form, and normalizing it again does not change it.

use hutong_protocol::{Name, limits::MAX_NAME_BYTES};

/// Parses the bytes as a name that a person typed.
///
/// # Panics
///
/// If normalizing the name again changes it, or the name violates a rule.
pub fn names(bytes: &[u8]) {
    let Ok(typed) = std::str::from_utf8(bytes) else { return };
    let Ok(name) = Name::new(typed) else { return };
    let text = name.as_str();
    let again = Name::new(text).map(|name| (name.key(), name));
    assert_eq!(again, Ok((name.key(), name.clone())), "{typed:?}");
    assert!((1..=MAX_NAME_BYTES).contains(&text.len()) && text.trim() == text && !text.contains("  "), "{text:?}");
    assert!(text.chars().all(|c| !c.is_control()), "{text:?}");
    let plain = text.replace(['\u{200c}', '\u{200d}', '\u{fe0f}'], "");
    // It may be too long: emoji that are no longer joined count each.
    if let Ok(plain) = Name::new(&plain) {
        assert_eq!(plain.key(), name.key(), "{text:?}");
    }
}
