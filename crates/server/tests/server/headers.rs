//! Security headers of every kind of response, over plain HTTP and with both kinds of certificate.

use hutong_server::Tls;
use tokio::net::TcpStream;

use crate::common::{
    AsyncStream, HttpResponse, http_request_over, start_server_with, test_ca::TestCa, tls_connect, tls_connect_trusting,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    Plain,
    SelfSigned,
    CaIssued,
}

/// Request, its headers, permitted statuses, start of the content security policy, and whether it is part of the web app.
type Case<'a> = (&'a str, &'a [&'a str], &'a [u16], &'a str, bool);

async fn request_over(security: Security, request: &str, headers: &[&str]) -> HttpResponse {
    let (directory, ca) = (tempfile::tempdir().unwrap(), TestCa::new());
    let tls = match security {
        Security::Plain => None,
        Security::SelfSigned => Some(Tls::self_signed(directory.path(), &[]).unwrap()),
        Security::CaIssued => Some(ca.issue("localhost").tls(directory.path())),
    };
    let server = start_server_with(|options| options.tls = tls.clone()).await;
    let address = server.local_addr();
    let stream: Box<dyn AsyncStream> = match (security, &tls) {
        (Security::SelfSigned, Some(tls)) => Box::new(tls_connect(address, tls, "localhost").await.unwrap()),
        (Security::CaIssued, _) => Box::new(tls_connect_trusting(address, &ca.certificate, "localhost").await.unwrap()),
        _ => Box::new(TcpStream::connect(address).await.unwrap()),
    };
    http_request_over(stream, "localhost", request, headers).await
}

/// Request for a file of the web app. Without a built web app, a request for its page.
async fn asset_request() -> String {
    let page = request_over(Security::Plain, "GET /", &[]).await;
    let text = page.text().to_owned();
    let Some(end) = text.find(".wasm").map(|at| at + ".wasm".len()) else { return "GET /index.html".to_owned() };
    let start = text[..end].rfind(['"', '\'', '/']).unwrap() + 1;
    format!("GET /{}", &text[start..end])
}

#[tokio::test]
async fn every_response_has_its_security_headers() {
    const APP: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";
    const DENY_ALL: &str = "default-src 'none'; frame-ancestors 'none'";
    const DEVICES: &str = "camera=(self), microphone=(self), display-capture=(self), screen-wake-lock=(self), \
                           geolocation=(), payment=(), usb=()";
    let asset = asset_request().await;
    let foreign: &[&str] = &["origin: https://evil.example"];
    let cases: [Case<'_>; 7] = [
        ("GET /", &[], &[200, 503], APP, true),
        (&asset, &[], &[200, 503], APP, true),
        ("GET /nothing", &[], &[404], DENY_ALL, false),
        ("GET /healthz", &[], &[200], DENY_ALL, false),
        ("POST /", &["content-length: 0"], &[405], DENY_ALL, false),
        ("GET /ws", &[], &[426], DENY_ALL, false),
        ("GET /ws", foreign, &[403], DENY_ALL, false),
    ];
    for security in [Security::Plain, Security::SelfSigned, Security::CaIssued] {
        for (request, headers, statuses, policy, is_app) in cases {
            let response = request_over(security, request, headers).await;
            let case = format!("{request} {headers:?} {security:?}");
            assert!(statuses.contains(&response.status), "{case}: {}", response.status);
            let csp = response.header("content-security-policy").unwrap_or_default();
            assert!(csp.starts_with(policy) && csp.contains("frame-ancestors 'none'"), "{case}: {csp}");
            let app_only = |text| is_app.then_some(text);
            // HSTS only where the browser shows no certificate warning.
            let hsts = (security == Security::CaIssued).then_some("max-age=15552000");
            for (name, expected) in [
                ("x-content-type-options", Some("nosniff")),
                ("referrer-policy", Some("no-referrer")),
                ("cross-origin-resource-policy", Some("same-origin")),
                ("cross-origin-opener-policy", app_only("same-origin")),
                ("permissions-policy", app_only(DEVICES)),
                ("strict-transport-security", hsts),
                ("server", None),
            ] {
                assert_eq!(response.header(name), expected, "{name} of {case}");
            }
        }
    }
}
