//! The app: one window with our page in it, the client behind it, and, on a desktop, a server of its own.
//!
//! The page shows what the client says and does the browser's work. It calls a few [`commands`] and hears through one channel.
//! A [`controller`] owns everything else: it gives the [`driver`] what the page says, which steps the client of
//! `hutong-core`, opens a [`link`] when the client wants one, and hands what comes out to the page.
//!
//! Where the webview has no peer connections, a [`native`] media engine carries what the page captures and encodes.
//!
//! Two variables of the environment help tests, and two people at one computer: `HUTONG_DATA_DIR` names another directory for
//! everything that is kept, `HUTONG_PORT` another port for the embedded server. A third, `HUTONG_MOCK_DEVICES`, has WebKitGTK make
//! up a camera and a microphone, in debug builds only.

pub mod address;
pub mod commands;
pub mod controller;
pub mod driver;
pub mod hosting;
pub mod link;
pub mod network;
pub mod permissions;
pub mod settings;
pub mod tls;

#[cfg(target_os = "linux")]
#[path = "native_linux.rs"]
pub mod native;
#[cfg(not(target_os = "linux"))]
#[path = "native_other.rs"]
pub mod native;

#[cfg(target_os = "android")]
#[path = "page_android.rs"]
mod page;
#[cfg(not(target_os = "android"))]
#[path = "page_other.rs"]
mod page;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod webview;
#[cfg(not(target_os = "linux"))]
#[path = "other.rs"]
mod webview;

use std::path::PathBuf;

use tauri::{
    App, AppHandle, Manager, RunEvent, Url, WebviewWindowBuilder,
    webview::{NewWindowResponse, PermissionResponse},
};

use crate::{
    controller::{Control, Start},
    network::Names,
};

/// Runs the app until it is closed.
#[cfg_attr(mobile, tauri::mobile_entry_point)]
pub fn run() {
    tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_writer(std::io::stderr).init();
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
        .setup(|app| set_up(app))
        .build(tauri::generate_context!());
    match built {
        Ok(app) => app.run(|app, event| {
            if let RunEvent::Exit = event
                && let Some(control) = app.try_state::<Control>()
            {
                tauri::async_runtime::block_on(async {
                    app.state::<native::Native>().close_all().await;
                    control.stop().await;
                });
            }
        }),
        Err(error) => {
            tracing::error!(%error, "the app does not start");
            std::process::exit(1);
        }
    }
}

fn set_up(app: &mut App) -> Result<(), Box<dyn std::error::Error>> {
    let own_directory = std::env::var_os("HUTONG_DATA_DIR").map(PathBuf::from);
    let directory = match &own_directory {
        Some(directory) => directory.clone(),
        None => app.path().app_data_dir()?,
    };
    let port = std::env::var("HUTONG_PORT").ok().map(|port| port.parse()).transpose();
    let port = port.map_err(|error| format!("HUTONG_PORT is no port: {error}"))?;

    let (control, running) = controller::start(Start { directory, port, names: Names::System });
    app.manage(control);
    tauri::async_runtime::spawn(running);
    let handle = app.handle().clone();
    // Whoever is connected is told, as when the window is closed.
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
    if let Some(directory) = own_directory {
        window = window.data_directory(directory.join("webview"));
    }
    webview::prepare(&window.build()?)?;
    Ok(())
}

/// Where `tauri dev` serves the page; in a release, nowhere.
fn dev_url(app: &AppHandle) -> Option<Url> {
    if tauri::is_dev() { app.config().build.dev_url.clone() } else { None }
}
