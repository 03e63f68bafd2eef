//! Call statistics: sums up `getStats` samples, and computes rates between two of them.

use serde_json::Value;

use super::call_path::{CallPath, selected_pair};

/// One `getStats` sample: counters since the start of the call, and current values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StatsSample {
    at_ms: f64,
    received: DirectionTotals,
    sent: DirectionTotals,
    round_trip_ms: Option<f64>,
    /// The `fractionLost` of sent packets, last reported by the remote side.
    sent_loss: Option<f64>,
    path: Option<CallPath>,
}

/// Counters of one direction since the start of the call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct DirectionTotals {
    bytes: f64,
    packets: f64,
    lost: f64,
    frames: f64,
    size: Option<(u32, u32)>,
}

/// Statistics of the time between two samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CallStats {
    /// From the remote side.
    pub received: DirectionStats,
    /// To the remote side.
    pub sent: DirectionStats,
    /// Round-trip time, in milliseconds.
    pub round_trip_ms: Option<f64>,
    /// Direct or relayed; `None` before there is a connection.
    pub path: Option<CallPath>,
}

/// Statistics of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DirectionStats {
    /// Width and height of the video in pixels; `None` without video.
    pub size: Option<(u32, u32)>,
    /// Video frames per second.
    pub frames_per_second: f64,
    /// RTP payload of audio and video, in bits per second.
    pub bits_per_second: f64,
    /// Fraction of lost packets, between 0 and 1.
    pub loss: Option<f64>,
}

impl StatsSample {
    /// Sums up `RTCStats` dictionaries that were taken at `at_ms` (Identifiers for WebRTC's Statistics API, sections 8.3 to
    /// 8.8, 8.12 and 8.13).
    pub fn new(stats: &[Value], at_ms: f64) -> Self {
        let mut sample = Self { at_ms, path: CallPath::of_stats(stats), ..Self::default() };
        for entry in stats {
            match entry["type"].as_str() {
                Some("inbound-rtp") => {
                    sample.received.add(entry, "bytesReceived", "framesDecoded");
                    sample.received.packets += number(entry, "packetsReceived");
                    // Negative after duplicated packets.
                    sample.received.lost += number(entry, "packetsLost");
                }
                Some("outbound-rtp") => sample.sent.add(entry, "bytesSent", "framesEncoded"),
                Some("remote-inbound-rtp") => {
                    sample.sent_loss = max(sample.sent_loss, entry["fractionLost"].as_f64());
                    sample.round_trip_ms = sample.round_trip_ms.or(milliseconds(&entry["roundTripTime"]));
                }
                _ => {}
            }
        }
        let of_pair = selected_pair(stats).and_then(|pair| milliseconds(&pair["currentRoundTripTime"]));
        sample.round_trip_ms = of_pair.or(sample.round_trip_ms);
        sample
    }

    /// Statistics of the time since an earlier sample.
    pub fn since(&self, before: &Self) -> CallStats {
        let seconds = ((self.at_ms - before.at_ms) / 1000.0).max(0.001);
        let mut sent = self.sent.since(&before.sent, seconds);
        sent.loss = self.sent_loss;
        CallStats {
            received: self.received.since(&before.received, seconds),
            sent,
            round_trip_ms: self.round_trip_ms,
            path: self.path,
        }
    }
}

impl DirectionTotals {
    fn add(&mut self, entry: &Value, bytes: &str, frames: &str) {
        self.bytes += number(entry, bytes);
        self.frames += number(entry, frames);
        if let (Some(width), Some(height)) = (entry["frameWidth"].as_f64(), entry["frameHeight"].as_f64())
            && width > 0.0
        {
            self.size = Some((width as u32, height as u32));
        }
    }

    fn since(&self, before: &Self, seconds: f64) -> DirectionStats {
        let frames = (self.frames - before.frames).max(0.0);
        let lost = (self.lost - before.lost).max(0.0);
        let expected = (self.packets - before.packets).max(0.0) + lost;
        DirectionStats {
            // `frameWidth` keeps its last value after the video has stopped.
            size: self.size.filter(|_| frames > 0.0),
            frames_per_second: frames / seconds,
            bits_per_second: (self.bytes - before.bytes).max(0.0) * 8.0 / seconds,
            loss: (expected > 0.0).then(|| lost / expected),
        }
    }
}

fn number(entry: &Value, name: &str) -> f64 {
    entry[name].as_f64().unwrap_or_default()
}

fn milliseconds(seconds: &Value) -> Option<f64> {
    seconds.as_f64().filter(|&seconds| seconds > 0.0).map(|seconds| seconds * 1000.0)
}

fn max(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rtc_stats(step: u32) -> Vec<Value> {
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
    fn rates_cover_the_time_between_two_samples() {
        let stats = StatsSample::new(&rtc_stats(3), 5_000.0).since(&StatsSample::new(&rtc_stats(2), 3_000.0));
        let received = DirectionStats {
            size: Some((1280, 720)),
            frames_per_second: 30.0,
            bits_per_second: 500_000.0,
            loss: Some(0.05),
        };
        assert_eq!(stats.received, received);
        assert_eq!(
            stats.sent,
            DirectionStats { bits_per_second: 10_000.0, loss: Some(0.02), ..DirectionStats::default() }
        );
        assert_eq!(stats.round_trip_ms, Some(25.0));
    }

    #[test]
    fn video_that_stopped_has_no_size() {
        let now = StatsSample::new(&rtc_stats(2), 5_000.0);
        let stats = now.since(&StatsSample { at_ms: 3_000.0, ..now });
        assert_eq!((stats.received.size, stats.received.loss), (None, None));
    }

    #[test]
    fn empty_stats_give_no_values() {
        let stats = StatsSample::new(&[json!({}), json!(null)], 0.0).since(&StatsSample::new(&[], 0.0));
        assert_eq!((stats.received, stats.round_trip_ms), (DirectionStats::default(), None));
    }

    #[test]
    fn without_a_selected_pair_the_receiver_report_gives_the_round_trip_time() {
        let stats = &rtc_stats(1)[1..];
        assert_eq!(StatsSample::new(stats, 0.0).round_trip_ms, Some(30.0));
    }
}
