//! Names: what was taken once is taken again and stays as it is.

use hutong_protocol::{Name, limits::NAME_CHARS};

/// Takes the bytes as what somebody typed for a name.
///
/// # Panics
///
/// When the name changes by being taken again, or is none that may be.
pub fn names(bytes: &[u8]) {
    let Ok(typed) = std::str::from_utf8(bytes) else { return };
    let Ok(name) = Name::new(typed) else { return };
    let text = name.as_str();
    let again = Name::new(text).map(|name| (name.key(), name));
    assert_eq!(again, Ok((name.key(), name.clone())), "{typed:?}");
    let chars = text.chars().count();
    assert!((1..=NAME_CHARS).contains(&chars) && text.trim() == text && !text.contains("  "), "{text:?}");
    assert!(text.chars().all(|c| !c.is_control()), "{text:?}");
}
