//! macOS and phones pass links to the running app through Tauri's deep-link plugin.

use tauri::AppHandle;
use tauri_plugin_deep_link::DeepLinkExt;

use crate::controller::ControllerHandle;

/// Opens the link that started the app, and every later one.
///
/// # Errors
///
/// When the plugin does not start.
pub fn listen(app: &AppHandle, control: &ControllerHandle) -> tauri::Result<()> {
    app.plugin(tauri_plugin_deep_link::init())?;
    let links = app.deep_link();
    if let Ok(Some(initial)) = links.get_current() {
        open(control, initial);
    }
    let control = control.clone();
    links.on_open_url(move |event| open(&control, event.urls()));
    Ok(())
}

fn open(control: &ControllerHandle, links: Vec<tauri::Url>) {
    let control = control.clone();
    tauri::async_runtime::spawn(async move {
        for link in links {
            control.open_link(link.into()).await;
        }
    });
}
