//! Feature detection: which media features this browser or webview has.

use wasm_bindgen::JsValue;

use crate::dom;

/// The media features that the interface may offer. It shows no control for a missing one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaCapabilities {
    /// Calls.
    pub calls: bool,
    /// Screen sharing (Screen Capture, section 5.1); absent on phones.
    pub screen: bool,
    /// Choice of the loudspeaker (Audio Output Devices API, section 3.2).
    pub speaker: bool,
}

impl MediaCapabilities {
    /// Detects the features of this page, which has a backend for calls.
    pub fn detect() -> Self {
        let Some(window) = dom::window() else { return Self::default() };
        let navigator = JsValue::from(window.navigator());
        let screen = has(&navigator, &["mediaDevices", "getDisplayMedia"]);
        let speaker = has(&JsValue::from(window), &["HTMLMediaElement", "prototype", "setSinkId"]);
        Self { calls: true, screen, speaker }
    }
}

fn has(object: &JsValue, path: &[&str]) -> bool {
    path.iter().try_fold(object.clone(), |object, name| dom::property(&object, name)).is_some()
}
