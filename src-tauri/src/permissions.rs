//! Permission policy of the webview: the app's page may use camera, microphone and screen capture; everything else is denied.

use tauri::{
    Url,
    webview::{PermissionKind, PermissionResponse},
};

/// Decides a permission request of the page at this URL. `dev` is the development server's URL; `None` in a release.
#[must_use]
pub fn decide(kind: PermissionKind, page: &Url, dev: Option<&Url>) -> PermissionResponse {
    if !is_app_page(page, dev) {
        return PermissionResponse::Deny;
    }
    match kind {
        PermissionKind::Camera | PermissionKind::Microphone | PermissionKind::DisplayCapture => {
            PermissionResponse::Allow
        }
        _ => PermissionResponse::Deny,
    }
}

/// Whether a URL is the app's own page, by the schemes and hosts that Tauri uses on the various systems.
#[must_use]
pub fn is_app_page(page: &Url, dev: Option<&Url>) -> bool {
    let served_by_tauri = match page.scheme() {
        "tauri" => page.host_str() == Some("localhost"),
        "http" | "https" => page.host_str() == Some("tauri.localhost"),
        _ => false,
    };
    (served_by_tauri && page.port().is_none()) || dev.is_some_and(|dev| has_same_origin(page, dev))
}

fn has_same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host_str() == other.host_str()
        && one.port_or_known_default() == other.port_or_known_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP_PAGES: [&str; 5] = [
        "tauri://localhost",
        "tauri://localhost/index.html#call",
        "http://tauri.localhost/",
        "https://tauri.localhost/",
        "https://tauri.localhost/index.html",
    ];

    const OTHER_PAGES: [&str; 13] = [
        "https://calls.example/",
        "http://localhost/",
        "http://localhost:1430/",
        "http://127.0.0.1:1431/",
        "https://127.0.0.1:1430/",
        "https://tauri.localhost.example/",
        "https://evil.tauri.localhost/",
        "https://tauri.localhost:8443/",
        "tauri://localhost.example/",
        "tauri://tauri.localhost/",
        "about:blank",
        "data:text/html,tauri://localhost",
        "file:///tauri/localhost",
    ];

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn the_apps_page_may_use_camera_microphone_and_screen() {
        for page in APP_PAGES {
            for kind in [PermissionKind::Camera, PermissionKind::Microphone, PermissionKind::DisplayCapture] {
                assert_eq!(decide(kind, &url(page), None), PermissionResponse::Allow, "{page} {kind:?}");
            }
        }
    }

    #[test]
    fn the_apps_page_may_use_nothing_else() {
        for kind in [
            PermissionKind::Geolocation,
            PermissionKind::Notifications,
            PermissionKind::ClipboardRead,
            PermissionKind::Midi,
            PermissionKind::Sensors,
            PermissionKind::Other,
        ] {
            assert_eq!(decide(kind, &url(APP_PAGES[0]), None), PermissionResponse::Deny, "{kind:?}");
        }
    }

    #[test]
    fn other_pages_may_use_nothing() {
        let dev = url("http://127.0.0.1:1430/");
        for page in OTHER_PAGES {
            for dev in [None, Some(&dev)] {
                let decision = decide(PermissionKind::Camera, &url(page), dev);
                assert_eq!(decision, PermissionResponse::Deny, "{page} {dev:?}");
            }
        }
    }

    #[test]
    fn the_development_servers_page_is_allowed_in_development_only() {
        let dev = url("http://127.0.0.1:1430");
        let page = url("http://127.0.0.1:1430/index.html");
        assert_eq!(decide(PermissionKind::Camera, &page, Some(&dev)), PermissionResponse::Allow);
        assert_eq!(decide(PermissionKind::Camera, &page, None), PermissionResponse::Deny);
    }
}
