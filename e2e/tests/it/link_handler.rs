//! An app that no package has installed is offered as the program for `hutong:` links.

use std::{
    fs,
    path::{Path, PathBuf},
};

use hutong_e2e::{
    AppOptions, Context, DesktopApp, Result, TestResult, bail, desktop::ProfileSource, ensure, page::UI_TIMEOUT,
    scenario,
};
use tokio::process::Command;

/// What another program has written into the list of default applications.
const OTHERS: &str = "[Default Applications]\ntext/html=firefox.desktop;\n";

/// Runs `GLib`'s program for links, as other programs do, in the app's environment.
async fn gio(app: &DesktopApp, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("gio");
    command.args(arguments).envs(app.environment().iter().cloned()).env("LC_ALL", "C.UTF-8");
    let output = command.output().await.context("gio (`apt-get install libglib2.0-bin`)")?;
    ensure!(output.status.success(), "gio {arguments:?}: {output:?}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn default_applications(home: &Path) -> Result<String> {
    Ok(fs::read_to_string(home.join(".config/mimeapps.list"))?)
}

/// The user's desktop entries.
fn entries(home: &Path) -> Result<Vec<PathBuf>> {
    let paths = fs::read_dir(home.join(".local/share/applications"))?.map(|entry| Ok(entry?.path()));
    // GLib's cache is no entry.
    Ok(paths
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|it| it == "desktop"))
        .collect())
}

#[tokio::test]
async fn an_uninstalled_app_opens_links_if_the_person_wants_it_and_until_the_switch_is_off() -> TestResult {
    scenario("link_handler", async |env| {
        let folder = tempfile::tempdir()?;
        let home = folder.path().join("home");
        fs::create_dir_all(home.join(".config"))?;
        fs::write(home.join(".config/mimeapps.list"), OTHERS)?;
        let options = AppOptions {
            data_dir: Some(folder.path().to_owned()),
            profile_source: ProfileSource::None,
            ..AppOptions::default()
        };
        let app = env.start_app_with("Bo", &options).await?;
        let bo = app.page();
        bo.wait_until("the offer", UI_TIMEOUT, "return one('links-offer') && !one('open-links')").await?;
        ensure!(default_applications(&home)? == OTHERS, "registered without the person");
        bo.press("links-accept").await?;
        let is =
            |on| format!("return !one('links-offer') && one('open-links')?.getAttribute('aria-pressed') === '{on}'");
        bo.wait_until("the switch to be on", UI_TIMEOUT, &is(true)).await?;
        let list = default_applications(&home)?;
        ensure!(list.contains("text/html=firefox.desktop"), "{list}");

        gio(&app, &["open", &format!("hutong://call/Ana?server={}", app.embedded_server_url())]).await?;
        bo.wait_until("the link's call", UI_TIMEOUT, "return one('call-link')").await?;
        bo.press("call-link-cancel").await?;

        bo.press("open-links").await?;
        bo.wait_until("the switch to be off", UI_TIMEOUT, &is(false)).await?;
        let handler = gio(&app, &["mime", "x-scheme-handler/hutong"]).await?;
        ensure!(handler.contains("No default applications"), "{handler}");
        ensure!(entries(&home)?.is_empty(), "the entry is still there: {:?}", entries(&home)?);
        let list = default_applications(&home)?;
        ensure!(list.contains("text/html=firefox.desktop") && !list.contains("hutong"), "{list}");
        app.quit().await?;

        // Asked once.
        let app = env.start_app_with("Bo", &options).await?;
        app.page().wait_until("the switch to be off", UI_TIMEOUT, &is(false)).await?;
        app.page().press("open-links").await?;
        app.page().wait_until("the switch to be on", UI_TIMEOUT, &is(true)).await?;
        app.quit().await?;

        // The program has moved.
        let [entry] = &entries(&home)?[..] else { bail!("not one entry: {:?}", entries(&home)?) };
        let text = fs::read_to_string(entry)?;
        let moved = text.replace("hutong-app\" %u", "moved/hutong-app\" %u");
        ensure!(moved != text, "{text}");
        fs::write(entry, moved)?;
        let app = env.start_app_with("Bo", &options).await?;
        app.page().wait_until("the switch to be on", UI_TIMEOUT, &is(true)).await?;
        ensure!(fs::read_to_string(entry)? == text, "the entry starts the program at its earlier place");
        app.quit().await?;

        // A package has registered another.
        fs::rename(entry, entry.with_file_name("Hutong.desktop"))?;
        let list = "[Default Applications]\nx-scheme-handler/hutong=Hutong.desktop;\n";
        fs::write(home.join(".config/mimeapps.list"), list)?;
        let app = env.start_app_with("Bo", &options).await?;
        let none = "return one('autostart') && !one('links-offer') && !one('open-links')";
        app.page().wait_until("nothing to choose", UI_TIMEOUT, none).await
    })
    .await
}
