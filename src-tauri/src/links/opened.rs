//! Links that the system hands to the app while it runs, and the one that started it: macOS and phones.

use tauri::AppHandle;
use tauri_plugin_deep_link::DeepLinkExt;

use crate::controller::Control;

/// Hears of links from now on.
///
/// # Errors
///
/// When the plugin does not start.
pub fn hear(app: &AppHandle, control: &Control) -> tauri::Result<()> {
    app.plugin(tauri_plugin_deep_link::init())?;
    let links = app.deep_link();
    if let Ok(Some(started_with)) = links.get_current() {
        open(control, started_with);
    }
    let control = control.clone();
    links.on_open_url(move |event| open(&control, event.urls()));
    Ok(())
}

fn open(control: &Control, links: Vec<tauri::Url>) {
    let control = control.clone();
    tauri::async_runtime::spawn(async move {
        for link in links {
            control.open_link(link.into()).await;
        }
    });
}
