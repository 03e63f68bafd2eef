//! Merges the workers' counters into the statistics of the app's peer.

use serde_json::{Value, json};
use wasm_bindgen::JsValue;

use crate::dom;

/// Counters of the workers.
#[derive(Default)]
pub struct WorkerStats {
    video: Option<Value>,
    audio: Option<Value>,
}

impl WorkerStats {
    /// Parses the workers' `stats` messages.
    pub fn parse(video: Option<&JsValue>, audio: Option<&JsValue>) -> Self {
        Self { video: video.and_then(dom::from_js), audio: audio.and_then(dom::from_js) }
    }
}

/// Adds the workers' counters to the app's statistics, under the names of Identifiers for WebRTC's Statistics API,
/// sections 8.5 and 8.8. Values of the app win.
pub fn merge(mut stats: Vec<Value>, workers: &WorkerStats) -> Vec<Value> {
    for entry in &mut stats {
        let kind = (entry["type"].as_str().unwrap_or_default(), entry["kind"].as_str().unwrap_or_default());
        let members = match (kind, &workers.video, &workers.audio) {
            (("outbound-rtp", "video"), Some(video), _) => json!({
                "framesEncoded": video["encoded"],
                "frameWidth": video["config"]["width"],
                "frameHeight": video["config"]["height"],
                "targetBitrate": video["config"]["bitrate"],
            }),
            (("inbound-rtp", "video"), Some(video), _) => json!({
                "framesDecoded": video["decoded"],
                "framesDropped": video["late"],
                "frameWidth": video["shown"]["width"],
                "frameHeight": video["shown"]["height"],
            }),
            (("inbound-rtp", "audio"), _, Some(audio)) => audio.clone(),
            _ => continue,
        };
        let (Some(entry), Value::Object(members)) = (entry.as_object_mut(), members) else { continue };
        for (name, value) in members {
            if name != "type" && !value.is_null() {
                entry.entry(name).or_insert(value);
            }
        }
    }
    stats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worker_counters_are_added_to_their_entries() {
        let stats = vec![
            json!({ "type": "outbound-rtp", "kind": "video", "bytesSent": 5 }),
            json!({ "type": "inbound-rtp", "kind": "audio", "packetsLost": 1 }),
            json!({ "type": "transport" }),
        ];
        let workers = WorkerStats {
            video: Some(json!({ "type": "stats", "encoded": 7, "config": { "width": 640 } })),
            audio: Some(json!({ "type": "stats", "concealedSamples": 9, "packetsLost": 2 })),
        };
        let expected = vec![
            json!({ "type": "outbound-rtp", "kind": "video", "bytesSent": 5, "framesEncoded": 7, "frameWidth": 640 }),
            json!({ "type": "inbound-rtp", "kind": "audio", "packetsLost": 1, "concealedSamples": 9 }),
            json!({ "type": "transport" }),
        ];
        assert_eq!(merge(stats, &workers), expected);
    }
}
