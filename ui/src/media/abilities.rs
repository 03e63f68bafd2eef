//! What can be offered to the person here.

use wasm_bindgen::JsValue;

use crate::dom;

/// What can be offered here, found out by what the browser or webview has. What it has not is not shown at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// To call at all.
    pub calls: bool,
    /// To share the screen (Screen Capture, section 5.1): phones have none.
    pub screen: bool,
    /// To choose the loudspeaker (Audio Output Devices API, section 3.2).
    pub speaker: bool,
}

impl Abilities {
    /// Where there is a way to connect.
    pub fn found() -> Self {
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
