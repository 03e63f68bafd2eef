//! Avatar: initials on a colour derived from the name.

use yew::{AttrValue, Html, Properties, component, html};

/// Number of colours (CSS classes `hue-0` to `hue-9`).
const HUES: u32 = 10;

/// Properties of [`Avatar`].
#[derive(PartialEq, Properties)]
pub struct AvatarProps {
    /// The person's name.
    pub name: AttrValue,
    /// Further CSS class, for the size.
    #[prop_or_default]
    pub class: &'static str,
}

/// An avatar. Hidden from screen readers, because the name is beside it.
#[component]
pub fn Avatar(props: &AvatarProps) -> Html {
    let hue = format!("hue-{}", hue(&props.name));
    html! {
        <span class={yew::classes!("avatar", props.class, hue)} aria-hidden="true">{ initials(&props.name) }</span>
    }
}

/// One or two characters: the first of the first and last word. For ideographic scripts the last character, which belongs to
/// the given name.
fn initials(name: &str) -> String {
    let ideographic = |c: char| matches!(c, '\u{2E80}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7AF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}');
    if let Some(last) = name.chars().next_back().filter(|&c| ideographic(c)) {
        return last.to_string();
    }
    let mut words = name.split_whitespace().filter_map(|word| word.chars().find(|c| c.is_alphanumeric()));
    let first = words.next();
    match (first, words.next_back()) {
        (Some(first), Some(last)) => first.to_uppercase().chain(last.to_uppercase()).collect(),
        (Some(first), None) => first.to_uppercase().collect(),
        (None, _) => name.chars().next().map(String::from).unwrap_or_default(),
    }
}

/// FNV-1a hash, so that a name has the same colour everywhere.
fn hue(name: &str) -> u32 {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash ^ (hash >> 16)) % HUES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_of_names_in_different_scripts() {
        for (name, expected) in [
            ("Ana", "A"),
            ("ana luisa", "AL"),
            ("Ana Maria de Luisa", "AL"),
            ("小明", "明"),
            ("王小明", "明"),
            ("<b>Bo</b>", "B"),
            ("👋", "👋"),
            ("7", "7"),
            ("ßen", "SS"),
        ] {
            assert_eq!(initials(name), expected, "{name}");
        }
    }

    #[test]
    fn all_colours_are_used_and_none_is_out_of_range() {
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..200 {
            let hue = hue(&format!("user {number}"));
            assert!(hue < HUES);
            seen.insert(hue);
        }
        assert_eq!(seen.len(), HUES as usize);
    }
}
