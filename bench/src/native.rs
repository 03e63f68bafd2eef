//! `hutong-bench native`: the app with its native peer compared with Chromium.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use clap::Args;
use hutong_e2e::{Context, Result, ensure};
use serde_json::json;

use crate::{
    call_run::{CallPair, IpcMeasurement, PhaseDurations, RunResult, RunSetup, WindowSize, run},
    ipc::IpcThroughput,
    metrics::{MetricValues, compare, table},
    video_clock::{BenchCamera, VideoRendering},
};

/// Command line options: what is measured, and for how long.
#[derive(Clone, Debug, Args)]
pub struct NativeBenchOptions {
    /// Pairs of runs with the video clock: the app calls Chromium, and Chromium calls Chromium
    #[arg(long, default_value_t = 3)]
    pairs: usize,
    /// Pairs of runs with the video clock: the app calls the app, and Chromium calls Chromium
    #[arg(long, default_value_t = 1)]
    app_pairs: usize,
    /// Pairs of runs with the browsers' fake cameras: the app calls the app, and Chromium calls Chromium
    #[arg(long, default_value_t = 1)]
    fake_pairs: usize,
    /// Seconds of each call before anything is measured
    #[arg(long, default_value_t = 10)]
    settle: u64,
    /// Seconds for which CPU time is measured
    #[arg(long, default_value_t = 20)]
    load: u64,
    /// Seconds for which the video clock is read
    #[arg(long, default_value_t = 10)]
    read: u64,
    /// Further calls in each run, to time the first frame
    #[arg(long, default_value_t = 4)]
    calls: usize,
    /// Window size: a small window costs little to draw, also without a GPU. The app's is 360x560 at least
    #[arg(long, value_name = "SIZE", default_value = "1100x760")]
    window: WindowSize,
    /// Do not render the call's videos in the app while its CPU time is measured: shows the cost of everything but
    /// rendering
    #[arg(long)]
    undrawn: bool,
    /// Also write all results to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// How long CPU use before the call is measured.
const BEFORE: Duration = Duration::from_secs(5);

/// Number of busiest threads that are reported.
const THREADS: usize = 12;

impl NativeBenchOptions {
    fn times(&self) -> PhaseDurations {
        PhaseDurations {
            before: BEFORE,
            settle: Duration::from_secs(self.settle),
            load: Duration::from_secs(self.load),
            read: Duration::from_secs(self.read),
            calls: self.calls,
        }
    }
}

/// Pairs of runs: the app's pair of clients and Chromium's in turn, for comparison.
struct PairSeries {
    key: &'static str,
    title: &'static str,
    pair: CallPair,
    camera: BenchCamera,
    count: usize,
}

/// Measures all series and prints the results.
///
/// # Errors
///
/// Returns an error when a run fails.
pub async fn measure(options: &NativeBenchOptions) -> Result<()> {
    let all_series = [
        PairSeries {
            key: "clock",
            title: "The app calls Chromium, video clock",
            pair: CallPair::AppAndChromium,
            camera: BenchCamera::Clock,
            count: options.pairs,
        },
        PairSeries {
            key: "apps",
            title: "The app calls the app, video clock",
            pair: CallPair::Apps,
            camera: BenchCamera::Clock,
            count: options.app_pairs,
        },
        PairSeries {
            key: "fake",
            title: "The app calls the app, fake cameras (which differ)",
            pair: CallPair::Apps,
            camera: BenchCamera::BrowserFake,
            count: options.fake_pairs,
        },
    ];
    ensure!(
        all_series.iter().any(|series| series.count > 0),
        "nothing to measure: --pairs, --app-pairs and --fake-pairs are all 0"
    );
    let mut json = serde_json::Map::new();
    let mut ipc = Vec::new();
    for series in all_series.iter().filter(|series| series.count > 0) {
        let runs = series.run(options, &mut ipc).await?;
        json.insert(series.key.to_owned(), series.report(options, &runs));
    }
    println!("IPC between page and core\n\n| KiB | in flight | a second | MiB/s | median, ms | 99 %, ms |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for result in &ipc {
        println!("{result}");
    }
    json.insert("ipc".to_owned(), json!(ipc));
    if let Some(file) = &options.json {
        fs::write(file, serde_json::to_string_pretty(&json)?).with_context(|| file.display().to_string())?;
    } else {
        println!("\n{}", serde_json::Value::from(json));
    }
    Ok(())
}

impl PairSeries {
    /// Runs all pairs. The app's first run also measures IPC.
    async fn run(&self, options: &NativeBenchOptions, ipc: &mut Vec<IpcThroughput>) -> Result<Vec<[RunResult; 2]>> {
        let rendering = if options.undrawn { VideoRendering::Off } else { VideoRendering::On };
        let setup = RunSetup { camera: self.camera, window: options.window, rendering };
        let mut all = Vec::new();
        for count in 0..self.count {
            // Alternate the order: the machine warms up.
            let is_app_first = count % 2 == 0;
            let earlier =
                if is_app_first { None } else { Some(self.once(options, CallPair::Chromiums, setup, false).await?) };
            let mut app = self.once(options, self.pair, setup, ipc.is_empty()).await?;
            let chromium = match earlier {
                Some(outcome) => outcome,
                None => self.once(options, CallPair::Chromiums, setup, false).await?,
            };
            ipc.append(&mut app.ipc);
            all.push([app, chromium]);
        }
        Ok(all)
    }

    async fn once(
        &self,
        options: &NativeBenchOptions,
        pair: CallPair,
        setup: RunSetup,
        with_ipc: bool,
    ) -> Result<RunResult> {
        let extra = if with_ipc { IpcMeasurement::Include } else { IpcMeasurement::Skip };
        let outcome = run(pair, setup, options.times(), extra).await.with_context(|| format!("{pair:?}"))?;
        eprintln!("{pair:?}: {}; {:.2?}", outcome.pressure, outcome.metrics);
        if let Some(problem) = &outcome.problem {
            println!("{pair:?}: a later call failed: {problem}");
        }
        Ok(outcome)
    }

    /// Prints the comparison and returns the results as JSON.
    fn report(&self, options: &NativeBenchOptions, runs: &[[RunResult; 2]]) -> serde_json::Value {
        let metrics: Vec<[MetricValues; 2]> =
            runs.iter().map(|pair| [&pair[0], &pair[1]].map(|it| it.metrics.clone())).collect();
        let compared = compare(&metrics);
        let note = if options.undrawn { "; the app's videos not rendered while its CPU time is measured" } else { "" };
        println!("\n{}{note}; {} pairs: median (min to max)\n\n{}", self.title, self.count, table(&compared));
        for (side, name) in ["The app", "Chromium"].into_iter().enumerate() {
            println!("{name}'s threads, CPUs used: {}\n", busiest(runs.iter().map(|pair| &pair[side].threads)));
        }
        let runs = runs.iter().map(|[app, chromium]| json!({ "app": app, "chromium": chromium }));
        json!({ "undrawn": options.undrawn, "compared": compared, "runs": runs.collect::<Vec<_>>() })
    }
}

/// The busiest threads by mean over all runs.
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
