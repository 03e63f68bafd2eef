//! What a page in the webview may use of the computer: our own page camera, microphone and screen, and nothing else to anybody.

use tauri::{
    Url,
    webview::{PermissionKind, PermissionResponse},
};

/// Decides about one wish of the page at this address. `dev` is where the development server serves our page, in
/// development only.
#[must_use]
pub fn decide(kind: PermissionKind, page: &Url, dev: Option<&Url>) -> PermissionResponse {
    if !is_our_page(page, dev) {
        return PermissionResponse::Deny;
    }
    match kind {
        PermissionKind::Camera | PermissionKind::Microphone | PermissionKind::DisplayCapture => {
            PermissionResponse::Allow
        }
        _ => PermissionResponse::Deny,
    }
}

/// Whether this is a page of the app itself, as Tauri serves it on the various systems.
#[must_use]
pub fn is_our_page(page: &Url, dev: Option<&Url>) -> bool {
    let served_by_tauri = match page.scheme() {
        "tauri" => page.host_str() == Some("localhost"),
        "http" | "https" => page.host_str() == Some("tauri.localhost"),
        _ => false,
    };
    (served_by_tauri && page.port().is_none()) || dev.is_some_and(|dev| is_at(page, dev))
}

fn is_at(page: &Url, place: &Url) -> bool {
    page.scheme() == place.scheme()
        && page.host_str() == place.host_str()
        && page.port_or_known_default() == place.port_or_known_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: [&str; 5] = [
        "tauri://localhost",
        "tauri://localhost/index.html#call",
        "http://tauri.localhost/",
        "https://tauri.localhost/",
        "https://tauri.localhost/index.html",
    ];

    const OTHERS: [&str; 13] = [
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
    fn our_own_page_gets_camera_microphone_and_screen() {
        for page in OURS {
            for kind in [PermissionKind::Camera, PermissionKind::Microphone, PermissionKind::DisplayCapture] {
                assert_eq!(decide(kind, &url(page), None), PermissionResponse::Allow, "{page} {kind:?}");
            }
        }
    }

    #[test]
    fn our_own_page_gets_nothing_else() {
        for kind in [
            PermissionKind::Geolocation,
            PermissionKind::Notifications,
            PermissionKind::ClipboardRead,
            PermissionKind::Midi,
            PermissionKind::Sensors,
            PermissionKind::Other,
        ] {
            assert_eq!(decide(kind, &url(OURS[0]), None), PermissionResponse::Deny, "{kind:?}");
        }
    }

    #[test]
    fn no_other_page_gets_anything() {
        let dev = url("http://127.0.0.1:1430/");
        for page in OTHERS {
            for dev in [None, Some(&dev)] {
                let decided = decide(PermissionKind::Camera, &url(page), dev);
                assert_eq!(decided, PermissionResponse::Deny, "{page} {dev:?}");
            }
        }
    }

    #[test]
    fn the_development_server_counts_in_development_only() {
        let dev = url("http://127.0.0.1:1430");
        let page = url("http://127.0.0.1:1430/index.html");
        assert_eq!(decide(PermissionKind::Camera, &page, Some(&dev)), PermissionResponse::Allow);
        assert_eq!(decide(PermissionKind::Camera, &page, None), PermissionResponse::Deny);
    }
}
