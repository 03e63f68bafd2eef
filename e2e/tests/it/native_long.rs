//! What the desktop app stands for long, and leaves behind. Ignored by default, since it takes minutes: `cargo xtask test --full`.

use std::{collections::BTreeMap, time::Duration};

use hutong_e2e::{
    Context, Outcome,
    call_quality::Bounds,
    ensure,
    people::{Microphone, With, one, two},
    scenario,
    steps::{self, LET_GO, MEDIA, call, let_go},
    usage::{Usage, census, grown},
};

/// How long the window is hidden.
const HIDDEN: Duration = Duration::from_secs(60);

const CALLS: usize = 10;

/// How much more memory the last three calls may leave than the second to the fourth: WebKitGTK 2.50 keeps about 4 MiB of each call,
/// part of it for each capture and each audio worklet, whoever asks for one.
const MEMORY: u64 = 48 << 20;

/// How many more threads than after the second call: the webview's own helpers come and go. A call that left one would leave eight.
const THREADS: usize = 3;

/// Makes the webview collect its garbage, as it does by itself some time: a call's tracks are let go then, and with them the
/// threads of WebKit's mock devices.
const GARBAGE: &str = "for (let round = 0; round < 100; round += 1) new Uint8Array(8e6).fill(round); return null";

#[tokio::test]
#[ignore = "a minute and a half"]
async fn a_call_goes_on_while_the_window_is_hidden() -> Outcome {
    scenario("native_hidden", async |world| {
        let [ana, bo] = two(world, [With::App, With::Chromium], Microphone::Voice, None).await?;
        let app = ana.app.as_ref().context("an app")?;
        call(&ana.page, &bo.page, steps::With::Video).await?;
        for page in [&ana.page, &bo.page] {
            page.watch().await?;
            page.sees_and_hears(MEDIA).await?;
            // What the first seconds of a call lack has nothing to do with the window.
            page.hears_steadily(Bounds::APP.gap).await?;
        }
        app.hide().await?;
        for page in [&ana.page, &bo.page] {
            page.watch_anew().await?;
        }
        let at_bo = bo.page.seen_for(HIDDEN).await?;
        let at_ana = ana.page.seen().await?;
        println!("Bo saw and heard {}", at_bo.summary());
        println!("Ana, hidden, heard {}", at_ana.summary());
        ensure!(!at_ana.visible, "the window was not hidden");
        // What Bo sees and hears is what the hidden window captures and sends.
        at_bo.ensure_picture("Bo", Bounds::APP.still)?;
        at_bo.ensure_voice("Bo", Bounds::APP.gap)?;
        // A hidden window shows nobody a picture; the voice has to go on, and the picture to be there when it is shown.
        at_ana.ensure_voice("Ana", Bounds::APP.gap)?;
        app.show().await?;
        ana.page.watch_anew().await?;
        let shown = ana.page.seen_for(Duration::from_secs(4)).await?;
        println!("Ana, shown again, saw and heard {}", shown.summary());
        shown.ensure_picture("Ana", Bounds::APP.still)?;
        shown.ensure_voice("Ana", Bounds::APP.gap)
    })
    .await
}

#[tokio::test]
#[ignore = "two minutes"]
async fn ten_calls_leave_nothing_behind() -> Outcome {
    scenario("native_ten_calls", async |world| {
        // Not watched: that makes things in the page for each call that the webview lets go only when it collects garbage.
        let server = world.server().await?;
        let ana = one(world, "Ana", With::App, &server.url(), None).await?;
        let bo = one(world, "Bo", With::Chromium, &server.url(), None).await?;
        let app = ana.app.as_ref().context("an app")?;
        println!("before: {}", app.usage()?);
        let mut after = Vec::new();
        let mut second_census = BTreeMap::new();
        for round in 0..CALLS {
            let (caller, called) = if round % 2 == 0 { (&ana, &bo) } else { (&bo, &ana) };
            call(&caller.page, &called.page, steps::With::Video).await?;
            for page in [&ana.page, &bo.page] {
                let plays = r#"const it = one("remote-video"); return it && it.videoWidth > 0 && it.currentTime > 1"#;
                page.until("a picture that plays", MEDIA, plays).await?;
            }
            called.page.press("hang-up").await?;
            let_go(&ana.page, &bo.page).await?;
            ana.page.run::<()>(GARBAGE).await?;
            let usage = settled(|| app.usage(), after.get(1)).await?;
            println!("after call {}: {usage}", round + 1);
            after.push(usage);
            if round == 1 {
                second_census = census(&app.processes()?);
            }
        }
        println!("grown since the second call:\n{}", grown(&second_census, &census(&app.processes()?)));
        let (second, last) = (after[1], after[CALLS - 1]);
        ensure!(last.processes <= second.processes, "processes are left: {second} and then {last}");
        ensure!(last.threads <= second.threads + THREADS, "threads are left: {second} and then {last}");
        ensure!(last.sockets <= second.sockets, "sockets are left: {second} and then {last}");
        ensure!(last.files <= second.files, "open files are left: {second} and then {last}");
        // Each by itself says little: what the collector has not come to is 30 MiB now and then.
        let least = |calls: &[Usage]| calls.iter().map(|usage| usage.memory).min().unwrap_or_default();
        let (before, after) = (least(&after[1..4]), least(&after[CALLS - 3..]));
        println!("memory grew by {:.1} MiB", (after as f64 - before as f64) / f64::from(1 << 20));
        ensure!(after <= before + MEMORY, "memory is left: {before} bytes and then {after}");
        for person in [&ana, &bo] {
            person.page.ensure_no_errors().await?;
        }
        Ok(())
    })
    .await
}

/// What is used once nothing more is being let go, or no more than before: threads and sockets end a little after their call.
async fn settled(read: impl Fn() -> hutong_e2e::Result<Usage>, before: Option<&Usage>) -> hutong_e2e::Result<Usage> {
    let mut ticks = tokio::time::interval(Duration::from_millis(250));
    let mut last = read()?;
    let mut same = 0;
    let deadline = tokio::time::Instant::now() + LET_GO + Duration::from_secs(7);
    while tokio::time::Instant::now() < deadline {
        ticks.tick().await;
        let now = read()?;
        same = if (now.threads, now.files) == (last.threads, last.files) { same + 1 } else { 0 };
        last = now;
        let is_low = before.is_none_or(|it| now.threads <= it.threads && now.files <= it.files);
        if same >= 12 && is_low {
            break;
        }
    }
    Ok(last)
}
