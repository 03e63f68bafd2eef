//! The app with its native peer beside Chromium.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use clap::Args;
use hutong_e2e::{Context, Result, ensure};
use serde_json::json;

use crate::{
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

/// Measures, and prints what was found.
///
/// # Errors
///
/// When something does not run, or cannot be measured.
pub async fn measure(options: &Options) -> Result<()> {
    ensure!(options.pairs + options.app_pairs + options.fake_pairs > 0, "nothing to measure");
    let times = Times {
        before: BEFORE,
        settle: Duration::from_secs(options.settle),
        load: Duration::from_secs(options.load),
        read: Duration::from_secs(options.read),
        calls: options.calls,
    };
    let mut told = serde_json::Map::new();
    let mut passages = Vec::new();
    for (key, with_app, camera, pairs, title) in [
        ("clock", Pair::AppAndChromium, Camera::Clock, options.pairs, "The app calls Chromium, a clock in the picture"),
        ("apps", Pair::Apps, Camera::Clock, options.app_pairs, "The app calls the app, a clock in the picture"),
        (
            "fake",
            Pair::Apps,
            Camera::Fake,
            options.fake_pairs,
            "The app calls the app, with the fake cameras, which differ",
        ),
    ] {
        let (drawing, apart) = if options.undrawn {
            (Drawing::Off, "; the app's pictures not drawn while its processors are measured")
        } else {
            (Drawing::On, "")
        };
        let scene = Scene { camera, window: options.window, drawing };
        let mut all = Vec::new();
        for pair in 0..pairs {
            let extra = if passages.is_empty() { Extra::Passages } else { Extra::Nothing };
            let mut runs = Vec::new();
            // Neither is always the first, on a machine that warms up.
            let order = if pair % 2 == 0 { [with_app, Pair::Chromiums] } else { [Pair::Chromiums, with_app] };
            for who in order {
                let extra = if who == with_app { extra } else { Extra::Nothing };
                let outcome = run(who, scene, times, extra).await.with_context(|| format!("{who:?}"))?;
                eprintln!("{who:?}: {}; {:.2?}", outcome.pressure, outcome.figures);
                if let Some(problem) = &outcome.problem {
                    println!("{who:?}: a later call failed: {problem}");
                }
                runs.push((who, outcome));
            }
            runs.sort_by_key(|(who, _)| *who != with_app);
            let [app, chromium]: [Outcome; 2] =
                runs.into_iter().map(|(_, outcome)| outcome).collect::<Vec<_>>().try_into().ok().context("two runs")?;
            if !app.passages.is_empty() {
                passages.clone_from(&app.passages);
            }
            all.push([app, chromium]);
        }
        if all.is_empty() {
            continue;
        }
        let figures: Vec<[Figures; 2]> =
            all.iter().map(|pair| [&pair[0], &pair[1]].map(|it| it.figures.clone())).collect();
        let compared = compare(&figures);
        println!("\n{title}{apart}; {pairs} times each, in turn: median (least to greatest)\n\n{}", table(&compared));
        for (place, who) in ["The app", "Chromium"].into_iter().enumerate() {
            println!("{who}'s threads, processors used: {}\n", busiest(all.iter().map(|pair| &pair[place].threads)));
        }
        let runs: Vec<_> = all
            .iter()
            .map(|pair| {
                let one =
                    |it: &Outcome| json!({ "figures": it.figures, "threads": it.threads, "pressure": it.pressure, "problem": it.problem });
                json!({ "app": one(&pair[0]), "chromium": one(&pair[1]) })
            })
            .collect();
        told.insert(key.to_owned(), json!({ "undrawn": options.undrawn, "compared": compared, "runs": runs }));
    }
    println!("Between page and core\n\n| KiB | at once | a second | MiB/s | median, ms | 99 %, ms |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for passage in &passages {
        println!("{passage}");
    }
    told.insert("passages".to_owned(), json!(passages));
    if let Some(file) = &options.json {
        fs::write(file, serde_json::to_string_pretty(&told)?).with_context(|| file.display().to_string())?;
    } else {
        println!("\n{}", serde_json::Value::from(told));
    }
    Ok(())
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
