//! The app: one window with our page in it, the client behind it, and, on a desktop, a server of its own.
//!
//! The page shows what the client says and does the browser's work. It calls a few [`commands`] and hears through one channel.
//! A [`controller`] owns everything else: it gives the [`driver`] what the page says, which steps the client of
//! `hutong-core`, opens a [`link`] when the client wants one, and hands what comes out to the page.
//!
//! Where the webview has no peer connections, a [`native`] media engine carries what the page captures and encodes.
//!
//! On a desktop [`desktop`] does what people expect there: one app for a profile, a window that is remembered, a tray,
//! notifications, links.
//!
//! `--profile DIR` is for tests, and for two people at one computer: it names another directory for everything that is kept, and
//! with it another port. The variables `HUTONG_DATA_DIR` and `HUTONG_PORT` name directory and port, too. A third,
//! `HUTONG_MOCK_DEVICES`, has WebKitGTK make up a camera and a microphone, in debug builds only.

pub mod address;
pub mod arguments;
pub mod autostart;
pub mod call_link;
pub mod call_status;
pub mod commands;
pub mod controller;
pub mod critical;
pub mod desktop;
pub mod driver;
pub mod embedded_server;
pub mod invitation;
pub mod launch;
pub mod link;
pub mod native;
pub mod network;
pub mod offer;
pub mod own_network;
pub mod permissions;
pub mod profile;
pub mod settings;
pub mod tls;

mod links;
mod page;
mod webview;

use tauri::{
    App, AppHandle, Manager, RunEvent, Url, WebviewWindowBuilder,
    webview::{NewWindowResponse, PermissionResponse},
};

use crate::{
    controller::{Control, DefaultPort, Start},
    desktop::DesktopIntegration,
    launch::LaunchContext,
    network::Names,
};

/// Runs the app until it is closed.
#[cfg_attr(mobile, tauri::mobile_entry_point)]
pub fn run() {
    webview::set_up();
    tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_writer(std::io::stderr).init();
    let launch = match LaunchContext::read() {
        Ok(launch) => launch,
        Err(error) => {
            tracing::error!(%error, "the app does not start");
            std::process::exit(2);
        }
    };
    if desktop::hand_over(launch.profile()) {
        return;
    }
    let mut context = tauri::generate_context!();
    desktop::set_identifier(&mut context, launch.profile());
    let built = tauri::Builder::default()
        .invoke_handler(tauri::generate_handler![
            commands::attach,
            commands::from_ui,
            commands::media_open,
            commands::media_order,
            commands::media_next,
            commands::media_frame,
        ])
        .manage(native::Native::default())
        .manage(page::Page::default())
        .on_page_load(page::loads)
        .on_permission_request(|webview, kind| match page::address(&webview) {
            Some(page) => permissions::decide(kind, &page, dev_url(webview.app_handle()).as_ref()),
            None => PermissionResponse::Deny,
        })
        .setup(move |app| set_up(app, &launch))
        .build(context);
    match built {
        Ok(app) => app.run(|app, event| match event {
            RunEvent::Exit => {
                if let Some(control) = app.try_state::<Control>() {
                    tauri::async_runtime::block_on(async {
                        app.state::<native::Native>().close_all().await;
                        control.stop().await;
                    });
                }
            }
            // A click on the app's sign in the Dock.
            #[cfg(target_os = "macos")]
            RunEvent::Reopen { .. } => desktop::show(app),
            _ => {}
        }),
        Err(error) => {
            tracing::error!(%error, "the app does not start");
            std::process::exit(1);
        }
    }
}

fn set_up(app: &mut App, launch: &LaunchContext) -> Result<(), Box<dyn std::error::Error>> {
    let (directory, default_port) = match launch.profile() {
        Some(profile) => (profile.directory().to_owned(), DefaultPort::Free),
        None => (app.path().app_data_dir()?, DefaultPort::Usual),
    };
    let desktop = DesktopIntegration::prepare(app, launch, &directory)?;
    let port = std::env::var("HUTONG_PORT").ok().map(|port| port.parse()).transpose();
    let port = port.map_err(|error| format!("HUTONG_PORT is no port: {error}"))?;

    let (control, running) = controller::start(Start {
        directory: directory.clone(),
        port,
        default_port,
        names: Names::System,
        autostart: desktop.autostart(),
    });
    app.manage(control.clone());
    critical::spawn(app.handle(), "controller", running);
    let handle = app.handle().clone();
    // The app ends as when the window is closed: the server hears of it.
    tauri::async_runtime::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            handle.exit(0);
        }
    });

    let config = app.config().app.windows.first().ok_or("tauri.conf.json has no window")?.clone();
    let dev = dev_url(app.handle());
    let mut window = WebviewWindowBuilder::from_config(app, &config)?
        // Nothing leads out of our page: what another page shows would stand in a window that carries our name.
        .on_navigation(move |url| permissions::is_our_page(url, dev.as_ref()))
        .on_new_window(|_, _| NewWindowResponse::Deny);
    if let Some(profile) = launch.profile() {
        window = window.data_directory(profile.directory().join("webview"));
    }
    let window = window.build()?;
    webview::prepare(&window)?;
    desktop.start(&window, &control, launch, &directory)?;
    Ok(())
}

/// Where `tauri dev` serves the page; in a release, nowhere.
fn dev_url(app: &AppHandle) -> Option<Url> {
    if tauri::is_dev() { app.config().build.dev_url.clone() } else { None }
}
