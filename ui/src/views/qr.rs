//! QR code as an SVG path.

use std::fmt::Write as _;

use qrcodegen::{QrCode, QrCodeEcc};
use yew::{AttrValue, Html, Properties, component, html};

/// Width of the quiet zone, in modules (ISO/IEC 18004).
const QUIET_ZONE: i32 = 4;

/// Properties of [`Qr`].
#[derive(PartialEq, Properties)]
pub struct QrProps {
    /// The encoded text.
    pub text: AttrValue,
    /// Accessible label.
    pub label: AttrValue,
    /// Test ID.
    pub testid: &'static str,
}

/// A QR code, dark on white in every colour scheme, because not all scanners read inverted codes.
#[component]
pub fn Qr(props: &QrProps) -> Html {
    let Some((size, path)) = path(&props.text) else { return html! {} };
    html! {
        <svg
            class="qr"
            role="img"
            aria-label={props.label.clone()}
            data-testid={props.testid}
            viewBox={format!("0 0 {size} {size}")}
            shape-rendering="crispEdges"
        >
            <rect class="qr-ground" width={size.to_string()} height={size.to_string()} rx="2" />
            <path class="qr-ink" d={path} />
        </svg>
    }
}

/// Width in modules, and the dark runs of each row as an SVG path. `None` if the text is too long.
fn path(text: &str) -> Option<(i32, String)> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let size = code.size();
    let mut path = String::new();
    for y in 0..size {
        let mut x = 0;
        while x < size {
            let start = x;
            while x < size && code.get_module(x, y) {
                x += 1;
            }
            if x > start {
                let width = x - start;
                write!(path, "M{} {}h{width}v1h-{width}z", start + QUIET_ZONE, y + QUIET_ZONE).ok()?;
            }
            x += 1;
        }
    }
    Some((size + 2 * QUIET_ZONE, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_three_finder_patterns_inside_its_quiet_zone() {
        let (size, path) = path("https://192.0.2.7:8017/").unwrap();
        assert!(size >= 21 + 2 * QUIET_ZONE);
        // Each finder pattern starts with a run of seven.
        assert!(path.starts_with("M4 4h7v1h-7z"));
        assert!(path.contains(&format!("M{} 4h7v1h-7z", size - QUIET_ZONE - 7)));
        assert!(path.contains(&format!("M4 {}h7v1h-7z", size - QUIET_ZONE - 1)));
    }

    #[test]
    fn a_text_that_is_too_long_gives_no_code() {
        assert!(path(&"x".repeat(5000)).is_none());
    }
}
