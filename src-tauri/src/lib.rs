//! The Tauri app: a window with the web interface, the client state machine (`hutong-core`), and on desktops an embedded
//! server.
//!
//! The page renders the client's view and uses the webview's media APIs. It invokes a few [`commands`] and receives
//! messages over one channel. The [`controller`] owns everything else: its [`driver`] steps the client of `hutong-core`,
//! opens [`server_link`]s and returns the outputs for the page.
//!
//! If the webview has no `RTCPeerConnection`, [`native_peers`] transport the media that the page captures and encodes.
//!
//! [`desktop`] integrates the app: single instance, window state, tray, notifications, call links.
//!
//! `--profile DIR` starts an instance with a separate data directory and port. The environment variables
//! `HUTONG_DATA_DIR` and `HUTONG_PORT` set directory and port too. In debug builds `HUTONG_MOCK_DEVICES` makes
//! `WebKitGTK` provide a mock camera and microphone.

pub mod address;
pub mod arguments;
pub mod autostart;
pub mod call_link;
pub mod call_link_flow;
pub mod call_status;
pub mod close_policy;
pub mod commands;
pub mod controller;
pub mod critical_task;
pub mod desktop;
#[cfg(desktop)]
mod desktop_entry;
pub mod driver;
pub mod embedded_server;
pub mod invitation;
pub mod launch;
pub mod link_handler;
pub mod native_peers;
pub mod network_watch;
pub mod own_network;
pub mod permissions;
pub mod profile;
pub mod route;
pub mod server_link;
pub mod session_file;
pub mod settings;
pub mod tls;

mod deep_links;
mod page_url;
mod webview;

use tauri::{
    App, AppHandle, Manager, RunEvent, Url, WebviewWindowBuilder,
    webview::{NewWindowResponse, PermissionResponse},
};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::{
    controller::{ControllerConfig, ControllerHandle, DefaultPort},
    desktop::DesktopIntegration,
    launch::LaunchContext,
    link_handler::LinkHandler,
    route::Resolver,
};

fn log_to_stderr() {
    // The embedded server's STUN parser logs packets that anybody can send, addresses included.
    let filter = Targets::new().with_default(LevelFilter::INFO).with_target("stun_types", LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines).with(filter).init();
}

/// Runs the app until it exits.
#[cfg_attr(mobile, tauri::mobile_entry_point)]
pub fn run() {
    webview::set_environment();
    log_to_stderr();
    let launch = match LaunchContext::read() {
        Ok(launch) => launch,
        Err(error) => {
            tracing::error!(%error, "invalid arguments or environment; the app does not start");
            std::process::exit(2);
        }
    };
    if desktop::forward_to_running_instance(launch.profile()) {
        return;
    }
    let mut context = tauri::generate_context!();
    desktop::set_identifier(&mut context, launch.profile());
    let built = tauri::Builder::default()
        .invoke_handler(tauri::generate_handler![
            commands::attach,
            commands::from_ui,
            commands::media_open,
            commands::media_request,
            commands::media_receive,
            commands::media_send_frame,
        ])
        .manage(native_peers::NativePeers::default())
        .manage(page_url::PageUrl::default())
        .on_page_load(page_url::on_load)
        .on_permission_request(|webview, kind| match page_url::current(&webview) {
            Some(page) => permissions::decide(kind, &page, dev_url(webview.app_handle()).as_ref()),
            None => PermissionResponse::Deny,
        })
        .setup(move |app| set_up(app, &launch))
        .build(context);
    match built {
        Ok(app) => app.run(|app, event| match event {
            RunEvent::Exit => {
                if let Some(control) = app.try_state::<ControllerHandle>() {
                    tauri::async_runtime::block_on(async {
                        app.state::<native_peers::NativePeers>().close_all().await;
                        control.stop().await;
                    });
                }
            }
            // A click on the Dock icon.
            #[cfg(target_os = "macos")]
            RunEvent::Reopen { .. } => desktop::show(app),
            _ => {}
        }),
        Err(error) => {
            tracing::error!(%error, "set-up failed; the app does not start");
            std::process::exit(1);
        }
    }
}

fn set_up(app: &mut App, launch: &LaunchContext) -> Result<(), Box<dyn std::error::Error>> {
    let (directory, default_port) = match launch.profile() {
        Some(profile) => (profile.directory().to_owned(), DefaultPort::AnyFree),
        None => (app.path().app_data_dir()?, DefaultPort::Standard),
    };
    let desktop = DesktopIntegration::prepare(app, launch, &directory)?;
    let port = std::env::var("HUTONG_PORT").ok().map(|port| port.parse()).transpose();
    let port = port.map_err(|error| format!("HUTONG_PORT is not a port number: {error}"))?;

    let (control, running) = controller::start(ControllerConfig {
        directory: directory.clone(),
        port,
        default_port,
        resolver: Resolver::System,
        autostart: desktop.autostart(),
        link_handler: LinkHandler::prepare(launch.profile()),
    });
    app.manage(control.clone());
    critical_task::spawn(app.handle(), "controller", running);
    let handle = app.handle().clone();
    // A regular exit, so that the controller hangs up first.
    tauri::async_runtime::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            handle.exit(0);
        }
    });

    let config = app.config().app.windows.first().ok_or("tauri.conf.json has no window")?.clone();
    let dev = dev_url(app.handle());
    let mut window = WebviewWindowBuilder::from_config(app, &config)?
        // No navigation: another page in the app's window could pretend to be the app.
        .on_navigation(move |url| permissions::is_app_page(url, dev.as_ref()))
        .on_new_window(|_, _| NewWindowResponse::Deny);
    #[cfg(desktop)]
    if launch.window(&session_file::SessionFile::in_directory(&directory)) == arguments::InitialWindow::Hidden {
        window = window.visible(false);
    }
    if let Some(profile) = launch.profile() {
        window = window.data_directory(profile.directory().join("webview"));
    }
    let window = window.build()?;
    webview::configure(&window)?;
    desktop.start(&window, &control, launch, &directory)?;
    Ok(())
}

/// The development server's URL under `tauri dev`; `None` in a release.
fn dev_url(app: &AppHandle) -> Option<Url> {
    if tauri::is_dev() { app.config().build.dev_url.clone() } else { None }
}
