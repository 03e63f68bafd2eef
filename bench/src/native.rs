//! The app with its native peer beside Chromium.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use clap::Args;
use hutong_e2e::{Context, Result, ensure};
use serde_json::json;

use crate::{
    binary::Passage,
    clock::{Camera, Drawing},
    figures::{Figures, compare, table},
    run::{Extra, Outcome, Pair, Scene, Size, Times, run},
};

/// How much is measured.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// How often the app calling Chromium and Chromium calling Chromium are measured in turn, with a clock as their cameras' picture
    #[arg(long, default_value_t = 3)]
    pairs: usize,
    /// How often two apps are, in turn with two Chromiums
    #[arg(long, default_value_t = 1)]
    app_pairs: usize,
    /// How often two apps are, with each browser's own fake camera
    #[arg(long, default_value_t = 1)]
    fake_pairs: usize,
    /// Seconds of each call before anything is measured
    #[arg(long, default_value_t = 10)]
    settle: u64,
    /// Seconds for which processor time is measured
    #[arg(long, default_value_t = 20)]
    load: u64,
    /// Seconds for which the clock is read
    #[arg(long, default_value_t = 10)]
    read: u64,
    /// Further calls in each run, for the wait for the first picture
    #[arg(long, default_value_t = 4)]
    calls: usize,
    /// How large the windows are: drawing a small one costs little, also where there is no GPU. The app's is 360x560 at least
    #[arg(long, value_name = "SIZE", default_value = "1100x760")]
    window: Size,
    /// Has the app not draw the call's pictures while its processor time is measured, and Chromium draw them: what is left is all but
    /// drawing
    #[arg(long)]
    undrawn: bool,
    /// Writes everything there as well, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// For what a page uses without a call.
const BEFORE: Duration = Duration::from_secs(5);

/// The busiest threads that are told.
const THREADS: usize = 12;

impl Options {
    fn times(&self) -> Times {
        Times {
            before: BEFORE,
            settle: Duration::from_secs(self.settle),
            load: Duration::from_secs(self.load),
            read: Duration::from_secs(self.read),
            calls: self.calls,
        }
    }
}

/// Runs of two kinds in turn, whose figures are compared.
struct Series {
    key: &'static str,
    title: &'static str,
    pair: Pair,
    camera: Camera,
    count: usize,
}

/// Measures, and prints what was found.
///
/// # Errors
///
/// When something does not run, or cannot be measured.
pub async fn measure(options: &Options) -> Result<()> {
    let all = [
        Series {
            key: "clock",
            title: "The app calls Chromium, a clock in the picture",
            pair: Pair::AppAndChromium,
            camera: Camera::Clock,
            count: options.pairs,
        },
        Series {
            key: "apps",
            title: "The app calls the app, a clock in the picture",
            pair: Pair::Apps,
            camera: Camera::Clock,
            count: options.app_pairs,
        },
        Series {
            key: "fake",
            title: "The app calls the app, with the fake cameras, which differ",
            pair: Pair::Apps,
            camera: Camera::Fake,
            count: options.fake_pairs,
        },
    ];
    ensure!(all.iter().any(|series| series.count > 0), "nothing to measure");
    let mut json = serde_json::Map::new();
    let mut passages = Vec::new();
    for series in all.iter().filter(|series| series.count > 0) {
        let runs = series.run(options, &mut passages).await?;
        json.insert(series.key.to_owned(), series.report(options, &runs));
    }
    println!("Between page and core\n\n| KiB | at once | a second | MiB/s | median, ms | 99 %, ms |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for passage in &passages {
        println!("{passage}");
    }
    json.insert("passages".to_owned(), json!(passages));
    if let Some(file) = &options.json {
        fs::write(file, serde_json::to_string_pretty(&json)?).with_context(|| file.display().to_string())?;
    } else {
        println!("\n{}", serde_json::Value::from(json));
    }
    Ok(())
}

impl Series {
    /// Pairs of runs: the app's and Chromium's. The first run of an app measures the passages, too.
    async fn run(&self, options: &Options, passages: &mut Vec<Passage>) -> Result<Vec<[Outcome; 2]>> {
        let drawing = if options.undrawn { Drawing::Off } else { Drawing::On };
        let scene = Scene { camera: self.camera, window: options.window, drawing };
        let mut all = Vec::new();
        for count in 0..self.count {
            // Neither is always the first, on a machine that warms up.
            let is_app_first = count % 2 == 0;
            let earlier =
                if is_app_first { None } else { Some(self.once(options, Pair::Chromiums, scene, false).await?) };
            let mut app = self.once(options, self.pair, scene, passages.is_empty()).await?;
            let chromium = match earlier {
                Some(outcome) => outcome,
                None => self.once(options, Pair::Chromiums, scene, false).await?,
            };
            passages.append(&mut app.passages);
            all.push([app, chromium]);
        }
        Ok(all)
    }

    async fn once(&self, options: &Options, who: Pair, scene: Scene, with_passages: bool) -> Result<Outcome> {
        let extra = if with_passages { Extra::Passages } else { Extra::Nothing };
        let outcome = run(who, scene, options.times(), extra).await.with_context(|| format!("{who:?}"))?;
        eprintln!("{who:?}: {}; {:.2?}", outcome.pressure, outcome.figures);
        if let Some(problem) = &outcome.problem {
            println!("{who:?}: a later call failed: {problem}");
        }
        Ok(outcome)
    }

    /// Prints what was found, and gives it for machines.
    fn report(&self, options: &Options, runs: &[[Outcome; 2]]) -> serde_json::Value {
        let figures: Vec<[Figures; 2]> =
            runs.iter().map(|pair| [&pair[0], &pair[1]].map(|it| it.figures.clone())).collect();
        let compared = compare(&figures);
        let apart =
            if options.undrawn { "; the app's pictures not drawn while its processors are measured" } else { "" };
        println!(
            "\n{}{apart}; {} times each, in turn: median (least to greatest)\n\n{}",
            self.title,
            self.count,
            table(&compared)
        );
        for (place, who) in ["The app", "Chromium"].into_iter().enumerate() {
            println!("{who}'s threads, processors used: {}\n", busiest(runs.iter().map(|pair| &pair[place].threads)));
        }
        let runs = runs.iter().map(|[app, chromium]| json!({ "app": app, "chromium": chromium }));
        json!({ "undrawn": options.undrawn, "compared": compared, "runs": runs.collect::<Vec<_>>() })
    }
}

/// The means over all runs, the largest first.
fn busiest<'a>(runs: impl Iterator<Item = &'a BTreeMap<String, f64>>) -> String {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    let mut count = 0.0;
    for run in runs {
        count += 1.0;
        for (name, cores) in run {
            *sums.entry(name).or_default() += cores;
        }
    }
    let mut means: Vec<(&str, f64)> = sums.into_iter().map(|(name, sum)| (name, sum / count)).collect();
    means.sort_by(|one, other| other.1.total_cmp(&one.1));
    let shown = means.iter().take(THREADS).map(|(name, cores)| format!("{name} {cores:.3}"));
    shown.collect::<Vec<_>>().join(", ")
}
