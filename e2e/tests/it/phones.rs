//! What is peculiar to phones: notches and bars that cover the page, and devices that the system takes away in a call.

use hutong_e2e::{
    Outcome, Page, Permissions, Profile, Result, ensure,
    page::SOON,
    paths, scenario,
    steps::{MEDIA, With, call, connected, let_go, ring},
};
use serde_json::json;

/// The size of a page, and what covers it at the top, right, bottom and left, in CSS pixels: as on a recent iPhone.
struct Screen {
    name: &'static str,
    size: (u32, u32),
    covered: [u32; 4],
}

const UPRIGHT: Screen = Screen { name: "upright", size: (390, 844), covered: [47, 0, 34, 0] };
const LYING: Screen = Screen { name: "lying", size: (844, 390), covered: [0, 47, 21, 47] };

/// Gives the page such a screen.
async fn show(page: &Page, screen: &Screen) -> Result<()> {
    let (width, height) = screen.size;
    let [top, right, bottom, left] = screen.covered;
    let insets = json!({ "insets": { "top": top, "right": right, "bottom": bottom, "left": left } });
    page.driver().cdp().send_raw("Emulation.setSafeAreaInsetsOverride", insets).await?;
    page.look(width, height, "dark").await?;
    // Without this the rest would hold whatever the style sheets say.
    let told = format!(
        "const probe = document.body.appendChild(document.createElement('div'));
        probe.style.paddingTop = 'env(safe-area-inset-top)';
        probe.style.paddingRight = 'env(safe-area-inset-right)';
        const {{ paddingTop, paddingRight }} = getComputedStyle(probe);
        const told = [paddingTop, paddingRight].join();
        probe.remove();
        return told === '{top}px,{right}px'"
    );
    page.until("the page to know what is covered", SOON, &told).await
}

/// Checks that nothing to press or to read is covered, and takes a picture to look at.
async fn keeps_clear(page: &Page, screen: &Screen, what: &str) -> Result<()> {
    show(page, screen).await?;
    let folder = paths::shots()?.join("phones");
    std::fs::create_dir_all(&folder)?;
    page.picture(&folder.join(format!("{what}-{}.png", screen.name))).await?;
    let [top, right, bottom, left] = screen.covered;
    let script = format!(
        r#"const scope = one("call") || document.querySelector(".page");
        const scrolls = scope !== one("call") && document.documentElement.scrollHeight > innerHeight;
        const words = "button, input, a[href], select, .control-words, .call-hint, .who-name, .self-name, .me-name, h1, h2";
        const seen = [...scope.querySelectorAll(words)].filter((it) => it.checkVisibility({{ opacityProperty: true }}));
        return seen.filter((it) => it.getBoundingClientRect().width > 1).flatMap((it) => {{
            const at = it.getBoundingClientRect();
            const covered = at.top < {top} || at.left < {left} || at.right > innerWidth - {right}
                || (!scrolls && at.bottom > innerHeight - {bottom});
            return covered ? [`${{it.className || it.tagName}} ${{JSON.stringify(at)}}`] : [];
        }})"#
    );
    let covered: Vec<String> = page.run(&script).await?;
    ensure!(covered.is_empty(), "{what}, {}: covered are {covered:#?}", screen.name);
    Ok(())
}

#[tokio::test]
async fn nothing_is_covered_by_a_notch_or_a_bar() -> Outcome {
    scenario("safe_areas", async |world| {
        let server = world.server().await?;
        let bo = world.log_in("Bo", &server).await?;
        let ana = world.open("Ana", &server.url()).await?;
        ana.until("the main page", SOON, "return one('login')").await?;
        let screens = [UPRIGHT, LYING];
        for screen in &screens {
            keeps_clear(&ana, screen, "login").await?;
        }
        show(&ana, &UPRIGHT).await?;
        ana.log_in("Ana").await?;
        ana.sees("Bo", "online", SOON).await?;
        for screen in &screens {
            keeps_clear(&ana, screen, "roster").await?;
        }
        ring(&bo, &ana, With::Video).await?;
        for screen in &screens {
            keeps_clear(&ana, screen, "incoming").await?;
        }
        show(&ana, &UPRIGHT).await?;
        ana.press("accept-video").await?;
        connected(&bo, &ana).await?;
        ana.receives(20, MEDIA).await?;
        ana.until("the picture", SOON, "return one('call').classList.contains('with-picture')").await?;
        for screen in &screens {
            keeps_clear(&ana, screen, "call").await?;
        }
        show(&ana, &UPRIGHT).await?;
        ana.press("more").await?;
        ana.until("the devices", SOON, "return one('settings')").await?;
        for screen in &screens {
            keeps_clear(&ana, screen, "devices").await?;
        }
        ana.ensure_no_errors().await
    })
    .await
}

#[tokio::test]
async fn pictures_play_within_the_page_and_the_own_one_without_sound() -> Outcome {
    scenario("inline", async |world| {
        let server = world.server().await?;
        let ana = world.log_in("Ana", &server).await?;
        let bo = world.log_in("Bo", &server).await?;
        call(&ana, &bo, With::Video).await?;
        ana.receives(20, MEDIA).await?;
        let plays = "return ['local-video', 'remote-video'].every((id) =>
            one(id).playsInline && one(id).autoplay && !one(id).paused) && one('local-video').muted && !one('remote-video').muted";
        ana.until("both to play", SOON, plays).await?;

        // As the system does it for a telephone call; and then the person.
        ana.run::<()>("one('remote-video').pause()").await?;
        ana.press("hear").await?;
        ana.until("it to play on", SOON, "return !one('remote-video').paused && !one('hear')").await?;
        ana.press("hang-up").await?;
        let_go(&ana, &bo).await
    })
    .await
}

/// Whether the other side shows that there is no picture, and no black page in its place.
const NO_PICTURE: &str = "return !one('call').classList.contains('with-picture')";

#[tokio::test]
async fn a_camera_that_the_system_takes_for_a_while_comes_back_by_itself() -> Outcome {
    scenario("camera_held", async |world| {
        let server = world.server().await?;
        let mut people = Vec::new();
        for (name, language) in [("Ana", "en-US"), ("Bo", "zh-CN")] {
            let page = world.page(name, &Profile { language, ..Profile::default() }).await?;
            page.open(&server.url()).await?;
            page.log_in(name).await?;
            people.push(page);
        }
        let [ana, bo] = [&people[0], &people[1]];
        call(ana, bo, With::Video).await?;
        camera_held(ana, bo, "Your camera is taken").await?;
        camera_held(bo, ana, "摄像头正被电话").await
    })
    .await
}

/// The system takes somebody's camera and gives it back: they are told in their language, and the other sees it.
async fn camera_held(page: &Page, other: &Page, said: &str) -> Result<()> {
    other.receives(20, MEDIA).await?;
    other.until("the picture", SOON, "return one('call').classList.contains('with-picture')").await?;
    // No browser on a desktop lets the system do this: the track says it as on a phone.
    let tell = |muted: bool| {
        format!(
            "const track = e2e.tracks.find((track) => track.kind === 'video' && track.readyState === 'live');
            Object.defineProperty(track, 'muted', {{ value: {muted}, configurable: true }});
            track.dispatchEvent(new Event('{}'))",
            if muted { "mute" } else { "unmute" }
        )
    };
    page.run::<()>(&tell(true)).await?;
    other.until("no picture", SOON, NO_PICTURE).await?;
    let sentence = page.until_some("the sentence", SOON, "return one('camera-held')?.innerText").await?;
    ensure!(sentence.as_str().is_some_and(|text| text.contains(said)), "{sentence}");
    page.run::<()>(&tell(false)).await?;
    page.until("no sentence", SOON, "return !one('camera-held')").await?;
    other.until("the picture again", SOON, "return one('call').classList.contains('with-picture')").await?;
    let before = other.received().await?;
    other.receives(before.frames + 20, MEDIA).await
}

#[tokio::test]
async fn a_camera_that_the_system_takes_for_good_comes_back_with_one_press() -> Outcome {
    scenario("camera_taken", async |world| {
        let server = world.server().await?;
        let ana = world.page("Ana", &Profile { permissions: Permissions::AsSet, ..Profile::default() }).await?;
        ana.open(&server.url()).await?;
        ana.log_in("Ana").await?;
        for device in ["camera", "microphone"] {
            ana.permit(device, "granted", &server.url()).await?;
        }
        let bo = world.log_in("Bo", &server).await?;
        call(&ana, &bo, With::Video).await?;
        bo.receives(20, MEDIA).await?;

        // Chromium itself ends the track when the leave for it is withdrawn.
        ana.permit("camera", "denied", &server.url()).await?;
        ana.until("the sentence", SOON, "return one('camera-lost')").await?;
        bo.until("no picture", SOON, NO_PICTURE).await?;
        bo.until("the voice to go on", MEDIA, "return (await e2e.received()).energy > 0").await?;
        ana.permit("camera", "granted", &server.url()).await?;
        ana.press("camera").await?;
        ana.until("no sentence", SOON, "return !one('camera-lost')").await?;
        let before = bo.received().await?;
        bo.receives(before.frames + 20, MEDIA).await?;
        ana.press("hang-up").await?;
        let_go(&ana, &bo).await
    })
    .await
}
