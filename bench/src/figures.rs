//! What is measured, and how it is told: each figure of the app with its relation to the browser's.

use std::{collections::BTreeMap, fmt::Write as _};

use hutong_e2e::media::spread;
use serde::Serialize;

/// Something measured in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Processors that one side uses.
    Processors,
    /// The same before the call: with the clock, what drawing it costs, though nobody looks at it yet.
    Before,
    /// Processors that the X server of one side uses.
    Screen,
    /// Memory of one side, in MiB (PSS).
    Memory,
    /// From the click on call to the caller's first picture, in ms; the call is taken at once. The first call of both.
    CallFirst,
    /// The same of later calls.
    CallLater,
    /// From the click on accept to the called side's first picture, in ms. The first call of both.
    AcceptFirst,
    /// The same of later calls.
    AcceptLater,
    /// How old the picture is when it is shown, in ms: the median.
    Latency,
    /// The same: 19 of 20 pictures are not older.
    Latency95,
    /// Pictures shown in a second.
    Rate,
    /// The height of the picture, in pixels.
    Lines,
    /// What one side sends, in kbit/s.
    Sent,
    /// What its encoder is to make, in kbit/s.
    Target,
}

/// What is to be reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// At most so many times the browser's.
    Times(f64),
    /// At most so much more than the browser's.
    More(f64),
    /// Nothing: told so that the others can be judged.
    Nothing,
}

impl Figure {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Processors => "processors used",
            Self::Before => "processors used before the call",
            Self::Screen => "processors used by the X server (not counted above)",
            Self::Memory => "memory, MiB",
            Self::CallFirst => "call to first picture, first call, ms",
            Self::CallLater => "call to first picture, later calls, ms",
            Self::AcceptFirst => "accept to first picture, first call, ms",
            Self::AcceptLater => "accept to first picture, later calls, ms",
            Self::Latency => "age of the picture, median, ms",
            Self::Latency95 => "age of the picture, 95 %, ms",
            Self::Rate => "pictures a second",
            Self::Lines => "lines of the picture",
            Self::Sent => "sent, kbit/s",
            Self::Target => "target of the encoder, kbit/s",
        }
    }

    /// What is to be reached of it.
    #[must_use]
    pub const fn goal(self) -> Goal {
        match self {
            Self::Processors | Self::Latency | Self::Latency95 => Goal::Times(1.5),
            Self::CallFirst | Self::CallLater | Self::AcceptFirst | Self::AcceptLater => Goal::More(500.0),
            Self::Before | Self::Screen | Self::Memory => Goal::Nothing,
            Self::Rate | Self::Lines | Self::Sent | Self::Target => Goal::Nothing,
        }
    }
}

/// The figures of one run. What could not be measured is not there.
pub type Figures = BTreeMap<Figure, f64>;

/// A figure over all pairs of runs: least, median and greatest.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// Which.
    pub figure: Figure,
    /// The app's.
    pub app: Option<[f64; 3]>,
    /// Chromium's.
    pub chromium: Option<[f64; 3]>,
    /// The app's to Chromium's, pair by pair.
    pub times: Option<[f64; 3]>,
    /// What the app's is more than Chromium's, pair by pair.
    pub more: Option<[f64; 3]>,
    /// Whether the median reaches what is to be reached; none where nothing is.
    pub reached: Option<bool>,
}

/// Compares pairs of runs: the app's and Chromium's.
#[must_use]
pub fn compare(pairs: &[[Figures; 2]]) -> Vec<Compared> {
    let mut figures: Vec<Figure> = pairs.iter().flatten().flat_map(|run| run.keys().copied()).collect();
    figures.sort();
    figures.dedup();
    figures.into_iter().map(|figure| compared(figure, pairs)).collect()
}

fn compared(figure: Figure, pairs: &[[Figures; 2]]) -> Compared {
    let of = |side: usize| pairs.iter().filter_map(|pair| pair[side].get(&figure).copied()).collect::<Vec<f64>>();
    let both = || pairs.iter().filter_map(|[app, other]| Some((*app.get(&figure)?, *other.get(&figure)?)));
    let times = bounds(&both().filter(|(_, other)| *other > 0.0).map(|(app, other)| app / other).collect::<Vec<_>>());
    let more = bounds(&both().map(|(app, other)| app - other).collect::<Vec<_>>());
    let within = |bounds: Option<[f64; 3]>, limit: f64| bounds.map(|[_, median, _]| median <= limit);
    let reached = match figure.goal() {
        Goal::Times(limit) => within(times, limit),
        Goal::More(limit) => within(more, limit),
        Goal::Nothing => None,
    };
    Compared { figure, app: bounds(&of(0)), chromium: bounds(&of(1)), times, more, reached }
}

fn bounds(values: &[f64]) -> Option<[f64; 3]> {
    spread(values).map(|(least, median, greatest)| [least, median, greatest])
}

/// As a table for people.
#[must_use]
pub fn table(all: &[Compared]) -> String {
    let mut text = String::from("| | app | Chromium | app to Chromium | to reach |\n| --- | --- | --- | --- | --- |\n");
    for one in all {
        let digits = if matches!(one.figure, Figure::Processors | Figure::Before | Figure::Screen) { 2 } else { 0 };
        let relation = match one.figure.goal() {
            Goal::More(_) => shown(one.more, 0, "+"),
            Goal::Times(_) | Goal::Nothing => shown(one.times, 2, "x "),
        };
        let goal = match one.figure.goal() {
            Goal::Times(limit) => format!("x {limit}"),
            Goal::More(limit) => format!("+{limit}"),
            Goal::Nothing => String::new(),
        };
        let verdict = match one.reached {
            Some(true) => format!("{goal}: reached"),
            Some(false) => format!("{goal}: not reached"),
            None => goal,
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {relation} | {verdict} |",
            one.figure.words(),
            shown(one.app, digits, ""),
            shown(one.chromium, digits, "")
        );
    }
    text
}

/// The median, with the least and the greatest where they differ.
fn shown(bounds: Option<[f64; 3]>, digits: usize, before: &str) -> String {
    let Some([least, median, greatest]) = bounds else { return "-".to_owned() };
    let sign = if median < 0.0 && before == "+" { "" } else { before };
    let range = [least, greatest].map(|value| format!("{value:.digits$}"));
    if range[0] == range[1] {
        return format!("{sign}{median:.digits$}");
    }
    format!("{sign}{median:.digits$} ({} to {})", range[0], range[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(figure: Figure, values: [[f64; 2]; 3]) -> Vec<[Figures; 2]> {
        values.iter().map(|pair| pair.map(|value| Figures::from([(figure, value)]))).collect()
    }

    #[test]
    fn relations_are_those_within_a_pair() {
        // The machine got slower from pair to pair, and both with it.
        let all = compare(&pairs(Figure::Processors, [[0.3, 0.2], [0.6, 0.4], [1.6, 0.8]]));
        assert_eq!(all.len(), 1);
        let times = all[0].times.unwrap();
        assert!((times[1] - 1.5).abs() < 1e-9 && (times[2] - 2.0).abs() < 1e-9, "{times:?}");
        assert_eq!(all[0].reached, Some(true));
    }

    #[test]
    fn what_is_too_much_is_not_reached() {
        let slow = compare(&pairs(Figure::Latency, [[160.0, 100.0], [170.0, 100.0], [100.0, 100.0]]));
        assert_eq!(slow[0].reached, Some(false));
        let late = compare(&pairs(Figure::CallFirst, [[900.0, 300.0], [950.0, 300.0], [950.0, 300.0]]));
        assert_eq!(late[0].reached, Some(false));
        let fine = compare(&pairs(Figure::CallFirst, [[700.0, 300.0], [750.0, 300.0], [950.0, 300.0]]));
        assert_eq!(fine[0].reached, Some(true));
    }

    #[test]
    fn the_table_tells_what_was_not_measured() {
        let mut all = pairs(Figure::Target, [[800.0, 0.0]; 3]);
        for pair in &mut all {
            pair[1].clear();
        }
        let text = table(&compare(&all));
        assert!(text.contains("| target of the encoder, kbit/s | 800 | - | - |"), "{text}");
    }
}
