//! What browsers are told with every answer, over real connections: what is asked for, how, and with which certificate.

use hutong_server::Tls;
use tokio::net::TcpStream;

use crate::common::{Answer, Io, authority::Authority, http_over, server_with, tls_connect, tls_connect_trusting};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plain,
    OwnCertificate,
    VouchedFor,
}

/// What is asked for, the answers that it may have, how its policy begins, and whether it is the page or a file of it.
type Asked<'a> = (&'a str, &'a [&'a str], &'a [u16], &'a str, bool);

async fn ask(way: Way, request: &str, headers: &[&str]) -> Answer {
    let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let tls = match way {
        Way::Plain => None,
        Way::OwnCertificate => Some(Tls::self_signed(directory.path(), &[]).unwrap()),
        Way::VouchedFor => Some(authority.sign("localhost").tls(directory.path())),
    };
    let server = server_with(|options| options.tls = tls.clone()).await;
    let address = server.local_addr();
    let stream: Box<dyn Io> = match (way, &tls) {
        (Way::OwnCertificate, Some(tls)) => Box::new(tls_connect(address, tls, "localhost").await.unwrap()),
        (Way::VouchedFor, _) => {
            Box::new(tls_connect_trusting(address, &authority.certificate, "localhost").await.unwrap())
        }
        _ => Box::new(TcpStream::connect(address).await.unwrap()),
    };
    http_over(stream, "localhost", request, headers).await
}

/// A file of the web app, where it was built.
async fn asset() -> String {
    let page = ask(Way::Plain, "GET /", &[]).await;
    let text = page.text().to_owned();
    let Some(end) = text.find(".wasm").map(|at| at + ".wasm".len()) else { return "GET /index.html".to_owned() };
    let start = text[..end].rfind(['"', '\'', '/']).unwrap() + 1;
    format!("GET /{}", &text[start..end])
}

#[tokio::test]
async fn every_answer_has_the_headers_that_it_should() {
    const PAGE: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";
    const NO_PAGE: &str = "default-src 'none'; frame-ancestors 'none'";
    const DEVICES: &str = "camera=(self), microphone=(self), display-capture=(self), screen-wake-lock=(self), \
                           geolocation=(), payment=(), usb=()";
    let asset = asset().await;
    let foreign: &[&str] = &["origin: https://evil.example"];
    let asked: [Asked<'_>; 7] = [
        ("GET /", &[], &[200, 503], PAGE, true),
        (&asset, &[], &[200, 503], PAGE, true),
        ("GET /nothing", &[], &[404], NO_PAGE, false),
        ("GET /healthz", &[], &[200], NO_PAGE, false),
        ("POST /", &["content-length: 0"], &[405], NO_PAGE, false),
        ("GET /ws", &[], &[426], NO_PAGE, false),
        ("GET /ws", foreign, &[403], NO_PAGE, false),
    ];
    for way in [Way::Plain, Way::OwnCertificate, Way::VouchedFor] {
        for (request, headers, statuses, policy, is_page) in asked {
            let answer = ask(way, request, headers).await;
            let what = format!("{request} {headers:?} {way:?}");
            assert!(statuses.contains(&answer.status), "{what}: {}", answer.status);
            let said = answer.header("content-security-policy").unwrap_or_default();
            assert!(said.starts_with(policy) && said.contains("frame-ancestors 'none'"), "{what}: {said}");
            let page_only = |text| is_page.then_some(text);
            // A promise of https for ever is made only where a browser has nothing to warn of.
            let https_only = (way == Way::VouchedFor).then_some("max-age=15552000");
            for (name, expected) in [
                ("x-content-type-options", Some("nosniff")),
                ("referrer-policy", Some("no-referrer")),
                ("cross-origin-resource-policy", Some("same-origin")),
                ("cross-origin-opener-policy", page_only("same-origin")),
                ("permissions-policy", page_only(DEVICES)),
                ("strict-transport-security", https_only),
                ("server", None),
            ] {
                assert_eq!(answer.header(name), expected, "{name} of {what}");
            }
        }
    }
}
