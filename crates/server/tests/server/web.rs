//! Web app and health check over HTTP.

use crate::common::{http_request, start_server};

/// Whether the server has the web app. Otherwise it serves a page with status 503.
fn is_built(response: &crate::common::HttpResponse) -> bool {
    response.status == 200
}

#[tokio::test]
async fn the_health_check_answers_get_and_head() {
    let server = start_server().await;
    let response = http_request(server.local_addr(), "GET /healthz", &[]).await;
    assert_eq!((response.status, response.text()), (200, "ok"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let head = http_request(server.local_addr(), "HEAD /healthz", &[]).await;
    assert_eq!((head.status, head.text(), head.header("content-length")), (200, "", Some("2")));
}

#[tokio::test]
async fn the_page_has_a_strict_content_security_policy() {
    let server = start_server().await;
    let address = server.local_addr();
    let response = http_request(address, "GET /", &[]).await;
    assert!([200, 503].contains(&response.status));
    assert!(response.text().contains("Hutong"));
    assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = response.header("content-security-policy").unwrap();
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
    if is_built(&response) {
        assert_eq!(response.header("cache-control"), Some("no-cache"));
    } else {
        assert!(response.text().contains("cargo xtask ui"));
    }
}

#[tokio::test]
async fn hashed_files_are_compressed_and_immutable() {
    let server = start_server().await;
    let address = server.local_addr();
    let page = http_request(address, "GET /", &[]).await;
    if !is_built(&page) {
        skip_outside_ci("the web app is not built");
        return;
    }
    let page = page.text();
    let end = page.find(".wasm").expect("the page names its wasm") + ".wasm".len();
    let start = page[..end].rfind(['"', '\'', '/']).unwrap() + 1;
    let request = format!("GET /{}", &page[start..end]);

    let plain = http_request(address, &request, &[]).await;
    assert_eq!((plain.status, plain.header("content-type")), (200, Some("application/wasm")));
    assert_eq!(plain.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert!(plain.body.starts_with(b"\0asm"));
    for (accepted, encoding) in [("gzip, br", "br"), ("gzip", "gzip")] {
        let compressed = http_request(address, &request, &[&format!("accept-encoding: {accepted}")]).await;
        if compressed.header("content-encoding").is_none() {
            skip_outside_ci("the web app was built without compressed files");
            return;
        }
        assert_eq!(compressed.header("content-encoding"), Some(encoding));
        assert_eq!(compressed.header("content-type"), Some("application/wasm"));
        assert!(compressed.body.len() < plain.body.len());
        let tag = compressed.header("etag").unwrap();
        let conditional = [&*format!("accept-encoding: {accepted}"), &*format!("if-none-match: {tag}")];
        let repeated = http_request(address, &request, &conditional).await;
        assert_eq!((repeated.status, repeated.body.len()), (304, 0));
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_rejected() {
    let server = start_server().await;
    let address = server.local_addr();
    for path in ["/nothing", "/../Cargo.toml", "/%2e%2e/Cargo.toml", "//index.html/x", "/ws/", "/index.html.br"] {
        assert_eq!(http_request(address, &format!("GET {path}"), &[]).await.status, 404, "{path}");
    }
    let response = http_request(address, "POST /", &["content-length: 0"]).await;
    assert_eq!((response.status, response.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(http_request(address, "GET / HTTP/9", &[]).await.status, 400);
}

/// Skips a test that lacks a built or compressed web app. Panics in CI, which always builds it.
fn skip_outside_ci(missing: &str) {
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    eprintln!("skipped: {missing}");
}
