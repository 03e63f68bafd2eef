//! One benchmark run: two clients log in, call each other, and are measured.

use std::{collections::BTreeMap, rc::Rc, str::FromStr, time::Duration};

use hutong_e2e::{
    AppOptions, BrowserOptions, Context, DesktopApp, Result, TestEnv, TestPage, WindowPlacement, anyhow, bail,
    clients::ClientKind, scenario, usage::CpuPressure,
};
use rustix::process::Pid;
use serde::Serialize;
use tokio::time::sleep;

use crate::{
    cpu::{self, CpuMeter},
    first_frame::{first_frame_waits, hang_up},
    ipc::{self, IpcThroughput},
    metrics::{Metric, MetricValues},
    video_clock::{self, BenchCamera, VideoRendering},
};

/// Durations of a run's phases.
#[derive(Clone, Copy, Debug)]
pub struct PhaseDurations {
    /// CPU use before the call.
    pub before: Duration,
    /// From the first frame until measuring begins.
    pub settle: Duration,
    /// While CPU time is measured and the clock is not read.
    pub load: Duration,
    /// While the video clock is read.
    pub read: Duration,
    /// Further calls, to time their first frames.
    pub calls: usize,
}

/// Camera, window and rendering of a run.
#[derive(Clone, Copy, Debug)]
pub struct RunSetup {
    /// Source of the camera tracks.
    pub camera: BenchCamera,
    /// Size of both sides' windows.
    pub window: WindowSize,
    /// Whether the app renders the call's videos while its CPU time is measured.
    pub rendering: VideoRendering,
}

/// Window size in pixels, parsed from "1100x760".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSize {
    width: u32,
    height: u32,
}

impl FromStr for WindowSize {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let sides = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
        sides.map(|(width, height)| Self { width, height }).ok_or("a width and a height, as in 1100x760")
    }
}

/// Results of a run.
#[derive(Debug, Default, Serialize)]
pub struct RunResult {
    /// The metrics.
    pub metrics: MetricValues,
    /// CPUs used by one side's threads, by their names.
    pub threads: BTreeMap<String, f64>,
    /// IPC between page and core, for a run with an app.
    #[serde(skip)]
    pub ipc: Vec<IpcThroughput>,
    /// Error of a later call, after everything else was measured.
    pub problem: Option<String>,
    /// CPU pressure during the run.
    pub pressure: String,
}

/// Whether a run also measures IPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpcMeasurement {
    /// It does not.
    Skip,
    /// IPC between the app's page and its core.
    Include,
}

/// Which clients call each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallPair {
    /// The app calls Chromium. Only the app is measured, so that on few CPUs it does not compete with a second app.
    AppAndChromium,
    /// The app calls the app. The mean of both is measured.
    Apps,
    /// Chromium calls Chromium. The mean of both is measured.
    Chromiums,
}

impl CallPair {
    const fn sides(self) -> [ClientKind; 2] {
        match self {
            Self::AppAndChromium => [ClientKind::App, ClientKind::Chromium],
            Self::Apps => [ClientKind::App; 2],
            Self::Chromiums => [ClientKind::Chromium; 2],
        }
    }
}

struct CallSide {
    page: TestPage,
    app: Option<Rc<DesktopApp>>,
    /// Whether its resource usage is measured.
    is_measured: bool,
}

impl CallSide {
    fn processes(&self) -> Result<Vec<Pid>> {
        self.app.as_ref().map_or_else(|| Ok(self.page.processes()), |app| app.processes())
    }
}

/// Processes of the measured sides.
fn processes(sides: &[CallSide; 2]) -> Result<Vec<Pid>> {
    let pids: Result<Vec<_>> = sides.iter().filter(|side| side.is_measured).map(CallSide::processes).collect();
    Ok(pids?.concat())
}

/// Number of measured sides.
fn measured_sides(sides: &[CallSide; 2]) -> f64 {
    sides.iter().filter(|side| side.is_measured).count() as f64
}

/// Runs one pair of clients.
///
/// # Errors
///
/// Returns an error when something does not start, the call fails, or it cannot be measured.
pub async fn run(pair: CallPair, setup: RunSetup, times: PhaseDurations, ipc: IpcMeasurement) -> Result<RunResult> {
    let mut result = RunResult::default();
    let name = format!("bench_{pair:?}_{:?}", setup.camera).to_lowercase();
    let outcome = scenario(&name, async |env| {
        result = measure_pair(env, pair, setup, times, ipc).await?;
        Ok(())
    })
    .await;
    outcome.map_err(|failure| anyhow!("{failure:?}"))?;
    Ok(result)
}

async fn measure_pair(
    env: &mut TestEnv,
    pair: CallPair,
    setup: RunSetup,
    times: PhaseDurations,
    ipc: IpcMeasurement,
) -> Result<RunResult> {
    let server = env.start_server().await?;
    let mut sides = Vec::new();
    for (name, kind) in ["Ana", "Bo"].into_iter().zip(pair.sides()) {
        let mut side = log_in_side(env, name, kind, &server.url(), setup).await?;
        side.is_measured = pair != CallPair::AppAndChromium || kind == ClientKind::App;
        sides.push(side);
    }
    let sides = <[CallSide; 2]>::try_from(sides).map_err(|_| anyhow!("a call must have two sides"))?;
    let mut result = RunResult::default();
    if ipc == IpcMeasurement::Include {
        result.ipc = ipc::measure(&sides[0].page).await?;
    }
    let meter = CpuMeter::start(&processes(&sides)?);
    sleep(times.before).await;
    result.metrics.insert(Metric::IdleProcessors, meter.usage(&processes(&sides)?).cores / measured_sides(&sides));
    let mut waits = vec![first_frame_waits(pages(&sides), 0).await?];
    set_rendering(&sides, setup.rendering).await?;
    sleep(times.settle).await;
    measure_usage(&sides, times.load, &mut result).await?;
    set_rendering(&sides, VideoRendering::On).await?;
    if setup.camera == BenchCamera::Clock {
        measure_frame_age(&sides, times.read, &mut result.metrics).await?;
    }
    hang_up(pages(&sides)).await?;
    for round in 1..=times.calls {
        match later_call(&sides, round).await {
            Ok(wait) => waits.push(wait),
            // Keep what was measured so far.
            Err(error) => {
                result.problem =
                    Some(format!("call {}: {}", round + 1, error.to_string().lines().next().unwrap_or_default()));
                break;
            }
        }
    }
    let (first, later) = waits.split_first().context("no call was measured")?;
    result.metrics.insert(Metric::FirstCallToVideo, first[0]);
    result.metrics.insert(Metric::FirstAcceptToVideo, first[1]);
    for (index, metric) in [(0, Metric::LaterCallToVideo), (1, Metric::LaterAcceptToVideo)] {
        if let Some(wait) = median(later.iter().map(|waits| waits[index]).collect()) {
            result.metrics.insert(metric, wait);
        }
    }
    Ok(result)
}

async fn log_in_side(env: &mut TestEnv, name: &str, kind: ClientKind, url: &str, setup: RunSetup) -> Result<CallSide> {
    let WindowSize { width, height } = setup.window;
    let (page, app) = match kind {
        ClientKind::Chromium => {
            let args = vec![format!("--window-size={width},{height}")];
            let options =
                BrowserOptions { window: WindowPlacement::OnVirtualDisplay, args, ..BrowserOptions::default() };
            let page = env.new_page(name, &options).await?;
            page.open(url).await?;
            (page, None)
        }
        ClientKind::Firefox => bail!("Firefox is not measured"),
        ClientKind::App => {
            let app = env.start_app_with(name, &AppOptions::with_test_devices(url)).await?;
            app.resize_window(width, height).await?;
            (app.page().clone(), Some(app))
        }
    };
    page.log_in(name).await?;
    video_clock::prepare(&page, setup.camera).await?;
    Ok(CallSide { page, app, is_measured: true })
}

async fn later_call(sides: &[CallSide; 2], round: usize) -> Result<[f64; 2]> {
    let waits = first_frame_waits(pages(sides), round).await?;
    hang_up(pages(sides)).await?;
    Ok(waits)
}

fn pages([ana, bo]: &[CallSide; 2]) -> [&TestPage; 2] {
    [&ana.page, &bo.page]
}

async fn set_rendering(sides: &[CallSide; 2], rendering: VideoRendering) -> Result<()> {
    for side in sides.iter().filter(|side| side.app.is_some()) {
        video_clock::set_rendering(&side.page, rendering).await?;
    }
    Ok(())
}

/// Measures CPU use and memory of one side (the mean where both are measured), and the video that it gets for them.
async fn measure_usage(sides: &[CallSide; 2], time: Duration, result: &mut RunResult) -> Result<()> {
    let mut before = Vec::new();
    for side in sides {
        before.push((video_clock::sent_totals(&side.page).await?, video_clock::presented_frames(&side.page).await?));
    }
    let pressure = CpuPressure::start();
    let x_servers = cpu::x_servers();
    let (meter, x_server_meter) = (CpuMeter::start(&processes(sides)?), CpuMeter::start(&x_servers));
    sleep(time).await;
    let (cpu_use, x_servers_use) = (meter.usage(&processes(sides)?), x_server_meter.usage(&x_servers));
    result.pressure = pressure.to_string();
    let (mut rates, mut heights, mut sent, mut targets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (side, (totals, frames)) in sides.iter().zip(before) {
        let now = video_clock::sent_totals(&side.page).await?;
        let seconds = (now.at - totals.at) / 1000.0;
        rates.push((video_clock::presented_frames(&side.page).await? - frames) / seconds);
        sent.push((now.sent - totals.sent) * 8.0 / 1000.0 / seconds);
        targets.push(now.target / 1000.0);
        heights.push(f64::from(video_clock::video_size(&side.page).await?[1]));
    }
    let metrics = &mut result.metrics;
    let count = measured_sides(sides);
    metrics.insert(Metric::Processors, cpu_use.cores / count);
    if !x_servers.is_empty() {
        metrics.insert(Metric::XServerProcessors, x_servers_use.cores / x_servers.len() as f64);
    }
    metrics.insert(Metric::Memory, cpu::memory(&processes(sides)?) / count / f64::from(1 << 20));
    for (metric, values) in [
        (Metric::FrameRate, rates),
        (Metric::VideoHeight, heights),
        (Metric::SentBitRate, sent),
        (Metric::TargetBitRate, targets),
    ] {
        if let Some(value) = median(values).filter(|value| *value > 0.0) {
            metrics.insert(metric, value);
        }
    }
    result.threads = cpu_use.threads.into_iter().map(|(name, cores)| (name, cores / count)).collect();
    Ok(())
}

async fn measure_frame_age(sides: &[CallSide; 2], time: Duration, metrics: &mut MetricValues) -> Result<()> {
    for side in sides {
        video_clock::start_reading(&side.page).await?;
    }
    sleep(time).await;
    for side in sides {
        let readings = video_clock::stop_reading(&side.page).await?;
        readings.ensure_readable(side.page.name())?;
        let mut ages = readings.ages;
        ages.sort_by(f64::total_cmp);
        for (metric, share) in [(Metric::VideoAge, 0.5), (Metric::VideoAge95, 0.95)] {
            if let Some(age) = ages.get((ages.len() as f64 * share) as usize) {
                *metrics.entry(metric).or_default() += age / sides.len() as f64;
            }
        }
    }
    Ok(())
}

fn median(values: Vec<f64>) -> Option<f64> {
    hutong_e2e::statistics::min_median_max(&values).map(|(_, median, _)| median)
}
