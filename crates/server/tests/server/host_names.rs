//! The host names that a server answers for, against DNS rebinding, and the scheme of the page's origin.

use std::net::SocketAddr;

use hutong_protocol::{ClientMessage, SUBPROTOCOL};
use hutong_server::{Options, Tls, TurnOptions};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;

use crate::common::{
    HttpResponse, TestClient, http_request_over, start_server_with, test_ca::TestCa, tls_connect_trusting, with_timeout,
};

const PROXIED: (&str, &str) = ("x-forwarded-for", "192.0.2.1");

/// Sends a request that names this host on a new connection.
async fn request(address: SocketAddr, host: &str, request: &str, headers: &[&str]) -> HttpResponse {
    let stream = with_timeout("TCP connect", TcpStream::connect(address)).await.unwrap();
    http_request_over(stream, host, request, headers).await
}

/// Opens a WebSocket as a page of this URL does, and logs in. The HTTP status if it is refused.
async fn log_in_from_page(
    address: SocketAddr,
    scheme: &str,
    host: &str,
    headers: &[(&'static str, &str)],
) -> Result<TestClient, u16> {
    let stream = TcpStream::connect(address).await.unwrap();
    let origin = format!("{scheme}://{host}");
    let headers = [&[("sec-websocket-protocol", SUBPROTOCOL), ("origin", &*origin)], headers].concat();
    match TestClient::open_over(Box::new(stream), &format!("ws://{host}/ws"), &headers).await {
        Ok(mut client) => {
            client
                .send(&ClientMessage::Hello { name: origin.clone(), resume: None, secret: None, replace: false })
                .await;
            client.expect_welcome().await;
            Ok(client)
        }
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

fn trust_loopback(options: &mut Options) {
    options.admission.trusted_proxies = vec![hutong_server::parse_network("127.0.0.1").unwrap()];
}

#[tokio::test]
async fn a_page_that_rebinds_its_name_to_the_server_is_refused_everywhere() {
    let server = start_server_with(|_| {}).await;
    let address = server.local_addr();
    let rebound = format!("evil.example:{}", address.port());
    assert_eq!(log_in_from_page(address, "http", &rebound, &[]).await.err(), Some(421));
    for path in ["GET /", "GET /index.html", "GET /ws", "POST /", "GET http://evil.example/", "POST /healthz"] {
        let response = request(address, &rebound, path, &["content-length: 0"]).await;
        assert_eq!(response.status, 421, "{path}");
        assert_eq!(response.text().lines().next(), Some("host_unknown"), "{path}");
        assert!(response.text().contains("--name") && response.text().contains("反向代理"), "{}", response.text());
        assert_eq!(response.header("cache-control"), Some("no-store"), "{path}");
    }
    // The header of an untrusted peer makes no difference, and an absolute URI is checked too.
    assert_eq!(request(address, &rebound, "GET /", &["x-forwarded-for: 192.0.2.1"]).await.status, 421);
    assert_eq!(request(address, "localhost", "GET http://evil.example/", &[]).await.status, 421);
    for host in ["localhost", "127.0.0.1", "[::1]", "nas", "192.168.1.20"] {
        let host = format!("{host}:{}", address.port());
        log_in_from_page(address, "http", &host, &[]).await.unwrap();
        assert!([200, 503].contains(&request(address, &host, "GET /", &[]).await.status), "{host}");
    }
}

#[tokio::test]
async fn health_probes_may_name_any_host() {
    let server = start_server_with(|_| {}).await;
    for host in ["evil.example", "10.0.0.1:9", "", "?"] {
        for path in ["GET /healthz", "GET /readyz", "HEAD /healthz"] {
            assert_eq!(request(server.local_addr(), host, path, &[]).await.status, 200, "{path} at {host:?}");
        }
    }
}

#[tokio::test]
async fn configured_names_are_served() {
    let server = start_server_with(|options| {
        options.names = vec!["nas.lan".parse().unwrap(), "nas.tail1.ts.net".parse().unwrap()];
        options.turn = Some(TurnOptions { host: Some("turn.example:3478".parse().unwrap()), ..TurnOptions::default() });
    })
    .await;
    for host in ["nas.lan", "nas.tail1.ts.net:8017", "turn.example"] {
        log_in_from_page(server.local_addr(), "http", host, &[]).await.unwrap();
    }
    assert_eq!(log_in_from_page(server.local_addr(), "http", "other.lan", &[]).await.err(), Some(421));
}

#[tokio::test]
async fn the_names_of_the_certificate_are_served_also_without_tls() {
    let (directory, ca) = (tempfile::tempdir().unwrap(), TestCa::new());
    let tls = ca.issue("calls.example").tls(directory.path());
    let server = start_server_with(|options| options.tls = Some(tls)).await;
    let address = server.local_addr();
    let over_tls = async |host: &str| {
        let stream = tls_connect_trusting(address, &ca.certificate, "calls.example").await.unwrap();
        http_request_over(stream, host, "GET /ws", &[]).await.status
    };
    assert_eq!(over_tls("calls.example").await, 426);
    assert_eq!(over_tls("evil.example").await, 421);
    assert_eq!(request(address, "calls.example", "GET /ws", &[]).await.status, 426);
    assert_eq!(request(address, "evil.example", "GET /ws", &[]).await.status, 421);
}

#[tokio::test]
async fn a_trusted_proxy_passes_any_host_on_with_its_header() {
    let server = start_server_with(trust_loopback).await;
    let address = server.local_addr();
    for scheme in ["http", "https"] {
        log_in_from_page(address, scheme, "calls.example", &[PROXIED]).await.unwrap();
    }
    // A page on the proxy's machine comes from its address too, but cannot set the header on a WebSocket.
    assert_eq!(log_in_from_page(address, "http", "evil.example", &[]).await.err(), Some(421));
    let other = [("forwarded", "for=192.0.2.1")];
    assert_eq!(log_in_from_page(address, "http", "evil.example", &other).await.err(), Some(421));
}

#[tokio::test]
async fn the_page_must_have_the_scheme_of_the_connection() {
    let directory = tempfile::tempdir().unwrap();
    let tls = Tls::self_signed(directory.path(), &[]).unwrap();
    let server = start_server_with(|options| options.tls = Some(tls.clone())).await;
    let address = server.local_addr();
    let host = format!("localhost:{}", address.port());
    for (scheme, page, expected) in
        [("http", "http", None), ("http", "https", Some(403)), ("https", "https", None), ("https", "http", Some(403))]
    {
        let origin = format!("{page}://{host}");
        let headers = [("sec-websocket-protocol", SUBPROTOCOL), ("origin", &*origin)];
        let opened = if scheme == "https" {
            let stream = crate::common::tls_connect(address, &tls, "localhost").await.unwrap();
            TestClient::open_over(Box::new(stream), &format!("wss://{host}/ws"), &headers).await
        } else {
            let stream = TcpStream::connect(address).await.unwrap();
            TestClient::open_over(Box::new(stream), &format!("ws://{host}/ws"), &headers).await
        };
        let refused = match opened {
            Ok(_) => None,
            Err(Error::Http(response)) => Some(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(refused, expected, "page of {page} over {scheme}");
    }
}

#[tokio::test]
async fn the_metrics_are_not_readable_for_a_page_that_rebinds_its_name() {
    let server = start_server_with(|options| {
        options.metrics = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        options.names = vec!["nas.lan".parse().unwrap()];
    })
    .await;
    let metrics = server.metrics_addr().unwrap();
    let scraped = request(metrics, "evil.example", "GET /metrics", &[]).await;
    assert!(scraped.status == 421 && !scraped.text().contains("hutong_users"), "{scraped:?}");
    for host in ["localhost:8018", "nas.lan:8018", "10.0.0.1:8018", "hutong:8018"] {
        assert_eq!(request(metrics, host, "GET /metrics", &[]).await.status, 200, "{host}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_program_answers_for_the_names_of_its_options_and_logs_a_refused_one_once() {
    use crate::common::program::ServerProgram;

    let shell = "HUTONG_NAME='nas.lan nas.example' exec \"$0\"";
    for (shell, arguments) in
        [(shell, &[][..]), ("exec \"$0\" \"$@\"", &["--name", "nas.lan", "--name", "nas.example"])]
    {
        let program = ServerProgram::start_with_shell(shell, arguments).await;
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned();
        let machine_local = format!("{}.local", machine.split('.').next().unwrap());
        for host in ["nas.lan", "nas.example:8017", &machine, &machine_local] {
            log_in_from_page(program.address, "http", host, &[]).await.unwrap();
        }
        for _ in 0..3 {
            assert_eq!(request(program.address, "box.lan", "GET /", &[]).await.status, 421);
        }
        let log = program.log();
        let lines: Vec<_> = log.lines().filter(|line| line.contains("unknown host name")).collect();
        assert!(lines.len() == 1 && lines[0].contains("box.lan") && lines[0].contains("--name"), "{log}");
    }
}
