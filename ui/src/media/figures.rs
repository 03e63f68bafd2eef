//! A call in figures, out of what its connection measures.

use serde_json::Value;

/// Sums since the call began, and what there is at this moment: one measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    at_ms: f64,
    received: Sum,
    sent: Sum,
    round_trip_ms: Option<f64>,
    /// Of what was sent, as the other side last counted it: between 0 and 1.
    sent_loss: Option<f64>,
}

/// One way of a call, since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sum {
    bytes: f64,
    packets: f64,
    lost: f64,
    frames: f64,
    size: Option<(u32, u32)>,
}

/// What two measurements say of the time between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// From the other side.
    pub received: Flow,
    /// To the other side.
    pub sent: Flow,
    /// There and back, in milliseconds.
    pub round_trip_ms: Option<f64>,
}

/// One way of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flow {
    /// Width and height of the picture in its own pixels, where there is one.
    pub size: Option<(u32, u32)>,
    /// Frames of the picture in a second.
    pub frames_per_second: f64,
    /// Voice and picture, without what the network adds.
    pub bits_per_second: f64,
    /// Lost packets of all that were sent, between 0 and 1.
    pub loss: Option<f64>,
}

impl Totals {
    /// From `RTCStats` dictionaries (Identifiers for WebRTC's Statistics API, sections 8.3 to 8.8 and 8.13), taken at this time.
    pub fn of(stats: &[Value], at_ms: f64) -> Self {
        let mut totals = Self { at_ms, ..Self::default() };
        let selected =
            stats.iter().filter(|it| is(it, "transport")).find_map(|it| it["selectedCandidatePairId"].as_str());
        for entry in stats {
            match entry["type"].as_str() {
                Some("inbound-rtp") => {
                    totals.received.add(entry, "bytesReceived", "framesDecoded");
                    totals.received.packets += number(entry, "packetsReceived");
                    // Below zero where packets came twice.
                    totals.received.lost += number(entry, "packetsLost");
                }
                Some("outbound-rtp") => totals.sent.add(entry, "bytesSent", "framesEncoded"),
                Some("remote-inbound-rtp") => {
                    totals.sent_loss = most(totals.sent_loss, entry["fractionLost"].as_f64());
                    totals.round_trip_ms = totals.round_trip_ms.or(milliseconds(&entry["roundTripTime"]));
                }
                Some("candidate-pair")
                    // Firefox names no transport, and marks the pair.
                    if selected.map_or(entry["nominated"] == true, |id| entry["id"] == id) =>
                {
                    totals.round_trip_ms = milliseconds(&entry["currentRoundTripTime"]).or(totals.round_trip_ms);
                }
                _ => {}
            }
        }
        totals
    }

    /// What this measurement says with an earlier one.
    pub fn since(&self, before: &Self) -> Figures {
        let seconds = ((self.at_ms - before.at_ms) / 1000.0).max(0.001);
        let mut sent = self.sent.since(&before.sent, seconds);
        sent.loss = self.sent_loss;
        Figures { received: self.received.since(&before.received, seconds), sent, round_trip_ms: self.round_trip_ms }
    }
}

impl Sum {
    fn add(&mut self, entry: &Value, bytes: &str, frames: &str) {
        self.bytes += number(entry, bytes);
        self.frames += number(entry, frames);
        if let (Some(width), Some(height)) = (entry["frameWidth"].as_f64(), entry["frameHeight"].as_f64())
            && width > 0.0
        {
            self.size = Some((width as u32, height as u32));
        }
    }

    fn since(&self, before: &Self, seconds: f64) -> Flow {
        let frames = (self.frames - before.frames).max(0.0);
        let lost = (self.lost - before.lost).max(0.0);
        let all = (self.packets - before.packets).max(0.0) + lost;
        Flow {
            // Who sends no picture any more still remembers its size.
            size: self.size.filter(|_| frames > 0.0),
            frames_per_second: frames / seconds,
            bits_per_second: (self.bytes - before.bytes).max(0.0) * 8.0 / seconds,
            loss: (all > 0.0).then(|| lost / all),
        }
    }
}

fn is(entry: &Value, kind: &str) -> bool {
    entry["type"] == kind
}

fn number(entry: &Value, name: &str) -> f64 {
    entry[name].as_f64().unwrap_or_default()
}

fn milliseconds(seconds: &Value) -> Option<f64> {
    seconds.as_f64().filter(|&seconds| seconds > 0.0).map(|seconds| seconds * 1000.0)
}

fn most(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stats(step: u32) -> Vec<Value> {
        vec![
            json!({ "type": "transport", "id": "T", "selectedCandidatePairId": "P2" }),
            json!({ "type": "candidate-pair", "id": "P1", "nominated": true, "currentRoundTripTime": 0.9 }),
            json!({ "type": "candidate-pair", "id": "P2", "nominated": true, "currentRoundTripTime": 0.025 }),
            json!({
                "type": "inbound-rtp", "kind": "video", "bytesReceived": 100_000 * step, "packetsReceived": 90 * step,
                "packetsLost": 10 * step, "framesDecoded": 60 * step, "frameWidth": 1280, "frameHeight": 720,
            }),
            json!({ "type": "inbound-rtp", "kind": "audio", "bytesReceived": 25_000 * step, "packetsReceived": 100 * step }),
            json!({ "type": "outbound-rtp", "kind": "audio", "bytesSent": 2_500 * step }),
            json!({ "type": "remote-inbound-rtp", "kind": "audio", "fractionLost": 0.02, "roundTripTime": 0.03 }),
        ]
    }

    #[test]
    fn figures_are_of_the_time_between_two_measurements() {
        let figures = Totals::of(&stats(3), 5_000.0).since(&Totals::of(&stats(2), 3_000.0));
        let received =
            Flow { size: Some((1280, 720)), frames_per_second: 30.0, bits_per_second: 500_000.0, loss: Some(0.05) };
        assert_eq!(figures.received, received);
        assert_eq!(figures.sent, Flow { bits_per_second: 10_000.0, loss: Some(0.02), ..Flow::default() });
        assert_eq!(figures.round_trip_ms, Some(25.0));
    }

    #[test]
    fn a_picture_that_is_no_longer_sent_has_no_size() {
        let now = Totals::of(&stats(2), 5_000.0);
        let figures = now.since(&Totals { at_ms: 3_000.0, ..now });
        assert_eq!((figures.received.size, figures.received.loss), (None, None));
    }

    #[test]
    fn nothing_measured_is_no_failure() {
        let figures = Totals::of(&[json!({}), json!(null)], 0.0).since(&Totals::of(&[], 0.0));
        assert_eq!((figures.received, figures.round_trip_ms), (Flow::default(), None));
    }

    #[test]
    fn without_a_selected_pair_the_nominated_one_counts() {
        let pair = |id: &str, nominated: bool, seconds: f64| json!({ "type": "candidate-pair", "id": id, "nominated": nominated, "currentRoundTripTime": seconds });
        let totals = Totals::of(&[pair("a", false, 0.5), pair("b", true, 0.004)], 0.0);
        assert_eq!(totals.round_trip_ms, Some(4.0));
    }
}
