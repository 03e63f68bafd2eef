//! Long runs of the desktop app: a hidden window and ten calls in a row. Ignored by default, because they take minutes:
//! `cargo xtask test --full`.

use std::{collections::BTreeMap, time::Duration};

use hutong_e2e::{
    Context, TestResult,
    call_quality::QualityBounds,
    call_steps::{CallKind, MEDIA_TIMEOUT, RELEASE_TIMEOUT, call, wait_until_released},
    clients::{ClientKind, MicrophoneSource, log_in_client, log_in_pair},
    ensure, scenario,
    usage::{ResourceUsage, describe_growth, resource_counts},
};

/// How long the window is hidden.
const HIDDEN_FOR: Duration = Duration::from_secs(60);

const CALLS: usize = 10;

/// Allowed memory growth in bytes from calls 2-4 to the last three: `WebKitGTK` 2.50 keeps about 4 MiB of each call, part
/// of it for each capture and each audio worklet, for every application.
const MAX_MEMORY_GROWTH: u64 = 48 << 20;

/// Allowed thread growth after the second call: the webview starts and stops helper threads. A leaking call would leave
/// eight.
const MAX_THREAD_GROWTH: usize = 3;

/// Makes the webview collect garbage, as it does by itself at some time: that releases a call's tracks and with them
/// the threads of `WebKit`'s mock devices.
const COLLECT_GARBAGE: &str =
    "for (let round = 0; round < 100; round += 1) new Uint8Array(8e6).fill(round); return null";

#[tokio::test]
#[ignore = "a minute and a half"]
async fn a_call_continues_while_the_window_is_hidden() -> TestResult {
    scenario("native_hidden", async |env| {
        let [ana, bo] =
            log_in_pair(env, [ClientKind::App, ClientKind::Chromium], MicrophoneSource::SyntheticVoice, None).await?;
        let app = ana.app.as_ref().context("an app")?;
        call(&ana.page, &bo.page, CallKind::Video).await?;
        for page in [&ana.page, &bo.page] {
            page.start_playback_monitor().await?;
            page.wait_for_video_and_audio(MEDIA_TIMEOUT).await?;
            // Gaps in the first seconds of a call are not due to the window.
            page.wait_for_steady_audio(QualityBounds::APP.max_webview_gap).await?;
        }
        app.hide_window().await?;
        for page in [&ana.page, &bo.page] {
            page.reset_playback_monitor().await?;
        }
        let at_bo = bo.page.playback_report_after(HIDDEN_FOR).await?;
        let at_ana = ana.page.playback_report().await?;
        println!("Bo received {}", at_bo.summary());
        println!("Ana, hidden, received {}", at_ana.summary());
        ensure!(!at_ana.visible, "the window was not hidden");
        // Bo receives what the hidden window captures and sends.
        at_bo.ensure_video("Bo", QualityBounds::APP.max_freeze)?;
        at_bo.ensure_audio("Bo", QualityBounds::APP.max_gap)?;
        // A hidden window presents no video; its audio has to go on, and its video to be there when it is shown.
        at_ana.ensure_audio("Ana", QualityBounds::APP.max_webview_gap)?;
        app.show_window().await?;
        ana.page.reset_playback_monitor().await?;
        let shown = ana.page.playback_report_after(Duration::from_secs(4)).await?;
        println!("Ana, shown again, received {}", shown.summary());
        shown.ensure_video("Ana", QualityBounds::APP.max_freeze)?;
        shown.ensure_audio("Ana", QualityBounds::APP.max_webview_gap)
    })
    .await
}

#[tokio::test]
#[ignore = "two minutes"]
async fn ten_calls_leak_no_resources() -> TestResult {
    scenario("native_ten_calls", async |env| {
        // No playback monitor: it creates objects for each call that the webview frees only at a garbage collection.
        let server = env.start_server().await?;
        let ana = log_in_client(env, "Ana", ClientKind::App, &server.url(), None).await?;
        let bo = log_in_client(env, "Bo", ClientKind::Chromium, &server.url(), None).await?;
        let app = ana.app.as_ref().context("an app")?;
        println!("before: {}", app.usage()?);
        let mut after = Vec::new();
        let mut second_census = BTreeMap::new();
        for round in 0..CALLS {
            let (caller, called) = if round % 2 == 0 { (&ana, &bo) } else { (&bo, &ana) };
            call(&caller.page, &called.page, CallKind::Video).await?;
            for page in [&ana.page, &bo.page] {
                let plays = r#"const it = one("remote-video"); return it && it.videoWidth > 0 && it.currentTime > 1"#;
                page.wait_until("playing video", MEDIA_TIMEOUT, plays).await?;
            }
            called.page.press("hang-up").await?;
            wait_until_released(&ana.page, &bo.page).await?;
            ana.page.run::<()>(COLLECT_GARBAGE).await?;
            let usage = stable_usage(|| app.usage(), after.get(1)).await?;
            println!("after call {}: {usage}", round + 1);
            after.push(usage);
            if round == 1 {
                second_census = resource_counts(&app.processes()?);
            }
        }
        println!(
            "grown since the second call:\n{}",
            describe_growth(&second_census, &resource_counts(&app.processes()?))
        );
        let (second, last) = (after[1], after[CALLS - 1]);
        ensure!(last.processes <= second.processes, "leaked processes: {second}, then {last}");
        ensure!(last.threads <= second.threads + MAX_THREAD_GROWTH, "leaked threads: {second}, then {last}");
        ensure!(last.sockets <= second.sockets, "leaked sockets: {second}, then {last}");
        ensure!(last.open_files <= second.open_files, "leaked open files: {second}, then {last}");
        // A single reading means little: uncollected garbage is up to 30 MiB.
        let least = |calls: &[ResourceUsage]| calls.iter().map(|usage| usage.memory_bytes).min().unwrap_or_default();
        let (before, after) = (least(&after[1..4]), least(&after[CALLS - 3..]));
        println!("memory grew by {:.1} MiB", (after as f64 - before as f64) / f64::from(1 << 20));
        ensure!(after <= before + MAX_MEMORY_GROWTH, "leaked memory: {before} bytes, then {after}");
        for client in [&ana, &bo] {
            client.page.ensure_no_errors().await?;
        }
        Ok(())
    })
    .await
}

/// Usage after threads and files have been stable for 3 s and are no more than before: they are released a little after
/// their call.
async fn stable_usage(
    read: impl Fn() -> hutong_e2e::Result<ResourceUsage>,
    before: Option<&ResourceUsage>,
) -> hutong_e2e::Result<ResourceUsage> {
    let mut ticks = tokio::time::interval(Duration::from_millis(250));
    let mut last = read()?;
    let mut same = 0;
    let deadline = tokio::time::Instant::now() + RELEASE_TIMEOUT + Duration::from_secs(7);
    while tokio::time::Instant::now() < deadline {
        ticks.tick().await;
        let now = read()?;
        same = if (now.threads, now.open_files) == (last.threads, last.open_files) { same + 1 } else { 0 };
        last = now;
        let is_low = before.is_none_or(|it| now.threads <= it.threads && now.open_files <= it.open_files);
        if same >= 12 && is_low {
            break;
        }
    }
    Ok(last)
}
