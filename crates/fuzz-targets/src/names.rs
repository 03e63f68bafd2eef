//! Fuzz target of user names: a valid name is in normal form, and normalizing it again does not change it.

use hutong_protocol::{Name, limits::MAX_NAME_CHARS};

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
    let chars = text.chars().count();
    assert!((1..=MAX_NAME_CHARS).contains(&chars) && text.trim() == text && !text.contains("  "), "{text:?}");
    assert!(text.chars().all(|c| !c.is_control()), "{text:?}");
}
