//! Plots as SVG, by hand: two kinds on logarithmic axes need no library, and none has colours that follow the reader's theme.

use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 44.0;

/// Colours that keep their distance from white and from black, and from each other for most who do not tell red from green.
const COLOURS: [&str; 6] = ["#2f81f7", "#d9822b", "#8957e5", "#2da44e", "#cf4f7a", "#7d8590"];

/// The text follows the theme; the ground is the page's own.
const STYLE: &str = "<style>text{font:13px system-ui,sans-serif;fill:#24292f}.t{font-size:15px;font-weight:600}\
.g{stroke:#8c959f;stroke-opacity:.35}.a{text-anchor:middle}.e{text-anchor:end}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}}</style>";

/// A line: its name and its points.
#[derive(Clone, Debug)]
pub struct Line {
    /// In the legend.
    pub name: String,
    /// Both above zero.
    pub points: Vec<(f64, f64)>,
}

/// A plot of lines, both axes logarithmic.
#[derive(Clone, Debug)]
pub struct Lines {
    /// Above it.
    pub title: String,
    /// Under the horizontal axis.
    pub horizontal: String,
    /// Beside the vertical one.
    pub vertical: String,
    /// What is to be reached, as a level of the vertical axis.
    pub goal: Option<(f64, String)>,
    /// The lines.
    pub lines: Vec<Line>,
}

/// A plot of bars in groups, the axis logarithmic.
#[derive(Clone, Debug)]
pub struct Bars {
    /// Above it.
    pub title: String,
    /// The unit.
    pub unit: String,
    /// What is to be reached.
    pub goal: Option<(f64, String)>,
    /// A name, and its bars with what stands beside each.
    pub groups: Vec<(String, Vec<(String, f64)>)>,
}

impl Lines {
    /// The picture; none without a point.
    #[must_use]
    pub fn svg(&self) -> Option<String> {
        const HEIGHT: f64 = 300.0;
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let across = Axis::over(points().map(|point| point.0), LEFT, WIDTH - RIGHT)?;
        let goal = self.goal.iter().map(|goal| goal.0);
        let up = Axis::over(points().map(|point| point.1).chain(goal), TOP + HEIGHT, TOP)?;
        let legend = TOP + HEIGHT + 52.0;
        let rows = self.lines.len().div_ceil(2);
        let mut svg = open(&self.title, legend + 20.0 * rows as f64);
        for tick in across.ticks() {
            let x = across.at(tick);
            line(&mut svg, (x, TOP), (x, TOP + HEIGHT), "g");
            text(&mut svg, (x, TOP + HEIGHT + 18.0), "a", &short(tick));
        }
        for tick in up.ticks() {
            let y = up.at(tick);
            line(&mut svg, (LEFT, y), (WIDTH - RIGHT, y), "g");
            text(&mut svg, (LEFT - 8.0, y + 4.0), "e", &short(tick));
        }
        text(&mut svg, ((LEFT + WIDTH - RIGHT) / 2.0, TOP + HEIGHT + 36.0), "a", &self.horizontal);
        text(&mut svg, (LEFT, TOP - 8.0), "", &self.vertical);
        if let Some((level, words)) = &self.goal {
            let y = up.at(*level);
            dashed(&mut svg, (LEFT, y), (WIDTH - RIGHT, y));
            text(&mut svg, (WIDTH - RIGHT - 4.0, y - 5.0), "e", words);
        }
        for (place, line) in self.lines.iter().enumerate() {
            let colour = COLOURS[place % COLOURS.len()];
            let at = |point: &(f64, f64)| format!("{:.1},{:.1}", across.at(point.0), up.at(point.1));
            let path = line.points.iter().map(at).collect::<Vec<_>>().join(" ");
            let _ = write!(svg, r#"<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>"#);
            for point in &line.points {
                let (x, y) = (across.at(point.0), up.at(point.1));
                let _ = write!(svg, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3.5" fill="{colour}"/>"#);
            }
            let (x, y) = (LEFT + (place % 2) as f64 * 340.0, legend + (place / 2) as f64 * 20.0);
            let _ = write!(svg, r#"<rect x="{x}" y="{}" width="14" height="4" fill="{colour}"/>"#, y - 6.0);
            text(&mut svg, (x + 22.0, y), "", &line.name);
        }
        Some(svg + "</svg>\n")
    }
}

impl Bars {
    /// The picture; none without a bar.
    #[must_use]
    pub fn svg(&self) -> Option<String> {
        const NAMES: f64 = 210.0;
        const BAR: f64 = 17.0;
        const BETWEEN: f64 = 9.0;
        let bars = || self.groups.iter().flat_map(|(_, bars)| bars);
        let goal = self.goal.iter().map(|goal| goal.0);
        let across = Axis::over(bars().map(|bar| bar.1).chain(goal), NAMES, WIDTH - 150.0)?;
        let height = bars().count() as f64 * BAR + self.groups.len() as f64 * BETWEEN;
        let mut svg = open(&self.title, TOP + height + 42.0);
        for tick in across.ticks() {
            let x = across.at(tick);
            line(&mut svg, (x, TOP), (x, TOP + height), "g");
            text(&mut svg, (x, TOP + height + 18.0), "a", &short(tick));
        }
        text(&mut svg, (NAMES, TOP + height + 36.0), "", &self.unit);
        let mut y = TOP;
        for (place, (name, bars)) in self.groups.iter().enumerate() {
            text(&mut svg, (NAMES - 8.0, y + BAR * bars.len() as f64 / 2.0 + 4.0), "e", name);
            for (label, value) in bars {
                let colour = COLOURS[place % COLOURS.len()];
                let width = (across.at(*value) - NAMES).max(1.0);
                let height = BAR - 3.0;
                let _ = write!(
                    svg,
                    r#"<rect x="{NAMES}" y="{y:.1}" width="{width:.1}" height="{height}" fill="{colour}"/>"#
                );
                text(&mut svg, (NAMES + width + 6.0, y + BAR - 5.0), "", label);
                y += BAR;
            }
            y += BETWEEN;
        }
        if let Some((level, words)) = &self.goal {
            let x = across.at(*level);
            dashed(&mut svg, (x, TOP), (x, TOP + height));
            text(&mut svg, (x, TOP - 6.0), "a", words);
        }
        Some(svg + "</svg>\n")
    }
}

/// A logarithmic axis from power of ten to power of ten.
#[derive(Clone, Copy, Debug)]
struct Axis {
    least: i32,
    greatest: i32,
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Option<Self> {
        let (mut least, mut greatest) = (f64::INFINITY, 0.0_f64);
        for value in values.filter(|value| *value > 0.0) {
            least = least.min(value);
            greatest = greatest.max(value);
        }
        if greatest <= 0.0 {
            return None;
        }
        let (least, greatest) = (least.log10().floor() as i32, greatest.log10().ceil() as i32);
        Some(Self { least, greatest: greatest.max(least + 1), from, to })
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value.max(1e-9).log10() - f64::from(self.least)) / f64::from(self.greatest - self.least);
        self.from + share.clamp(0.0, 1.0) * (self.to - self.from)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> + use<> {
        (self.least..=self.greatest).map(|power| 10_f64.powi(power))
    }
}

fn open(title: &str, height: f64) -> String {
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0}" role="img" aria-label="{}">{STYLE}"#,
        escaped(title)
    );
    text(&mut svg, (LEFT, 18.0), "t", title);
    svg
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), class: &str) {
    let _ = write!(
        svg,
        r#"<line class="{class}" x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}"/>"#,
        from.0, from.1, to.0, to.1
    );
}

fn dashed(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let _ = write!(
        svg,
        r##"<line stroke="#cf222e" stroke-dasharray="6 4" x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}"/>"##,
        from.0, from.1, to.0, to.1
    );
}

fn text(svg: &mut String, at: (f64, f64), class: &str, words: &str) {
    let _ = write!(svg, r#"<text class="{class}" x="{:.1}" y="{:.1}">{}</text>"#, at.0, at.1, escaped(words));
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// 1000 as 1k.
fn short(value: f64) -> String {
    if value >= 1e6 {
        format!("{}M", value / 1e6)
    } else if value >= 1e3 {
        format!("{}k", value / 1e3)
    } else {
        format!("{value}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_is_drawn_within_the_picture() {
        let lines = Lines {
            title: "a < b".into(),
            horizontal: String::new(),
            vertical: String::new(),
            goal: Some((5.0, "goal".into())),
            lines: vec![Line { name: "one".into(), points: vec![(10.0, 0.02), (20_000.0, 900.0)] }],
        };
        let svg = lines.svg().unwrap();
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && svg.contains("a &lt; b"));
        assert_eq!(svg.matches("<circle").count(), 2);
        for place in svg.split("cx=\"").skip(1) {
            let x: f64 = place.split('"').next().unwrap().parse().unwrap();
            assert!((LEFT..=WIDTH - RIGHT).contains(&x), "{x}");
        }
    }

    #[test]
    fn bars_are_as_long_as_their_logarithms() {
        let axis = Axis::over([1.0, 1_000.0].into_iter(), 0.0, 300.0).unwrap();
        assert_eq!([1.0, 10.0, 100.0, 1_000.0].map(|value| axis.at(value).round()), [0.0, 100.0, 200.0, 300.0]);
        assert_eq!(axis.ticks().map(short).collect::<Vec<_>>(), ["1", "10", "100", "1k"]);
    }

    #[test]
    fn there_is_no_plot_of_nothing() {
        let bars = Bars { title: String::new(), unit: String::new(), goal: None, groups: Vec::new() };
        assert!(bars.svg().is_none());
    }
}
