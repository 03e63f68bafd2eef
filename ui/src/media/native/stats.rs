//! Statistics: what the app measures of the network, completed by what the workers count.

use serde_json::{Value, json};
use wasm_bindgen::JsValue;

use crate::dom;

/// What the workers have counted.
#[derive(Default)]
pub struct Workers {
    picture: Option<Value>,
    voice: Option<Value>,
}

impl Workers {
    /// As the workers tell it.
    pub fn from(picture: Option<&JsValue>, voice: Option<&JsValue>) -> Self {
        Self { picture: picture.and_then(dom::from_js), voice: voice.and_then(dom::from_js) }
    }
}

/// Puts into the app's statistics what only the workers know, in the W3C's names (Identifiers for WebRTC's Statistics API,
/// sections 8.5 and 8.8).
pub fn complete(mut stats: Vec<Value>, counted: Workers) -> Vec<Value> {
    for one in &mut stats {
        let kind = (one["type"].as_str().unwrap_or_default(), one["kind"].as_str().unwrap_or_default());
        let members = match (kind, &counted.picture, &counted.voice) {
            (("outbound-rtp", "video"), Some(picture), _) => json!({
                "framesEncoded": picture["sent"],
                "frameWidth": picture["size"]["width"],
                "frameHeight": picture["size"]["height"],
                "targetBitrate": picture["size"]["bitrate"],
            }),
            (("inbound-rtp", "video"), Some(picture), _) => json!({
                "framesDecoded": picture["decoded"],
                "framesDropped": picture["late"],
                "frameWidth": picture["shown"]["width"],
                "frameHeight": picture["shown"]["height"],
            }),
            (("inbound-rtp", "audio"), _, Some(voice)) => voice.clone(),
            _ => continue,
        };
        let (Some(one), Value::Object(members)) = (one.as_object_mut(), members) else { continue };
        for (name, value) in members {
            if name != "type" && !value.is_null() {
                one.entry(name).or_insert(value);
            }
        }
    }
    stats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_workers_counted_is_put_where_it_belongs() {
        let stats = vec![
            json!({ "type": "outbound-rtp", "kind": "video", "bytesSent": 5 }),
            json!({ "type": "inbound-rtp", "kind": "audio", "packetsLost": 1 }),
            json!({ "type": "transport" }),
        ];
        let counted = Workers {
            picture: Some(json!({ "type": "stats", "sent": 7, "size": { "width": 640 } })),
            voice: Some(json!({ "type": "stats", "concealedSamples": 9, "packetsLost": 2 })),
        };
        let expected = vec![
            json!({ "type": "outbound-rtp", "kind": "video", "bytesSent": 5, "framesEncoded": 7, "frameWidth": 640 }),
            json!({ "type": "inbound-rtp", "kind": "audio", "packetsLost": 1, "concealedSamples": 9 }),
            json!({ "type": "transport" }),
        ];
        assert_eq!(complete(stats, counted), expected);
    }
}
