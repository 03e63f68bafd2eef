//! How the desktop app behaves on the desktop around it: one app for a profile, links, a closed window, tray, notifications, a
//! window that is remembered, starting with the system. Each test has a session bus of its own, with a desktop's services on it.

use std::{fs, path::Path, time::Duration};

use hutong_e2e::{
    Bus, Outcome, Page, Result, Setup, anyhow,
    bus::{State, Trays},
    desktop::{Mock, Named},
    ensure,
    page::SOON,
    scenario,
    steps::{LET_GO, With, connected, let_go, ring},
};

/// What the tests' apps are to say; the machine's own language does not matter.
fn in_english(setup: Setup) -> Setup {
    let mut setup = setup;
    for name in ["LC_ALL", "LANG", "LANGUAGE"] {
        setup.variables.push((name.into(), "en_US.UTF-8".into()));
    }
    setup
}

const OFFER: &str = r#"const it = one("offer"); return it && it.open && it.dataset.step === "asking""#;

#[tokio::test]
async fn a_second_start_hands_its_link_to_the_first_which_asks_and_does_no_more() -> Outcome {
    scenario("manners_second", async |world| {
        let bus = Bus::start(Trays::None).await?;
        let server = world.server().await?;
        let ana = world.log_in("Ana", &server).await?;
        let app = world.desktop_with("Bo", &in_english(Setup::calling(&server.url())).on(&bus)).await?;
        let bo = app.page();
        bo.log_in("Bo").await?;
        bo.sees("Ana", "online", SOON).await?;

        let link = format!("hutong://call/%61na?server={}", server.url());
        app.start_again(&[&link]).await?;
        bo.until("the offer", SOON, OFFER).await?;
        let question: String = bo.run(r#"return one("offer").querySelector("h2").innerText"#).await?;
        ensure!(question == format!("Call ana on {}?", server.url()), "{question}");
        ensure!(!bo.run::<bool>(r#"return !!one("call") || !!one("offer-moves")"#).await?, "a link did something");
        ana.is("online", SOON).await?;
        bo.press("offer-cancel").await?;
        bo.until("no offer", SOON, r#"return !one("offer")"#).await?;

        app.start_again(&["hutong://call/Ana?server=ftp://calls.example"]).await?;
        let told =
            r#"const it = one("app-problem"); return it && it.dataset.code === "link_invalid" && it.innerText.trim()"#;
        bo.until("the sentence about a bad link", SOON, told).await?;

        app.start_again(&[&format!("hutong://call/Nobody?server={}", server.url())]).await?;
        bo.until("the offer", SOON, OFFER).await?;
        bo.press("offer-call").await?;
        bo.until("that nobody is there", SOON, r#"return one("offer") && one("offer").dataset.step === "away""#)
            .await?;

        app.start_again(&[&link]).await?;
        bo.until("the offer", SOON, OFFER).await?;
        bo.press("offer-call").await?;
        ana.phase("incoming", SOON).await?;
        ana.press("decline").await?;
        bo.notice("declined", SOON).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn a_link_to_another_server_is_asked_about_twice_and_followed_after_the_answer() -> Outcome {
    scenario("manners_link", async |world| {
        let bus = Bus::start(Trays::None).await?;
        let server = world.server().await?;
        let ana = world.log_in("Ana", &server).await?;
        let link = format!("hutong://call/Ana?server={}", server.url());
        let setup = Setup { arguments: vec![link], devices: Mock::On, ..Setup::default() };
        let app = world.desktop_with("Bo", &in_english(setup).on(&bus)).await?;
        let bo = app.page();

        bo.until("the offer", SOON, OFFER).await?;
        let left = r#"return one("app-server").innerText.includes("inside this app") && !!one("offer-moves")"#;
        ensure!(bo.run::<bool>(left).await?, "the server was changed without an answer");
        ana.misses("Bo", Duration::ZERO).await?;
        bo.press("offer-call").await?;
        bo.until("to be asked for the name", SOON, r#"return !!one("offer-join")"#).await?;
        bo.log_in("Bo").await?;
        bo.until("the offer once more", SOON, OFFER).await?;
        ana.sees("Bo", "online", SOON).await?;
        bo.press("offer-call").await?;
        ana.phase("incoming", SOON).await?;
        ana.press("decline").await?;
        bo.notice("declined", SOON).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn two_profiles_run_side_by_side_and_remember_their_ports_and_windows() -> Outcome {
    scenario("manners_profiles", async |world| {
        let bus = Bus::start(Trays::None).await?;
        let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
        let mut apps = Vec::new();
        for (name, folder) in ["Ana", "Bo"].into_iter().zip(&folders) {
            apps.push(world.desktop_with(name, &by_argument(folder.path(), &bus)).await?);
        }
        let mut ports = Vec::new();
        for (app, folder) in apps.iter().zip(&folders) {
            // One logs in on its own server, which is none of the other's.
            app.page().log_in(app.page().name()).await?;
            ports.push(port(folder.path())?);
        }
        ensure!(ports[0] != ports[1], "both are on port {}", ports[0]);

        apps[0].resize(900, 640).await?;
        sized(apps[0].page(), 900, 640).await?;
        apps[0].quit().await?;
        let again = world.desktop_with("Ana", &by_argument(folders[0].path(), &bus)).await?;
        again.page().log_in("Ana").await?;
        sized(again.page(), 900, 640).await?;
        ensure!(port(folders[0].path())? == ports[0], "the port is another one");
        ensure!(again.page().run::<bool>(r#"return !one("app-problem")"#).await?, "the port was taken");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_call_comes_to_a_hidden_window_and_goes_on_in_one() -> Outcome {
    scenario("manners_hidden", async |world| {
        let bus = Bus::start(Trays::None).await?;
        let server = world.server().await?;
        let ana = world.log_in("Ana", &server).await?;
        let app = world.desktop_with("Bo", &in_english(Setup::calling(&server.url())).on(&bus)).await?;
        let bo = app.page();
        hear_tones(bo).await?;
        bo.log_in("Bo").await?;

        ring(&ana, bo, With::Video).await?;
        // The window is there, and the person is elsewhere.
        app.unfocus().await?;
        let told = bus.notification(SOON, |it| it.title == "Ana is calling" && it.state == State::Shown).await?;
        ensure!(told.body == "Incoming video call", "{told:?}");
        ensure!(told.actions.windows(2).any(|it| it == ["answer", "Answer"]), "{told:?}");
        app.close().await?;
        app.until_visibility("hidden").await?;
        bo.until("the tone to sound while hidden", SOON, "return tones.sounds()").await?;
        bo.phase("incoming", SOON).await?;
        // Without a tray a second start is the way back.
        app.start_again(&[]).await?;
        app.until_visibility("visible").await?;
        app.close().await?;
        app.until_visibility("hidden").await?;

        bus.press(&told, "answer").await?;
        connected(&ana, bo).await?;
        app.until_visibility("visible").await?;
        bus.notification(SOON, |it| it.id == told.id && it.state == State::Closed).await?;
        bo.until("the tone's clock to stand", SOON, "return tones.context.state === 'suspended'").await?;

        app.close().await?;
        app.until_visibility("hidden").await?;
        bus.notification(SOON, |it| it.title == "Your call goes on" && it.body.contains("start Hutong once more"))
            .await?;
        bo.phase("connected", SOON).await?;
        ana.press("hang-up").await?;
        ana.no_call(LET_GO).await?;
        // Nothing else would lead back to it.
        app.until_visibility("visible").await?;
        let_go(&ana, bo).await?;

        app.close().await?;
        app.until_ended().await?;
        ana.misses("Bo", SOON).await
    })
    .await
}

#[tokio::test]
async fn the_tray_shows_the_window_and_answers() -> Outcome {
    scenario("manners_tray", async |world| {
        let bus = Bus::start(Trays::Shown).await?;
        let server = world.server().await?;
        let ana = world.log_in("Ana", &server).await?;
        let app = world.desktop_with("Bo", &in_english(Setup::calling(&server.url())).on(&bus)).await?;
        let bo = app.page();
        bo.log_in("Bo").await?;
        bus.offers("Quit", SOON).await?;
        let labels: Vec<String> = bus.menu().await?.into_iter().map(|(_, label)| label).collect();
        ensure!(labels == ["Show Hutong", "Quit"], "{labels:?}");

        ring(&ana, bo, With::Voice).await?;
        app.close().await?;
        app.until_visibility("hidden").await?;
        bus.choose("Decline", SOON).await?;
        ana.notice("declined", SOON).await?;
        bo.no_call(SOON).await?;

        // Hidden as it is, the app is called again.
        let before = bus.notifications();
        ring(&ana, bo, With::Voice).await?;
        bus.notification(SOON, |it| it.id as usize > before && it.body == "Incoming voice call").await?;
        bus.choose("Answer", SOON).await?;
        connected(&ana, bo).await?;
        app.until_visibility("visible").await?;
        app.close().await?;
        app.until_visibility("hidden").await?;
        bus.notification(SOON, |it| it.title == "Your call goes on" && it.body.contains("in the tray")).await?;
        bus.choose("Show Hutong", SOON).await?;
        app.until_visibility("visible").await?;
        bo.phase("connected", SOON).await?;
        bus.choose("Quit", SOON).await?;
        app.until_ended().await?;
        ana.no_call(SOON).await
    })
    .await
}

#[tokio::test]
async fn starting_with_the_system_is_off_until_it_is_switched_on() -> Outcome {
    scenario("manners_autostart", async |world| {
        let folder = tempfile::tempdir()?;
        let setup = Setup { data: Some(folder.path().to_owned()), ..Setup::default() };
        let app = world.desktop_with("Ana", &setup).await?;
        let list = folder.path().join("home/.config/autostart");
        let is =
            |on| format!(r#"const it = one("autostart"); return it && it.getAttribute("aria-pressed") === "{on}""#);
        app.page().until("the switch to be off", SOON, &is(false)).await?;
        ensure!(entries(&list).is_empty(), "it starts without being asked: {:?}", entries(&list));

        app.page().press("autostart").await?;
        app.page().until("the switch to be on", SOON, &is(true)).await?;
        let [entry] = &entries(&list)[..] else { return Err(anyhow!("one entry, not {:?}", entries(&list))) };
        let text = fs::read_to_string(list.join(entry))?;
        let command = text.lines().find(|line| line.starts_with("Exec=")).unwrap_or_default();
        let profile = folder.path().canonicalize()?;
        ensure!(command.ends_with(&format!("hutong-app --profile \"{}\"", profile.display())), "{text}");

        app.page().press("autostart").await?;
        app.page().until("the switch to be off", SOON, &is(false)).await?;
        ensure!(entries(&list).is_empty(), "it still starts: {:?}", entries(&list));
        Ok(())
    })
    .await
}

/// An app whose profile is named by an argument alone.
fn by_argument(profile: &Path, bus: &Bus) -> Setup {
    let arguments = vec!["--profile".to_owned(), profile.display().to_string()];
    let data = Some(profile.to_owned());
    in_english(Setup { arguments, data, profile: Named::ByArgument, ..Setup::default() }).on(bus)
}

/// The port that a profile remembers.
fn port(profile: &Path) -> Result<u64> {
    let settings: serde_json::Value = serde_json::from_slice(&fs::read(profile.join("settings.json"))?)?;
    settings["port"].as_u64().ok_or_else(|| anyhow!("no port is remembered: {settings}"))
}

async fn sized(page: &Page, width: u32, height: u32) -> Result<()> {
    let size = format!("return innerWidth === {width} && innerHeight === {height}");
    page.until(&format!("a window of {width} by {height}"), SOON, &size).await
}

/// Has a page keep what makes its tones, before it makes any: they sound as long as that one's clock goes on.
async fn hear_tones(page: &Page) -> Result<()> {
    page.run(
        r#"const real = BaseAudioContext.prototype.createOscillator;
        window.tones = {
            context: null,
            // Notes are written into a timetable, and the timetable goes on.
            sounds() {
                if (!this.context || this.context.state !== "running") return false;
                this.since ??= this.context.currentTime;
                return this.context.currentTime > this.since + 1;
            },
        };
        BaseAudioContext.prototype.createOscillator = function () {
            window.tones.context = this;
            return real.call(this);
        };"#,
    )
    .await
}

fn entries(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}
