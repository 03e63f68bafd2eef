//! The web app and the other pages, over HTTP.

use crate::common::{http, server};

/// Without the web app at build time there is only the page that says so.
fn is_built(answer: &crate::common::Answer) -> bool {
    answer.status == 200
}

#[tokio::test]
async fn health_is_asked_for_and_given() {
    let server = server().await;
    let answer = http(server.local_addr(), "GET /healthz", &[]).await;
    assert_eq!((answer.status, answer.text()), (200, "ok"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let head = http(server.local_addr(), "HEAD /healthz", &[]).await;
    assert_eq!((head.status, head.text(), head.header("content-length")), (200, "", Some("2")));
}

#[tokio::test]
async fn the_page_is_html_that_may_use_our_devices_and_our_socket_and_nothing_else() {
    let server = server().await;
    let address = server.local_addr();
    let answer = http(address, "GET /", &[]).await;
    assert!([200, 503].contains(&answer.status));
    assert!(answer.text().contains("Hutong"));
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = answer.header("content-security-policy").unwrap();
    for part in [
        "default-src 'self'",
        "script-src 'self' 'wasm-unsafe-eval'",
        &format!("connect-src 'self' ws://{address} wss://{address}"),
        "media-src 'self' blob: mediastream:",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "object-src 'none'",
    ] {
        assert!(policy.split("; ").any(|directive| directive == part), "{part} in {policy}");
    }
    assert!(!policy.contains("unsafe-inline"));
    if is_built(&answer) {
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
    } else {
        assert!(answer.text().contains("cargo xtask ui"));
    }
}

#[tokio::test]
async fn the_app_is_compressed_and_kept_for_ever_by_its_hashed_name() {
    let server = server().await;
    let address = server.local_addr();
    let page = http(address, "GET /", &[]).await;
    if !is_built(&page) {
        only_outside_ci("the web app is not built");
        return;
    }
    let page = page.text();
    let end = page.find(".wasm").expect("the page names its wasm") + ".wasm".len();
    let start = page[..end].rfind(['"', '\'', '/']).unwrap() + 1;
    let request = format!("GET /{}", &page[start..end]);

    let plain = http(address, &request, &[]).await;
    assert_eq!((plain.status, plain.header("content-type")), (200, Some("application/wasm")));
    assert_eq!(plain.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert!(plain.body.starts_with(b"\0asm"));
    for (accepted, encoding) in [("gzip, br", "br"), ("gzip", "gzip")] {
        let packed = http(address, &request, &[&format!("accept-encoding: {accepted}")]).await;
        if packed.header("content-encoding").is_none() {
            only_outside_ci("the web app was built without compressed files");
            return;
        }
        assert_eq!(packed.header("content-encoding"), Some(encoding));
        assert_eq!(packed.header("content-type"), Some("application/wasm"));
        assert!(packed.body.len() < plain.body.len());
        let tag = packed.header("etag").unwrap();
        let known = [&*format!("accept-encoding: {accepted}"), &*format!("if-none-match: {tag}")];
        let again = http(address, &request, &known).await;
        assert_eq!((again.status, again.body.len()), (304, 0));
    }
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_done_is_said() {
    let server = server().await;
    let address = server.local_addr();
    for path in ["/nothing", "/../Cargo.toml", "/%2e%2e/Cargo.toml", "//index.html/x", "/ws/", "/index.html.br"] {
        assert_eq!(http(address, &format!("GET {path}"), &[]).await.status, 404, "{path}");
    }
    let answer = http(address, "POST /", &["content-length: 0"]).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(http(address, "GET / HTTP/9", &[]).await.status, 400);
}

/// Somebody at work may test the server without a web app, or with a quickly built one. CI builds it first, so there a test
/// that sees nothing has failed.
fn only_outside_ci(missing: &str) {
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    eprintln!("{missing}: nothing to see here");
}
