//! A QR code as one SVG path.

use std::fmt::Write as _;

use qrcodegen::{QrCode, QrCodeEcc};
use yew::{AttrValue, Html, Properties, component, html};

/// White around the code, in modules, as the standard asks (ISO/IEC 18004).
const QUIET: i32 = 4;

/// Properties of [`Qr`].
#[derive(PartialEq, Properties)]
pub struct QrProps {
    /// What it says.
    pub text: AttrValue,
    /// For screen readers.
    pub label: AttrValue,
    /// For tests.
    pub testid: &'static str,
}

/// A QR code, dark on white in every colour scheme: not all scanners read light on dark.
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

/// The side in modules, and the dark runs of each row. `None` for a text that no code can hold.
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
                write!(path, "M{} {}h{width}v1h-{width}z", start + QUIET, y + QUIET).ok()?;
            }
            x += 1;
        }
    }
    Some((size + 2 * QUIET, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_three_corners_and_stays_within_its_white() {
        let (size, path) = path("https://192.0.2.7:8017/").unwrap();
        assert!(size >= 21 + 2 * QUIET);
        // Each corner's sign begins with a run of seven.
        assert!(path.starts_with("M4 4h7v1h-7z"));
        assert!(path.contains(&format!("M{} 4h7v1h-7z", size - QUIET - 7)));
        assert!(path.contains(&format!("M4 {}h7v1h-7z", size - QUIET - 1)));
    }

    #[test]
    fn a_text_too_long_for_a_code_makes_none() {
        assert!(path(&"x".repeat(5000)).is_none());
    }
}
