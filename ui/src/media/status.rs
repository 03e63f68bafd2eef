//! The status message that the two sides of a call exchange over a data channel: which of their sources are on.
//!
//! A track that is switched off still carries black frames or silence, and browsers do not signal that to the receiver. The
//! channel is pre-negotiated (ID 0), so it needs no signalling, and a remote side without it is unaffected.

use serde::{Deserialize, Serialize};

/// Label of the data channel, the same on both sides.
pub const LABEL: &str = "hutong.status";
/// ID of the pre-negotiated data channel, the same on both sides.
pub const CHANNEL_ID: u16 = 0;

/// Longest status message that is parsed, in bytes: the remote side controls the text.
const MAX_BYTES: usize = 1024;

/// Which sources one side sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaStatus {
    /// The microphone is on.
    pub microphone: bool,
    /// Video is sent: the camera is on, or the screen is shared.
    pub camera: bool,
    /// The video is the screen, to be shown uncropped. Older versions omit this field and show the screen like a camera.
    #[serde(default)]
    pub screen: bool,
    /// There is no microphone. Older versions omit this field, and show a missing microphone as off.
    #[serde(default)]
    pub no_microphone: bool,
}

impl MediaStatus {
    /// Serializes the message for the channel.
    pub fn to_text(self) -> String {
        let Self { microphone, camera, screen, no_microphone } = self;
        format!(r#"{{"microphone":{microphone},"camera":{camera},"screen":{screen},"no_microphone":{no_microphone}}}"#)
    }

    /// Parses a message from the channel; `None` for anything else.
    pub fn from_text(text: &str) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_survives_a_round_trip() {
        for number in 0..16 {
            let status = MediaStatus {
                microphone: number & 1 != 0,
                camera: number & 2 != 0,
                screen: number & 4 != 0,
                no_microphone: number & 8 != 0,
            };
            assert_eq!(MediaStatus::from_text(&status.to_text()), Some(status));
        }
    }

    #[test]
    fn statuses_of_older_and_newer_versions_are_parsed() {
        let camera = MediaStatus { microphone: true, camera: true, screen: false, no_microphone: false };
        for text in [r#"{"microphone":true,"camera":true}"#, r#"{"microphone":true,"camera":true,"hand":true}"#] {
            assert_eq!(MediaStatus::from_text(text), Some(camera), "{text}");
        }
    }

    #[test]
    fn text_that_is_no_status_is_ignored() {
        let long = format!(r#"{{"microphone":true,"camera":true,"x":"{}"}}"#, "x".repeat(2000));
        for text in ["", "null", "[]", r#"{"camera":1}"#, &long] {
            assert_eq!(MediaStatus::from_text(text), None, "{text}");
        }
    }
}
