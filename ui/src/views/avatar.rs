//! Avatar: initials on a colour derived from the name.

use hutong_protocol::seen_characters;
use js_sys::{Array, Function, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use yew::{AttrValue, Html, Properties, component, html};

use crate::dom;

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
    let mut words = name.split_whitespace().filter_map(|word| word.find(char::is_alphanumeric).map(|at| &word[at..]));
    let first = words.next();
    match (first, words.next_back()) {
        (Some(first), Some(last)) => first_seen(first).to_uppercase() + &first_seen(last).to_uppercase(),
        (Some(first), None) => first_seen(first).to_uppercase(),
        (None, _) => first_seen(name),
    }
}

/// The first character as a person sees it: a letter with its marks, or a whole emoji.
fn first_seen(text: &str) -> String {
    first_cluster(text).unwrap_or_else(|| seen_characters(text).next().unwrap_or_default().to_owned())
}

/// The first grapheme cluster (UAX 29), as the browser defines it. `None` where it cannot: Firefox before version 125, and
/// unit tests on the host.
fn first_cluster(text: &str) -> Option<String> {
    let intl = dom::property(&dom::window()?.into(), "Intl")?;
    let segmenter: Function = dom::property(&intl, "Segmenter")?.dyn_into().ok()?;
    // By default, in grapheme clusters.
    let segmenter = Reflect::construct(&segmenter, &Array::new()).ok()?;
    let segment: Function = dom::property(&segmenter, "segment")?.dyn_into().ok()?;
    let segments = segment.call1(&segmenter, &JsValue::from_str(text)).ok()?;
    let containing: Function = dom::property(&segments, "containing")?.dyn_into().ok()?;
    dom::text_property(&containing.call1(&segments, &JsValue::from(0)).ok()?, "segment")
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
            ("👩\u{200d}💻", "👩\u{200d}💻"),
            ("🏳\u{fe0f}\u{200d}⚧\u{fe0f} 👋", "🏳\u{fe0f}\u{200d}⚧\u{fe0f}"),
            ("👩\u{200d}💻 Ana", "A"),
            ("می\u{200c}خواهم", "م"),
        ] {
            assert_eq!(initials(name), expected, "{name}");
        }
    }

    #[wasm_bindgen_test::wasm_bindgen_test]
    fn an_initial_has_its_marks() {
        for (name, expected) in [
            ("क्\u{200d}ष", "क्\u{200d}ष"),
            ("e\u{302}\u{323}n", "E\u{302}\u{323}"), // UAX 29 joins no Sinhala letters to one cluster.
            ("ශ්\u{200d}රී", "ශ්\u{200d}"),
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
