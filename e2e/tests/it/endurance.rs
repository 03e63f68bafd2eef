//! Many calls in a row, and what they leave behind.

use hutong_e2e::{
    Context, Outcome, Page, Result, World, ensure,
    media::{Leftovers, spread},
    page::SOON,
    scenario,
    steps::{LET_GO, MEDIA, With, connected, let_go},
};

#[tokio::test]
async fn five_calls_leave_nothing_behind() -> Outcome {
    scenario("endurance", async |world| calls(world, 5).await).await
}

#[tokio::test]
#[ignore = "a minute"]
async fn twenty_calls_leave_nothing_behind() -> Outcome {
    scenario("endurance_long", async |world| calls(world, 20).await).await
}

/// So many calls, one after the other.
async fn calls(world: &mut World, count: usize) -> Result<()> {
    let server = world.server().await?;
    let ana = world.log_in("Ana", &server).await?;
    let bo = world.log_in("Bo", &server).await?;
    print_transfer(&ana).await?;
    let baseline = [ana.leftovers().await?, bo.leftovers().await?];

    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..count {
        let took = timed_call(&ana, &bo, round).await?;
        for (times, took) in times.iter_mut().zip(took) {
            times.push(took);
        }
        if round == count - 1 && std::env::var_os("HUTONG_E2E_TIMELINE").is_some() {
            print_timeline(&ana, &bo).await?;
        }
        let end = if round % 2 == 0 { &ana } else { &bo };
        end.press("hang-up").await?;
        let_go(&ana, &bo).await?;
    }
    for (what, times) in TIMED.into_iter().zip(&times) {
        print_times(what, times)?;
    }
    for (page, before) in [&ana, &bo].into_iter().zip(baseline) {
        ensure_nothing_left(page, &before, count).await?;
    }
    Ok(())
}

/// What [`timed_call`] gives.
const TIMED: [&str; 3] = [
    "click on call to the caller's first remote frame",
    "click on accept to the caller's first remote frame",
    "click on accept to the called side's first remote frame",
];

/// Ana calls Bo until both see the first frame. Gives how long that took, in milliseconds.
async fn timed_call(ana: &Page, bo: &Page, round: usize) -> Result<[f64; 3]> {
    ana.sees("Bo", "online", SOON).await?;
    // Pressed by the page itself, so that the time has no driver in it, and no person.
    bo.press_once_there(With::Video.accept()).await?;
    ana.press_for("Bo", With::Video.call()).await?;
    connected(ana, bo).await?;
    for page in [ana, bo] {
        page.until("the first frame", MEDIA, &format!("return e2e.firstFrames.length > {round}")).await?;
    }
    let called = last_click(ana, With::Video.call()).await?;
    let accepted = last_click(bo, With::Video.accept()).await?;
    let seen_by_ana = ana.first_frames().await?.get(round).context("no frame")?.at;
    let seen_by_bo = bo.first_frames().await?.get(round).context("no frame")?.at;
    Ok([seen_by_ana - called, seen_by_ana - accepted, seen_by_bo - accepted])
}

/// Checks that a page holds no more than before its calls.
async fn ensure_nothing_left(page: &Page, before: &Leftovers, calls: usize) -> Result<()> {
    let no_more = format!(
        "const left = e2e.leftovers(); return left.peers === 0 && left.tracks === 0
            && left.timers <= {} && left.sounds <= {}",
        before.timers,
        before.sounds + 1
    );
    let gone = page.until("nothing to be left over", LET_GO, &no_more).await;
    let left = page.leftovers().await?;
    gone.with_context(|| format!("{}: {left:#?} after {before:#?}", page.name()))?;
    let made: usize = page.run("return e2e.peers.length").await?;
    ensure!(made == calls, "{}: {made} peer connections for {calls} calls", page.name());
    page.ensure_no_errors().await
}

/// The last call's steps on both sides, from the click that began it.
async fn print_timeline(caller: &Page, called: &Page) -> Result<()> {
    let start = last_click(caller, With::Video.call()).await?;
    let mut marks = Vec::new();
    for page in [caller, called] {
        marks.extend(
            page.marks().await?.into_iter().filter(|mark| mark.at >= start).map(|mark| (mark, page.name().to_owned())),
        );
    }
    marks.sort_by(|(one, _), (other, _)| one.at.total_cmp(&other.at));
    for (mark, name) in marks {
        println!("{:6.0} ms  {name:4} {}", mark.at - start, mark.what);
    }
    Ok(())
}

async fn last_click(page: &Page, id: &str) -> Result<f64> {
    let clicks = page.clicks().await?;
    Ok(clicks.iter().rfind(|click| click.id == id).with_context(|| format!("no click on {id}"))?.at)
}

fn print_times(what: &str, times: &[f64]) -> Result<()> {
    let (least, median, most) = spread(times).context("no times")?;
    println!("{what}, ms, {} calls: min {least:.0}, median {median:.0}, max {most:.0}", times.len());
    Ok(())
}

async fn print_transfer(page: &Page) -> Result<()> {
    let sizes: Vec<(String, f64, f64)> = page
        .run(
            r#"return performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation"))
                .map((it) => [new URL(it.name).pathname, it.encodedBodySize, it.decodedBodySize])"#,
        )
        .await?;
    let kib = |bytes: f64| bytes / 1024.0;
    for (path, sent, whole) in sizes.iter().filter(|(path, ..)| path.ends_with(".wasm")) {
        println!("{path}: {:.1} KiB sent, {:.1} KiB unpacked", kib(*sent), kib(*whole));
    }
    println!("web app: {:.1} KiB sent in {} files", kib(sizes.iter().map(|(_, sent, _)| sent).sum()), sizes.len());
    Ok(())
}
