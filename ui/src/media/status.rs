//! What the two sides of a call tell each other about their microphones and cameras, over a data channel of the call.
//!
//! A track that is switched off goes on carrying black pictures and silence, and browsers do not tell the receiver. So each
//! side says it. The channel is agreed on beforehand (number 0), so that it costs no exchange, and nothing breaks where the
//! other side has none.

use serde::{Deserialize, Serialize};

/// The data channel's label and number, the same on both sides.
pub const LABEL: &str = "hutong.status";
/// See [`LABEL`].
pub const NUMBER: u16 = 0;

/// What one side sends now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The microphone is on.
    pub microphone: bool,
    /// There is a picture: the camera is on, or the screen is shared.
    pub camera: bool,
    /// The picture is the screen, to be shown whole. Older versions do not say it, and show it as any picture.
    #[serde(default)]
    pub screen: bool,
}

impl Status {
    /// As text for the channel.
    pub fn to_text(self) -> String {
        let Self { microphone, camera, screen } = self;
        format!(r#"{{"microphone":{microphone},"camera":{camera},"screen":{screen}}}"#)
    }

    /// From the channel. Anything else is passed over.
    pub fn from_text(text: &str) -> Option<Self> {
        if text.len() > 1024 {
            return None;
        }
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_as_it_was_written() {
        for number in 0..8 {
            let status = Status { microphone: number & 1 != 0, camera: number & 2 != 0, screen: number & 4 != 0 };
            assert_eq!(Status::from_text(&status.to_text()), Some(status));
        }
    }

    #[test]
    fn older_and_newer_versions_are_understood() {
        let camera = Status { microphone: true, camera: true, screen: false };
        for text in [r#"{"microphone":true,"camera":true}"#, r#"{"microphone":true,"camera":true,"hand":true}"#] {
            assert_eq!(Status::from_text(text), Some(camera), "{text}");
        }
    }

    #[test]
    fn what_is_no_status_is_passed_over() {
        let long = format!(r#"{{"microphone":true,"camera":true,"x":"{}"}}"#, "x".repeat(2000));
        for text in ["", "null", "[]", r#"{"camera":1}"#, &long] {
            assert_eq!(Status::from_text(text), None, "{text}");
        }
    }
}
