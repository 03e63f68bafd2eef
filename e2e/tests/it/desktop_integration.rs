//! Desktop integration of the app: single instance, call links, closing to the background, tray, notifications, window
//! restore, autostart. Each test has its own session bus with doubles of the desktop's services.

use std::{fs, path::Path, time::Duration};

use hutong_e2e::{
    AppOptions, Result, SessionBus, TestPage, TestResult, anyhow,
    call_steps::{CallKind, RELEASE_TIMEOUT, ring, wait_until_connected, wait_until_released},
    dbus::{NotificationState, TraySupport},
    desktop::{ProfileSource, TestDevices, WindowManagement},
    ensure,
    page::UI_TIMEOUT,
    scenario,
    window_manager::Placement,
};

/// Sets the app's language, independent of the machine's.
fn in_english(options: AppOptions) -> AppOptions {
    let mut options = options;
    for name in ["LC_ALL", "LANG", "LANGUAGE"] {
        options.env_vars.push((name.into(), "en_US.UTF-8".into()));
    }
    options
}

const IS_ASKING: &str = r#"const it = one("call-link"); return it && it.open && it.dataset.step === "asking""#;

#[tokio::test]
async fn a_second_instance_passes_its_link_to_the_first_which_asks_before_acting() -> TestResult {
    scenario("desktop_integration_second", async |env| {
        let bus = SessionBus::start(TraySupport::Absent).await?;
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let app =
            env.start_app_with("Bo", &in_english(AppOptions::with_test_devices(&server.url())).on_bus(&bus)).await?;
        let bo = app.page();
        bo.log_in("Bo").await?;
        bo.wait_for_user_state("Ana", "online", UI_TIMEOUT).await?;

        let link = format!("hutong://call/%61na?server={}", server.url());
        app.start_second_instance(&[&link]).await?;
        bo.wait_until("the call link dialog", UI_TIMEOUT, IS_ASKING).await?;
        let question: String = bo.run(r#"return one("call-link").querySelector("h2").innerText"#).await?;
        ensure!(question == format!("Call ana on {}?", server.url()), "{question}");
        ensure!(
            !bo.run::<bool>(r#"return !!one("call") || !!one("call-link-moves")"#).await?,
            "the link acted without a confirmation"
        );
        ana.wait_for_own_state("online", UI_TIMEOUT).await?;
        bo.press("call-link-cancel").await?;
        bo.wait_until("the call link dialog to close", UI_TIMEOUT, r#"return !one("call-link")"#).await?;

        app.start_second_instance(&["hutong://call/Ana?server=ftp://calls.example"]).await?;
        let error =
            r#"const it = one("app-problem"); return it && it.dataset.code === "link_invalid" && it.innerText.trim()"#;
        bo.wait_until("the error for an invalid link", UI_TIMEOUT, error).await?;

        app.start_second_instance(&[&format!("hutong://call/Nobody?server={}", server.url())]).await?;
        bo.wait_until("the call link dialog", UI_TIMEOUT, IS_ASKING).await?;
        bo.press("call-link-call").await?;
        bo.wait_until(
            "the notice that the user is offline",
            UI_TIMEOUT,
            r#"return one("call-link") && one("call-link").dataset.step === "offline""#,
        )
        .await?;

        app.start_second_instance(&[&link]).await?;
        bo.wait_until("the call link dialog", UI_TIMEOUT, IS_ASKING).await?;
        bo.press("call-link-call").await?;
        ana.wait_for_phase("incoming", UI_TIMEOUT).await?;
        ana.press("decline").await?;
        bo.wait_for_notice("declined", UI_TIMEOUT).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn a_covered_window_comes_to_the_front_when_the_desktop_allows_it_and_else_asks_for_attention() -> TestResult {
    scenario("desktop_integration_covered", async |env| {
        let bus = SessionBus::start(TraySupport::Absent).await?;
        let options = AppOptions { windows: WindowManagement::WindowManager, ..AppOptions::default() };
        let app = env.start_app_with("Bo", &in_english(options).on_bus(&bus)).await?;
        let windows = app.window_manager()?;
        // Their last use tells the window manager which one the person works in.
        windows.use_app(UI_TIMEOUT).await?;
        windows.use_other_program()?;
        windows.wait_for_placement(Placement::Behind, UI_TIMEOUT).await?;

        app.start_second_instance(&[]).await?;
        windows.wait_for_placement(Placement::WantsAttention, UI_TIMEOUT).await?;

        // Startup Notification Protocol: the identifier of a start ends with the time of the click that caused it.
        for (variable, link) in [("DESKTOP_STARTUP_ID", None), ("XDG_ACTIVATION_TOKEN", Some("hutong://call/Ana"))] {
            let clicked = windows.use_other_program()?;
            let token = format!("launcher/hutong/1-0-desktop_TIME{clicked}");
            app.start_second_instance_with(link.as_slice(), &[(variable, &token)]).await?;
            windows.wait_for_placement(Placement::InFront, UI_TIMEOUT).await?;
            windows.use_other_program()?;
            windows.wait_for_placement(Placement::Behind, UI_TIMEOUT).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_link_to_another_server_needs_two_confirmations() -> TestResult {
    scenario("desktop_integration_link", async |env| {
        let bus = SessionBus::start(TraySupport::Absent).await?;
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let link = format!("hutong://call/Ana?server={}", server.url());
        let options = AppOptions { arguments: vec![link], devices: TestDevices::On, ..AppOptions::default() };
        let app = env.start_app_with("Bo", &in_english(options).on_bus(&bus)).await?;
        let bo = app.page();

        bo.wait_until("the call link dialog", UI_TIMEOUT, IS_ASKING).await?;
        let is_unchanged =
            r#"return one("app-server")?.innerText.includes("inside this app") && one("call-link-moves")"#;
        bo.wait_until("the server that was in use before, and a word about the other", UI_TIMEOUT, is_unchanged)
            .await?;
        ana.wait_until_user_gone("Bo", Duration::ZERO).await?;
        bo.press("call-link-call").await?;
        bo.wait_until("to be asked for the name", UI_TIMEOUT, r#"return !!one("call-link-login")"#).await?;
        bo.log_in("Bo").await?;
        bo.wait_until("the call link dialog again", UI_TIMEOUT, IS_ASKING).await?;
        ana.wait_for_user_state("Bo", "online", UI_TIMEOUT).await?;
        bo.press("call-link-call").await?;
        ana.wait_for_phase("incoming", UI_TIMEOUT).await?;
        ana.press("decline").await?;
        bo.wait_for_notice("declined", UI_TIMEOUT).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn two_profiles_run_in_parallel_and_remember_their_users_ports_and_window_sizes() -> TestResult {
    scenario("desktop_integration_profiles", async |env| {
        let bus = SessionBus::start(TraySupport::Absent).await?;
        let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
        let mut apps = Vec::new();
        for (name, folder) in ["Ana", "Bo"].into_iter().zip(&folders) {
            apps.push(env.start_app_with(name, &options_with_profile(folder.path(), &bus)).await?);
        }
        let mut ports = Vec::new();
        for (app, folder) in apps.iter().zip(&folders) {
            // Each logs in on its own embedded server.
            app.page().log_in(app.page().name()).await?;
            ports.push(stored_port(folder.path())?);
        }
        ensure!(ports[0] != ports[1], "both apps use port {}", ports[0]);

        apps[0].resize_window(900, 640).await?;
        wait_for_size(apps[0].page(), 900, 640).await?;
        apps[0].quit().await?;
        let again = env.start_app_with("Ana", &options_with_profile(folders[0].path(), &bus)).await?;
        // The session goes on by itself.
        again.page().wait_for_own_state("online", UI_TIMEOUT).await?;
        wait_for_size(again.page(), 900, 640).await?;
        ensure!(stored_port(folders[0].path())? == ports[0], "the port was not remembered");
        ensure!(again.page().run::<bool>(r#"return !one("app-problem")"#).await?, "the port was taken");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_hidden_window_receives_and_continues_a_call() -> TestResult {
    scenario("desktop_integration_hidden", async |env| {
        let bus = SessionBus::start(TraySupport::Absent).await?;
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let app =
            env.start_app_with("Bo", &in_english(AppOptions::with_test_devices(&server.url())).on_bus(&bus)).await?;
        let bo = app.page();
        record_tones(bo).await?;
        bo.log_in("Bo").await?;

        ring(&ana, bo, CallKind::Video).await?;
        // The window is visible, but the person uses another program.
        app.unfocus_window().await?;
        let ringing = bus
            .wait_for_notification(UI_TIMEOUT, |it| {
                it.title == "Ana is calling" && it.state == NotificationState::Visible
            })
            .await?;
        ensure!(ringing.body == "Incoming video call", "{ringing:?}");
        ensure!(ringing.actions.windows(2).any(|it| it == ["answer", "Answer"]), "{ringing:?}");
        app.close_window().await?;
        app.wait_for_visibility("hidden").await?;
        bo.wait_until("the ringtone to sound while hidden", UI_TIMEOUT, "return tones.sounds()").await?;
        bo.wait_for_phase("incoming", UI_TIMEOUT).await?;
        // Without a tray, a second instance shows the window again.
        app.start_second_instance(&[]).await?;
        app.wait_for_visibility("visible").await?;
        app.close_window().await?;
        app.wait_for_visibility("hidden").await?;

        bus.invoke_action(&ringing, "answer").await?;
        wait_until_connected(&ana, bo).await?;
        app.wait_for_visibility("visible").await?;
        bus.wait_for_notification(UI_TIMEOUT, |it| it.id == ringing.id && it.state == NotificationState::Closed)
            .await?;
        bo.wait_until(
            "the ringtone's audio context to be suspended",
            UI_TIMEOUT,
            "return tones.context.state === 'suspended'",
        )
        .await?;

        app.close_window().await?;
        app.wait_for_visibility("hidden").await?;
        bus.wait_for_notification(UI_TIMEOUT, |it| {
            it.title == "Your call continues" && it.body.contains("start Hutong again")
        })
        .await?;
        bo.wait_for_phase("connected", UI_TIMEOUT).await?;
        ana.press("hang-up").await?;
        ana.wait_until_no_call(RELEASE_TIMEOUT).await?;
        // Nothing else could show the window again.
        app.wait_for_visibility("visible").await?;
        wait_until_released(&ana, bo).await?;

        app.close_window().await?;
        bo.press("close-quit").await?;
        app.wait_until_exited().await?;
        ana.wait_until_user_gone("Bo", UI_TIMEOUT).await
    })
    .await
}

#[tokio::test]
async fn closing_the_window_is_asked_about_once_and_keeps_the_person_reachable() -> TestResult {
    scenario("desktop_integration_close", async |env| {
        let bus = SessionBus::start(TraySupport::Present).await?;
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let app =
            env.start_app_with("Bo", &in_english(AppOptions::with_test_devices(&server.url())).on_bus(&bus)).await?;
        let bo = app.page();
        bo.log_in("Bo").await?;
        bus.wait_for_menu_entry("Quit", UI_TIMEOUT).await?;
        const IS_ASKED: &str = "return one('close-question')?.open";
        const NOT_ASKED: &str = "return !one('close-question')";
        app.close_window().await?;
        bo.wait_until("the question", UI_TIMEOUT, IS_ASKED).await?;
        bo.press("close-cancel").await?;
        bo.wait_until("the question to go", UI_TIMEOUT, NOT_ASKED).await?;
        ensure!(bo.run::<bool>("return document.visibilityState === 'visible'").await?, "cancelling hides the window");

        app.close_window().await?;
        bo.wait_until("the question", UI_TIMEOUT, IS_ASKED).await?;
        bo.press("close-stay").await?;
        app.wait_for_visibility("hidden").await?;
        // Others can ring.
        ring(&ana, bo, CallKind::Voice).await?;
        bus.wait_for_notification(UI_TIMEOUT, |it| it.title == "Ana is calling").await?;
        ana.press("hang-up").await?;
        bo.wait_until_no_call(UI_TIMEOUT).await?;
        ensure!(
            bo.run::<bool>("return document.visibilityState === 'hidden'").await?,
            "a missed call shows the window"
        );
        bus.choose_menu_entry("Show Hutong", UI_TIMEOUT).await?;
        app.wait_for_visibility("visible").await?;

        // Not asked again, until the settings say otherwise.
        app.close_window().await?;
        app.wait_for_visibility("hidden").await?;
        ensure!(bo.run::<bool>(NOT_ASKED).await?, "asked twice");
        bus.choose_menu_entry("Show Hutong", UI_TIMEOUT).await?;
        app.wait_for_visibility("visible").await?;
        bo.press("stay-reachable").await?;
        bo.wait_until("the switch to be off", UI_TIMEOUT, "return one('stay-reachable').ariaPressed === 'false'")
            .await?;
        app.close_window().await?;
        app.wait_until_exited().await
    })
    .await
}

#[tokio::test]
async fn a_page_that_does_not_answer_cannot_keep_its_window_open() -> TestResult {
    scenario("desktop_integration_close_twice", async |env| {
        let bus = SessionBus::start(TraySupport::Absent).await?;
        let server = env.start_server().await?;
        let app =
            env.start_app_with("Bo", &in_english(AppOptions::with_test_devices(&server.url())).on_bus(&bus)).await?;
        app.page().log_in("Bo").await?;
        app.close_window().await?;
        app.page().wait_until("the question", UI_TIMEOUT, "return one('close-question')?.open").await?;
        app.close_window().await?;
        app.wait_until_exited().await
    })
    .await
}

#[tokio::test]
async fn the_tray_menu_shows_the_window_and_answers_calls() -> TestResult {
    scenario("desktop_integration_tray", async |env| {
        let bus = SessionBus::start(TraySupport::Present).await?;
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let app =
            env.start_app_with("Bo", &in_english(AppOptions::with_test_devices(&server.url())).on_bus(&bus)).await?;
        let bo = app.page();
        bo.log_in("Bo").await?;
        bus.wait_for_menu_entry("Quit", UI_TIMEOUT).await?;
        let labels: Vec<String> = bus.tray_menu().await?.into_iter().map(|(_, label)| label).collect();
        ensure!(labels == ["Show Hutong", "Quit"], "{labels:?}");

        ring(&ana, bo, CallKind::Voice).await?;
        app.close_window().await?;
        app.wait_for_visibility("hidden").await?;
        bus.choose_menu_entry("Decline", UI_TIMEOUT).await?;
        ana.wait_for_notice("declined", UI_TIMEOUT).await?;
        bo.wait_until_no_call(UI_TIMEOUT).await?;

        // The hidden app is called again.
        let before = bus.notification_count();
        ring(&ana, bo, CallKind::Voice).await?;
        bus.wait_for_notification(UI_TIMEOUT, |it| it.id as usize > before && it.body == "Incoming voice call").await?;
        bus.choose_menu_entry("Answer", UI_TIMEOUT).await?;
        wait_until_connected(&ana, bo).await?;
        app.wait_for_visibility("visible").await?;
        app.close_window().await?;
        app.wait_for_visibility("hidden").await?;
        bus.wait_for_notification(UI_TIMEOUT, |it| {
            it.title == "Your call continues" && it.body.contains("in the tray")
        })
        .await?;
        bus.choose_menu_entry("Show Hutong", UI_TIMEOUT).await?;
        app.wait_for_visibility("visible").await?;
        bo.wait_for_phase("connected", UI_TIMEOUT).await?;
        bus.choose_menu_entry("Quit", UI_TIMEOUT).await?;
        app.wait_until_exited().await?;
        ana.wait_until_no_call(UI_TIMEOUT).await
    })
    .await
}

#[tokio::test]
async fn an_app_that_the_system_starts_is_hidden_and_rings() -> TestResult {
    scenario("desktop_integration_begins_hidden", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let folder = tempfile::tempdir()?;
        let options = in_english(AppOptions {
            data_dir: Some(folder.path().to_owned()),
            arguments: vec!["--hidden".to_owned()],
            ..AppOptions::with_test_devices(&server.url())
        });
        // Nobody is logged in: the window asks for the name.
        let app = env.start_app_with("Bo", &options).await?;
        app.wait_for_visibility("visible").await?;
        app.page().log_in("Bo").await?;
        app.quit().await?;

        let bus = SessionBus::start(TraySupport::Present).await?;
        let app = env.start_app_with("Bo", &options.clone().on_bus(&bus)).await?;
        let bo = app.page();
        bo.wait_for_own_state("online", UI_TIMEOUT).await?;
        bus.wait_for_menu_entry("Quit", UI_TIMEOUT).await?;
        app.start_second_instance(&["--hidden"]).await?;
        ring(&ana, bo, CallKind::Voice).await?;
        let ringing = bus.wait_for_notification(UI_TIMEOUT, |it| it.title == "Ana is calling").await?;
        app.wait_for_visibility("hidden").await?;
        bus.invoke_action(&ringing, "answer").await?;
        wait_until_connected(&ana, bo).await?;
        app.wait_for_visibility("visible").await?;
        ana.press("hang-up").await?;
        wait_until_released(&ana, bo).await?;
        app.quit().await?;

        // Without a tray it is in the window list.
        let bus = SessionBus::start(TraySupport::Absent).await?;
        let options = AppOptions { windows: WindowManagement::WindowManager, ..options }.on_bus(&bus);
        let app = env.start_app_with("Bo", &options).await?;
        app.page().wait_for_own_state("online", UI_TIMEOUT).await?;
        app.window_manager()?.wait_for_placement(Placement::Behind, UI_TIMEOUT).await?;
        app.wait_for_visibility("hidden").await?;
        app.start_second_instance(&[]).await?;
        app.wait_for_visibility("visible").await
    })
    .await
}

#[tokio::test]
async fn autostart_is_off_until_it_is_switched_on() -> TestResult {
    scenario("desktop_integration_autostart", async |env| {
        let folder = tempfile::tempdir()?;
        let options = AppOptions { data_dir: Some(folder.path().to_owned()), ..AppOptions::default() };
        let app = env.start_app_with("Ana", &options).await?;
        let autostart_dir = folder.path().join("home/.config/autostart");
        let is =
            |on| format!(r#"const it = one("autostart"); return it && it.getAttribute("aria-pressed") === "{on}""#);
        app.page().wait_until("the switch to be off", UI_TIMEOUT, &is(false)).await?;
        ensure!(file_names(&autostart_dir).is_empty(), "autostart is on by default: {:?}", file_names(&autostart_dir));

        app.page().press("autostart").await?;
        app.page().wait_until("the switch to be on", UI_TIMEOUT, &is(true)).await?;
        let [entry] = &file_names(&autostart_dir)[..] else {
            return Err(anyhow!("expected one entry, not {:?}", file_names(&autostart_dir)));
        };
        let text = fs::read_to_string(autostart_dir.join(entry))?;
        let command = text.lines().find(|line| line.starts_with("Exec=")).unwrap_or_default();
        let profile = folder.path().canonicalize()?;
        ensure!(command.ends_with(&format!("hutong-app --hidden --profile \"{}\"", profile.display())), "{text}");

        app.page().press("autostart").await?;
        app.page().wait_until("the switch to be off", UI_TIMEOUT, &is(false)).await?;
        ensure!(file_names(&autostart_dir).is_empty(), "autostart is still on: {:?}", file_names(&autostart_dir));
        Ok(())
    })
    .await
}

/// Options of an app whose profile is set by a command line argument alone.
fn options_with_profile(profile: &Path, bus: &SessionBus) -> AppOptions {
    let arguments = vec!["--profile".to_owned(), profile.display().to_string()];
    let data_dir = Some(profile.to_owned());
    in_english(AppOptions { arguments, data_dir, profile_source: ProfileSource::Argument, ..AppOptions::default() })
        .on_bus(bus)
}

/// The port stored in a profile.
fn stored_port(profile: &Path) -> Result<u64> {
    let settings: serde_json::Value = serde_json::from_slice(&fs::read(profile.join("settings.json"))?)?;
    settings["port"].as_u64().ok_or_else(|| anyhow!("no port is stored: {settings}"))
}

async fn wait_for_size(page: &TestPage, width: u32, height: u32) -> Result<()> {
    let size = format!("return innerWidth === {width} && innerHeight === {height}");
    page.wait_until(&format!("a window of {width} by {height}"), UI_TIMEOUT, &size).await
}

/// Records the audio context that plays the page's tones, before the page creates it: a tone sounds while that
/// context's clock advances.
async fn record_tones(page: &TestPage) -> Result<()> {
    page.run(
        r#"const real = BaseAudioContext.prototype.createOscillator;
        window.tones = {
            context: null,
            // The notes are scheduled in advance; they sound while the clock advances.
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

fn file_names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}
