//! Many calls in a row in Chromium: set-up times and leaked resources.

use hutong_e2e::{
    Context, Result, TestEnv, TestPage, TestResult,
    call_steps::{CallKind, MEDIA_TIMEOUT, RELEASE_TIMEOUT, wait_until_connected, wait_until_released},
    ensure,
    instrument::OpenResources,
    page::UI_TIMEOUT,
    scenario,
    statistics::min_median_max,
};

#[tokio::test]
async fn five_calls_leak_no_resources() -> TestResult {
    scenario("endurance", async |env| make_calls(env, 5).await).await
}

#[tokio::test]
#[ignore = "a minute"]
async fn twenty_calls_leak_no_resources() -> TestResult {
    scenario("endurance_long", async |env| make_calls(env, 20).await).await
}

/// Makes calls one after the other, prints their times, and checks for leaks.
async fn make_calls(env: &mut TestEnv, count: usize) -> Result<()> {
    let server = env.start_server().await?;
    let ana = env.log_in("Ana", &server).await?;
    let bo = env.log_in("Bo", &server).await?;
    print_transfer_sizes(&ana).await?;
    let baseline = [ana.open_resources().await?, bo.open_resources().await?];

    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..count {
        let took = timed_call(&ana, &bo, round).await?;
        for (times, took) in times.iter_mut().zip(took) {
            times.push(took);
        }
        if round == count - 1 && std::env::var_os("HUTONG_E2E_TIMELINE").is_some() {
            print_timeline(&ana, &bo).await?;
        }
        let hanging_up = if round % 2 == 0 { &ana } else { &bo };
        hanging_up.press("hang-up").await?;
        wait_until_released(&ana, &bo).await?;
    }
    for (what, times) in TIMES.into_iter().zip(&times) {
        print_times(what, times)?;
    }
    for (page, before) in [&ana, &bo].into_iter().zip(baseline) {
        ensure_no_leaks(page, &before, count).await?;
    }
    Ok(())
}

/// Labels of the times that [`timed_call`] returns.
const TIMES: [&str; 3] = [
    "click on call to the caller's first remote frame",
    "click on accept to the caller's first remote frame",
    "click on accept to the called side's first remote frame",
];

/// Ana calls Bo until both show the first frame. Returns the times in milliseconds.
async fn timed_call(ana: &TestPage, bo: &TestPage, round: usize) -> Result<[f64; 3]> {
    ana.wait_for_user_state("Bo", "online", UI_TIMEOUT).await?;
    // Clicked by the page itself: no driver latency and no person in the time.
    bo.press_when_present(CallKind::Video.accept_button()).await?;
    ana.press_on_tile("Bo", CallKind::Video.call_button()).await?;
    wait_until_connected(ana, bo).await?;
    for page in [ana, bo] {
        page.wait_until("the first frame", MEDIA_TIMEOUT, &format!("return e2e.firstFrames.length > {round}")).await?;
    }
    let called = last_click(ana, CallKind::Video.call_button()).await?;
    let accepted = last_click(bo, CallKind::Video.accept_button()).await?;
    let seen_by_ana = ana.first_frames().await?.get(round).context("no frame")?.at;
    let seen_by_bo = bo.first_frames().await?.get(round).context("no frame")?.at;
    Ok([seen_by_ana - called, seen_by_ana - accepted, seen_by_bo - accepted])
}

/// Checks that a page holds no more resources than before its calls.
async fn ensure_no_leaks(page: &TestPage, before: &OpenResources, calls: usize) -> Result<()> {
    let no_more = format!(
        "const left = e2e.openResources(); return left.peers === 0 && left.tracks === 0
            && left.timers <= {} && left.audioContexts <= {}",
        before.timers,
        before.audio_contexts + 1
    );
    let released = page.wait_until("all resources to be released", RELEASE_TIMEOUT, &no_more).await;
    let open = page.open_resources().await?;
    released.with_context(|| format!("{}: {open:#?}, before the calls {before:#?}", page.name()))?;
    let created: usize = page.run("return e2e.peers.length").await?;
    ensure!(created == calls, "{}: {created} peer connections for {calls} calls", page.name());
    page.ensure_no_errors().await
}

/// Prints the last call's timeline of both sides, from the click that began it.
async fn print_timeline(caller: &TestPage, called: &TestPage) -> Result<()> {
    let start = last_click(caller, CallKind::Video.call_button()).await?;
    let mut marks = Vec::new();
    for page in [caller, called] {
        marks.extend(
            page.timeline_marks()
                .await?
                .into_iter()
                .filter(|mark| mark.at >= start)
                .map(|mark| (mark, page.name().to_owned())),
        );
    }
    marks.sort_by(|(one, _), (other, _)| one.at.total_cmp(&other.at));
    for (mark, name) in marks {
        println!("{:6.0} ms  {name:4} {}", mark.at - start, mark.what);
    }
    Ok(())
}

async fn last_click(page: &TestPage, id: &str) -> Result<f64> {
    let clicks = page.clicks().await?;
    Ok(clicks.iter().rfind(|click| click.id == id).with_context(|| format!("no click on {id}"))?.at)
}

fn print_times(what: &str, times: &[f64]) -> Result<()> {
    let (min, median, max) = min_median_max(times).context("no times")?;
    println!("{what}, ms, {} calls: min {min:.0}, median {median:.0}, max {max:.0}", times.len());
    Ok(())
}

async fn print_transfer_sizes(page: &TestPage) -> Result<()> {
    let sizes: Vec<(String, f64, f64)> = page
        .run(
            r#"return performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation"))
                .map((it) => [new URL(it.name).pathname, it.encodedBodySize, it.decodedBodySize])"#,
        )
        .await?;
    let kib = |bytes: f64| bytes / 1024.0;
    for (path, encoded, decoded) in sizes.iter().filter(|(path, ..)| path.ends_with(".wasm")) {
        println!("{path}: {:.1} KiB transferred, {:.1} KiB decoded", kib(*encoded), kib(*decoded));
    }
    println!(
        "web app: {:.1} KiB transferred in {} files",
        kib(sizes.iter().map(|(_, encoded, _)| encoded).sum()),
        sizes.len()
    );
    Ok(())
}
