//! Metrics of the native benchmark, with targets relative to Chromium, and their comparison as a table.

use std::{collections::BTreeMap, fmt::Write as _};

use hutong_e2e::statistics::min_median_max;
use serde::Serialize;

/// One metric of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// CPUs used by one side.
    Processors,
    /// CPUs used by one side before the call: drawing the video clock, which nobody receives yet.
    IdleProcessors,
    /// CPUs used by one side's X server.
    XServerProcessors,
    /// Memory of one side, in MiB (PSS).
    Memory,
    /// Time from the click on call to the caller's first frame, in ms, with an automatic answer. Both sides' first
    /// call.
    FirstCallToVideo,
    /// The same for later calls.
    LaterCallToVideo,
    /// Time from the click on accept to the called side's first frame, in ms. Both sides' first call.
    FirstAcceptToVideo,
    /// The same for later calls.
    LaterAcceptToVideo,
    /// Age of a frame when it is presented, in ms: median.
    VideoAge,
    /// Age of a frame when it is presented, in ms: 95th percentile.
    VideoAge95,
    /// Presented frames a second.
    FrameRate,
    /// Height of the received video, in pixels.
    VideoHeight,
    /// Media sent by one side, in kbit/s.
    SentBitRate,
    /// Target bit rate of one side's video encoder, in kbit/s.
    TargetBitRate,
}

/// Target of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricTarget {
    /// At most this multiple of Chromium's value.
    MaxRatio(f64),
    /// At most this much more than Chromium's value.
    MaxExcess(f64),
    /// No target: reported to put the others into context.
    Informational,
}

impl Metric {
    /// Label in the table.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Processors => "CPUs used",
            Self::IdleProcessors => "CPUs used before the call",
            Self::XServerProcessors => "CPUs used by the X server (not counted above)",
            Self::Memory => "memory, MiB",
            Self::FirstCallToVideo => "call to first frame, first call, ms",
            Self::LaterCallToVideo => "call to first frame, later calls, ms",
            Self::FirstAcceptToVideo => "accept to first frame, first call, ms",
            Self::LaterAcceptToVideo => "accept to first frame, later calls, ms",
            Self::VideoAge => "frame age, median, ms",
            Self::VideoAge95 => "frame age, 95th percentile, ms",
            Self::FrameRate => "frames a second",
            Self::VideoHeight => "video height, pixels",
            Self::SentBitRate => "sent, kbit/s",
            Self::TargetBitRate => "encoder target, kbit/s",
        }
    }

    /// Its target.
    #[must_use]
    pub const fn target(self) -> MetricTarget {
        match self {
            Self::Processors | Self::VideoAge | Self::VideoAge95 => MetricTarget::MaxRatio(1.5),
            Self::FirstCallToVideo | Self::LaterCallToVideo | Self::FirstAcceptToVideo | Self::LaterAcceptToVideo => {
                MetricTarget::MaxExcess(500.0)
            }
            Self::IdleProcessors | Self::XServerProcessors | Self::Memory => MetricTarget::Informational,
            Self::FrameRate | Self::VideoHeight | Self::SentBitRate | Self::TargetBitRate => {
                MetricTarget::Informational
            }
        }
    }
}

/// Values of one run, without those that could not be measured.
pub type MetricValues = BTreeMap<Metric, f64>;

/// A metric over all pairs of runs; arrays are minimum, median and maximum.
#[derive(Clone, Debug, Serialize)]
pub struct MetricComparison {
    /// The metric.
    pub metric: Metric,
    /// The app's values.
    pub app: Option<[f64; 3]>,
    /// Chromium's values.
    pub chromium: Option<[f64; 3]>,
    /// Ratio of the app's value to Chromium's, pair by pair.
    pub ratio: Option<[f64; 3]>,
    /// Difference of the app's value and Chromium's, pair by pair.
    pub excess: Option<[f64; 3]>,
    /// Whether the median meets the target; `None` without a target.
    pub is_met: Option<bool>,
}

/// Compares pairs of runs, each the app's and Chromium's.
#[must_use]
pub fn compare(pairs: &[[MetricValues; 2]]) -> Vec<MetricComparison> {
    let mut metrics: Vec<Metric> = pairs.iter().flatten().flat_map(|run| run.keys().copied()).collect();
    metrics.sort();
    metrics.dedup();
    metrics.into_iter().map(|metric| compare_metric(metric, pairs)).collect()
}

fn compare_metric(metric: Metric, pairs: &[[MetricValues; 2]]) -> MetricComparison {
    let of = |side: usize| pairs.iter().filter_map(|pair| pair[side].get(&metric).copied()).collect::<Vec<f64>>();
    let both = || pairs.iter().filter_map(|[app, other]| Some((*app.get(&metric)?, *other.get(&metric)?)));
    let ratio = range(&both().filter(|(_, other)| *other > 0.0).map(|(app, other)| app / other).collect::<Vec<_>>());
    let excess = range(&both().map(|(app, other)| app - other).collect::<Vec<_>>());
    let is_within = |range: Option<[f64; 3]>, limit: f64| range.map(|[_, median, _]| median <= limit);
    let is_met = match metric.target() {
        MetricTarget::MaxRatio(limit) => is_within(ratio, limit),
        MetricTarget::MaxExcess(limit) => is_within(excess, limit),
        MetricTarget::Informational => None,
    };
    MetricComparison { metric, app: range(&of(0)), chromium: range(&of(1)), ratio, excess, is_met }
}

fn range(values: &[f64]) -> Option<[f64; 3]> {
    min_median_max(values).map(|(min, median, max)| [min, median, max])
}

/// The comparison as a Markdown table.
#[must_use]
pub fn table(all: &[MetricComparison]) -> String {
    let mut text = String::from("| | app | Chromium | app to Chromium | target |\n| --- | --- | --- | --- | --- |\n");
    for comparison in all {
        let digits =
            if matches!(comparison.metric, Metric::Processors | Metric::IdleProcessors | Metric::XServerProcessors) {
                2
            } else {
                0
            };
        let relation = match comparison.metric.target() {
            MetricTarget::MaxExcess(_) => format_range(comparison.excess, 0, "+"),
            MetricTarget::MaxRatio(_) | MetricTarget::Informational => format_range(comparison.ratio, 2, "x "),
        };
        let target = match comparison.metric.target() {
            MetricTarget::MaxRatio(limit) => format!("x {limit}"),
            MetricTarget::MaxExcess(limit) => format!("+{limit}"),
            MetricTarget::Informational => String::new(),
        };
        let verdict = match comparison.is_met {
            Some(true) => format!("{target}: met"),
            Some(false) => format!("{target}: not met"),
            None => target,
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {relation} | {verdict} |",
            comparison.metric.label(),
            format_range(comparison.app, digits, ""),
            format_range(comparison.chromium, digits, "")
        );
    }
    text
}

/// The median, with minimum and maximum where they differ.
fn format_range(range: Option<[f64; 3]>, digits: usize, before: &str) -> String {
    let Some([min, median, max]) = range else { return "-".to_owned() };
    let sign = if median < 0.0 && before == "+" { "" } else { before };
    let range = [min, max].map(|value| format!("{value:.digits$}"));
    if range[0] == range[1] {
        return format!("{sign}{median:.digits$}");
    }
    format!("{sign}{median:.digits$} ({} to {})", range[0], range[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(metric: Metric, values: [[f64; 2]; 3]) -> Vec<[MetricValues; 2]> {
        values.iter().map(|pair| pair.map(|value| MetricValues::from([(metric, value)]))).collect()
    }

    #[test]
    fn ratios_are_computed_within_each_pair() {
        // The machine got slower from pair to pair, and both runs of a pair with it.
        let all = compare(&pairs(Metric::Processors, [[0.3, 0.2], [0.6, 0.4], [1.6, 0.8]]));
        assert_eq!(all.len(), 1);
        let ratio = all[0].ratio.unwrap();
        assert!((ratio[1] - 1.5).abs() < 1e-9 && (ratio[2] - 2.0).abs() < 1e-9, "{ratio:?}");
        assert_eq!(all[0].is_met, Some(true));
    }

    #[test]
    fn values_above_the_target_are_not_met() {
        let slow = compare(&pairs(Metric::VideoAge, [[160.0, 100.0], [170.0, 100.0], [100.0, 100.0]]));
        assert_eq!(slow[0].is_met, Some(false));
        let late = compare(&pairs(Metric::FirstCallToVideo, [[900.0, 300.0], [950.0, 300.0], [950.0, 300.0]]));
        assert_eq!(late[0].is_met, Some(false));
        let fine = compare(&pairs(Metric::FirstCallToVideo, [[700.0, 300.0], [750.0, 300.0], [950.0, 300.0]]));
        assert_eq!(fine[0].is_met, Some(true));
    }

    #[test]
    fn the_table_shows_a_dash_for_unmeasured_values() {
        let mut all = pairs(Metric::TargetBitRate, [[800.0, 0.0]; 3]);
        for pair in &mut all {
            pair[1].clear();
        }
        let text = table(&compare(&all));
        assert!(text.contains("| encoder target, kbit/s | 800 | - | - |"), "{text}");
    }
}
