//! One run: two of a kind are started, call each other, are measured, and end.

use std::{collections::BTreeMap, rc::Rc, str::FromStr, time::Duration};

use hutong_e2e::{
    Context, Desktop, Page, Profile, Result, Setup, Shown, World, anyhow,
    page::SOON,
    people::With,
    scenario,
    steps::{self, LET_GO, MEDIA, connected, let_go},
    usage::Pressure,
};
use rustix::process::Pid;
use serde::Serialize;
use tokio::time::sleep;

use crate::{
    binary::{self, Passage},
    clock::{self, Camera, Drawing},
    figures::{Figure, Figures},
    load::{self, Load},
};

/// How long parts of a run last.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Before the call.
    pub before: Duration,
    /// From the first picture on, until anything is measured.
    pub settle: Duration,
    /// While processor time is measured, and nothing is read.
    pub load: Duration,
    /// While the clock is read.
    pub read: Duration,
    /// Further calls, for their first pictures.
    pub calls: usize,
}

/// What is seen in a run.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// What the cameras see.
    pub camera: Camera,
    /// Of both sides' windows.
    pub window: Size,
    /// Of the call's pictures in the app's page, while its processor time is measured.
    pub drawing: Drawing,
}

/// Of a window, in pixels, written "1100x760".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    width: u32,
    height: u32,
}

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let sides = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
        sides.map(|(width, height)| Self { width, height }).ok_or("a width and a height, as in 1100x760")
    }
}

/// What a run gave.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    /// What is compared.
    pub figures: Figures,
    /// Processors used by threads, by their names; of one side.
    pub threads: BTreeMap<String, f64>,
    /// The way between page and core; of an app.
    #[serde(skip)]
    pub passages: Vec<Passage>,
    /// What went wrong after all but the later calls was measured.
    pub problem: Option<String>,
    /// How short the processors were.
    pub pressure: String,
}

/// What else is measured in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// Nothing.
    Nothing,
    /// The way between the app's page and its core.
    Passages,
}

/// Who calls whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    /// The app calls Chromium. What it costs is the app's alone: on a machine with few processors it is then not its own neighbour.
    AppAndChromium,
    /// The app calls the app. What it costs is half of both.
    Apps,
    /// Chromium calls Chromium. What it costs is half of both.
    Chromiums,
}

impl Pair {
    const fn sides(self) -> [With; 2] {
        match self {
            Self::AppAndChromium => [With::App, With::Chromium],
            Self::Apps => [With::App; 2],
            Self::Chromiums => [With::Chromium; 2],
        }
    }
}

struct Side {
    page: Page,
    app: Option<Rc<Desktop>>,
    /// Whether what it costs is told.
    counts: bool,
}

impl Side {
    fn processes(&self) -> Result<Vec<Pid>> {
        self.app.as_ref().map_or_else(|| Ok(self.page.processes()), |app| app.processes())
    }
}

/// Those whose cost is told.
fn processes(sides: &[Side; 2]) -> Result<Vec<Pid>> {
    let each: Result<Vec<_>> = sides.iter().filter(|side| side.counts).map(Side::processes).collect();
    Ok(each?.concat())
}

/// How many sides' cost is told.
fn counted(sides: &[Side; 2]) -> f64 {
    sides.iter().filter(|side| side.counts).count() as f64
}

/// Runs two of this kind.
///
/// # Errors
///
/// When something does not start, the call does not come about, or it cannot be measured.
pub async fn run(pair: Pair, scene: Scene, times: Times, extra: Extra) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let name = format!("bench_{pair:?}_{:?}", scene.camera).to_lowercase();
    let ended = scenario(&name, async |world| {
        outcome = two(world, pair, scene, times, extra).await?;
        Ok(())
    })
    .await;
    ended.map_err(|failure| anyhow!("{failure:?}"))?;
    Ok(outcome)
}

async fn two(world: &mut World, pair: Pair, scene: Scene, times: Times, extra: Extra) -> Result<Outcome> {
    let server = world.server().await?;
    let mut sides = Vec::new();
    for (name, with) in ["Ana", "Bo"].into_iter().zip(pair.sides()) {
        let mut side = one(world, name, with, &server.url(), scene).await?;
        side.counts = pair != Pair::AppAndChromium || with == With::App;
        sides.push(side);
    }
    let sides = <[Side; 2]>::try_from(sides).map_err(|_| anyhow!("two sides"))?;
    let mut outcome = Outcome::default();
    if extra == Extra::Passages {
        outcome.passages = binary::measure(&sides[0].page).await?;
    }
    let load = Load::of(&processes(&sides)?);
    sleep(times.before).await;
    outcome.figures.insert(Figure::Before, load.until_now(&processes(&sides)?).cores / counted(&sides));
    let mut waits = vec![first_pictures(&sides, 0).await?];
    draw(&sides, scene.drawing).await?;
    sleep(times.settle).await;
    measure_load(&sides, times.load, &mut outcome).await?;
    draw(&sides, Drawing::On).await?;
    if scene.camera == Camera::Clock {
        measure_age(&sides, times.read, &mut outcome.figures).await?;
    }
    hang_up(&sides).await?;
    for round in 1..=times.calls {
        match another(&sides, round).await {
            Ok(wait) => waits.push(wait),
            // What was measured so far is no less true.
            Err(error) => {
                outcome.problem =
                    Some(format!("call {}: {}", round + 1, error.to_string().lines().next().unwrap_or_default()));
                break;
            }
        }
    }
    let (first, later) = waits.split_first().context("a call")?;
    outcome.figures.insert(Figure::CallFirst, first[0]);
    outcome.figures.insert(Figure::AcceptFirst, first[1]);
    for (place, figure) in [(0, Figure::CallLater), (1, Figure::AcceptLater)] {
        if let Some(wait) = median(later.iter().map(|waits| waits[place]).collect()) {
            outcome.figures.insert(figure, wait);
        }
    }
    Ok(outcome)
}

async fn one(world: &mut World, name: &str, with: With, url: &str, scene: Scene) -> Result<Side> {
    let Size { width, height } = scene.window;
    let (page, app) = match with {
        With::Chromium => {
            let args = vec![format!("--window-size={width},{height}")];
            let profile = Profile { shown: Shown::OnScreen, args, ..Profile::default() };
            let page = world.page(name, &profile).await?;
            page.open(url).await?;
            (page, None)
        }
        With::App => {
            let app = world.desktop_with(name, &Setup::calling(url)).await?;
            app.resize(width, height).await?;
            (app.page().clone(), Some(app))
        }
    };
    page.log_in(name).await?;
    clock::prepare(&page, scene.camera).await?;
    Ok(Side { page, app, counts: true })
}

/// Ana calls, Bo's page takes the call at once, and both wait for each other's first picture: how long Ana did from her click on
/// call, and Bo from his on accept, in milliseconds. No person and no driver is in it.
async fn first_pictures([ana, bo]: &[Side; 2], round: usize) -> Result<[f64; 2]> {
    ana.page.sees("Bo", "online", SOON).await?;
    bo.page.press_once_there(steps::With::Video.accept()).await?;
    ana.page.press_for("Bo", steps::With::Video.call()).await?;
    connected(&ana.page, &bo.page).await?;
    let mut waits = [0.0; 2];
    let clicked = [steps::With::Video.call(), steps::With::Video.accept()];
    for ((page, button), wait) in [&ana.page, &bo.page].into_iter().zip(clicked).zip(&mut waits) {
        page.until("the first picture", MEDIA, &format!("return window.__bench.firsts.length > {round}")).await?;
        let first = clock::firsts(page).await?.get(round).copied().context("a first picture")?;
        let clicks = page.clicks().await?;
        let click = clicks.iter().rev().find(|click| click.id == button).context("a click")?;
        *wait = first - click.at;
    }
    Ok(waits)
}

async fn another(sides: &[Side; 2], round: usize) -> Result<[f64; 2]> {
    let waits = first_pictures(sides, round).await?;
    hang_up(sides).await?;
    Ok(waits)
}

async fn hang_up([ana, bo]: &[Side; 2]) -> Result<()> {
    ana.page.press("hang-up").await?;
    let_go(&ana.page, &bo.page).await?;
    bo.page.sees("Ana", "online", LET_GO).await
}

async fn draw(sides: &[Side; 2], drawing: Drawing) -> Result<()> {
    for side in sides.iter().filter(|side| side.app.is_some()) {
        clock::draw(&side.page, drawing).await?;
    }
    Ok(())
}

/// Processor time and memory of one side, the mean where both count, and what picture is had for it.
async fn measure_load(sides: &[Side; 2], time: Duration, outcome: &mut Outcome) -> Result<()> {
    let mut before = Vec::new();
    for side in sides {
        before.push((clock::flow(&side.page).await?, clock::frames(&side.page).await?));
    }
    let pressure = Pressure::watch();
    let screens = load::screens();
    let (load, drawn) = (Load::of(&processes(sides)?), Load::of(&screens));
    sleep(time).await;
    let (used, drawn) = (load.until_now(&processes(sides)?), drawn.until_now(&screens));
    outcome.pressure = pressure.to_string();
    let (mut rates, mut lines, mut sent, mut targets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (side, (flow, frames)) in sides.iter().zip(before) {
        let now = clock::flow(&side.page).await?;
        let seconds = (now.at - flow.at) / 1000.0;
        rates.push((clock::frames(&side.page).await? - frames) / seconds);
        sent.push((now.sent - flow.sent) * 8.0 / 1000.0 / seconds);
        targets.push(now.target / 1000.0);
        lines.push(f64::from(clock::size(&side.page).await?[1]));
    }
    let figures = &mut outcome.figures;
    let count = counted(sides);
    figures.insert(Figure::Processors, used.cores / count);
    if !screens.is_empty() {
        figures.insert(Figure::Screen, drawn.cores / screens.len() as f64);
    }
    figures.insert(Figure::Memory, load::memory(&processes(sides)?) / count / f64::from(1 << 20));
    for (figure, values) in
        [(Figure::Rate, rates), (Figure::Lines, lines), (Figure::Sent, sent), (Figure::Target, targets)]
    {
        if let Some(value) = median(values).filter(|value| *value > 0.0) {
            figures.insert(figure, value);
        }
    }
    outcome.threads = used.threads.into_iter().map(|(name, cores)| (name, cores / count)).collect();
    Ok(())
}

async fn measure_age(sides: &[Side; 2], time: Duration, figures: &mut Figures) -> Result<()> {
    for side in sides {
        clock::start(&side.page).await?;
    }
    sleep(time).await;
    for side in sides {
        let read = clock::stop(&side.page).await?;
        read.ensure_readable(side.page.name())?;
        let mut ages = read.latencies;
        ages.sort_by(f64::total_cmp);
        for (figure, share) in [(Figure::Latency, 0.5), (Figure::Latency95, 0.95)] {
            if let Some(age) = ages.get((ages.len() as f64 * share) as usize) {
                *figures.entry(figure).or_default() += age / sides.len() as f64;
            }
        }
    }
    Ok(())
}

fn median(values: Vec<f64>) -> Option<f64> {
    hutong_e2e::media::spread(&values).map(|(_, median, _)| median)
}
