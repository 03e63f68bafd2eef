//! Metrics of the server, scraped and parsed as Prometheus does.

use std::{collections::HashMap, net::SocketAddr};

use hutong_protocol::{ClientMessage, MediaKind, RefusedCode, UserState};
use hutong_server::{Options, Server};
use prometheus_parse::{Scrape, Value};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::common::{
    LoginReply, TestClient, call_and_hang_up, http_request, set_up_call, start_server, start_server_with,
};

/// Values of a scrape by series (`name label=value`). A histogram is represented by its count.
struct MetricSamples(HashMap<String, f64>);

impl MetricSamples {
    async fn scrape(server: &Server) -> Self {
        let response = http_request(server.metrics_addr().unwrap(), "GET /metrics", &[]).await;
        assert_eq!(response.status, 200);
        assert_eq!(response.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        let scrape = Scrape::parse(response.text().lines().map(|line| Ok(line.to_owned()))).unwrap();
        let samples = scrape.samples.into_iter().map(|sample| {
            let mut series = sample.metric;
            for (label, value) in sample.labels.iter() {
                series.push_str(&format!(" {label}={value}"));
            }
            let value = match sample.value {
                Value::Counter(number) | Value::Gauge(number) | Value::Untyped(number) => number,
                Value::Histogram(buckets) => buckets.last().map_or(0.0, |bucket| bucket.count),
                Value::Summary(_) => panic!("{series} is a summary"),
            };
            (series, value)
        });
        Self(samples.collect())
    }

    fn get(&self, series: &str) -> f64 {
        *self.0.get(series).unwrap_or_else(|| panic!("no {series} among {:?}", self.0.keys()))
    }

    #[track_caller]
    fn assert_values(&self, expected: &[(&str, f64)]) {
        for (series, value) in expected {
            assert_eq!(self.get(series), *value, "{series}");
        }
    }
}

/// Starts a server with a metrics port.
async fn start_with_metrics(change: impl FnOnce(&mut Options)) -> Server {
    start_server_with(|options| {
        options.metrics = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        change(options);
    })
    .await
}

async fn log_in_two(server: &Server) -> (TestClient, TestClient, LoginReply) {
    let (mut ana, _) = TestClient::login(server.local_addr(), "Ana").await;
    let (bo, login) = TestClient::login(server.local_addr(), "Bo").await;
    ana.wait_for_state(login.me.token, UserState::Online).await;
    (ana, bo, login)
}

#[tokio::test]
async fn a_call_and_a_refusal_are_counted() {
    let server = start_with_metrics(|_| {}).await;
    MetricSamples::scrape(&server).await.assert_values(&[
        ("hutong_connections", 0.0),
        ("hutong_websockets", 0.0),
        ("hutong_calls_ended_total reason=hangup", 0.0),
        ("hutong_call_setup_since_offering_seconds", 0.0),
    ]);

    let (mut ana, mut bo, bo_login) = log_in_two(&server).await;
    let mut twin = TestClient::open(server.local_addr()).await;
    twin.send(&ClientMessage::Hello { name: "ana".into(), resume: None, secret: None, replace: false }).await;
    twin.expect_refused(RefusedCode::NameTaken, CloseCode::Policy).await;
    drop(twin);
    let call = set_up_call(&mut ana, &mut bo, bo_login.me.token).await;
    ana.wait_for_state(bo_login.me.token, UserState::InCall).await;
    let during = MetricSamples::scrape(&server).await;
    during.assert_values(&[
        ("hutong_websockets", 2.0),
        ("hutong_users state=in_call", 2.0),
        ("hutong_users state=online", 0.0),
        ("hutong_calls", 1.0),
        ("hutong_logins_total kind=new", 2.0),
        ("hutong_logins_total kind=back", 0.0),
        ("hutong_refused_total code=name_taken", 1.0),
        ("hutong_refused_total code=full", 0.0),
        ("hutong_websockets_closed_total how=refused", 1.0),
        ("hutong_call_setup_since_offering_seconds", 1.0),
        ("hutong_call_setup_since_confirm_seconds", 1.0),
        ("hutong_calls_ended_total reason=hangup", 0.0),
        // Three hellos; then offering, accept, confirm and calling.
        ("hutong_received_messages_total", 7.0),
    ]);
    assert!(during.get("hutong_received_bytes_total") > 200.0);
    assert!(during.get("hutong_sent_bytes_total") > during.get("hutong_sent_messages_total") * 20.0);
    // Two logins and two users in a call. Intermediate changes may be merged. Each presence message goes to up to two users.
    let changes = during.get("hutong_presence_changes_total");
    assert!((4.0..=6.0).contains(&changes), "{changes}");
    let deliveries = during.get("hutong_presence_deliveries_total");
    assert!((3.0..=8.0).contains(&deliveries), "{deliveries}");

    ana.send(&ClientMessage::Cancel { call, reason: hutong_protocol::CancelReason::Hangup }).await;
    for client in [&mut ana, &mut bo] {
        client.send(&ClientMessage::Released { call }).await;
    }
    ana.wait_for_state(bo_login.me.token, UserState::Online).await;
    ana.send(&ClientMessage::Offering { to: hutong_protocol::Token(1), media: MediaKind::Voice }).await;
    ana.next_error().await;
    MetricSamples::scrape(&server).await.assert_values(&[
        ("hutong_calls", 0.0),
        ("hutong_calls_ended_total reason=hangup", 1.0),
        ("hutong_calls_ended_total reason=gone", 0.0),
        ("hutong_users state=online", 2.0),
        ("hutong_users state=in_call", 0.0),
        ("hutong_errors_total code=not_online", 1.0),
        ("hutong_snapshots_total", 0.0),
        ("hutong_presence_dropped_total", 0.0),
        ("hutong_accept_errors_total", 0.0),
    ]);
}

#[tokio::test]
async fn resumed_logins_and_closed_websockets_are_counted_separately() {
    let server = start_with_metrics(|_| {}).await;
    let (mut ana, bo, bo_login) = log_in_two(&server).await;
    drop(bo);
    ana.wait_for_state(bo_login.me.token, UserState::Offline).await;
    let mut bo = TestClient::open(server.local_addr()).await;
    bo.send(&ClientMessage::Hello { name: "Bo".into(), resume: Some(bo_login.ticket), secret: None, replace: false })
        .await;
    bo.expect_welcome().await;
    ana.socket.close(None).await.unwrap();
    ana.wait_for_close().await;
    MetricSamples::scrape(&server).await.assert_values(&[
        ("hutong_logins_total kind=new", 2.0),
        ("hutong_logins_total kind=back", 1.0),
        ("hutong_websockets_closed_total how=lost", 1.0),
        ("hutong_websockets_closed_total how=left", 1.0),
        ("hutong_websockets", 1.0),
    ]);
}

#[tokio::test]
async fn a_failed_tls_handshake_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let tls = hutong_server::Tls::self_signed(directory.path(), &[]).unwrap();
    let server = start_with_metrics(|options| options.tls = Some(tls)).await;
    let mut stream = tokio::net::TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(&[0x16, 3, 1, 0, 4, 1, 2, 3, 4]).await.unwrap();
    let mut rest = Vec::new();
    let _alert = crate::common::with_timeout(
        "end of the connection",
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest),
    )
    .await;
    MetricSamples::scrape(&server).await.assert_values(&[("hutong_tls_handshakes_failed_total", 1.0)]);
}

#[tokio::test]
async fn build_and_process_metrics_are_exported() {
    let server = start_with_metrics(|_| {}).await;
    let samples = MetricSamples::scrape(&server).await;
    samples.assert_values(&[(concat!("hutong_build_info version=", env!("CARGO_PKG_VERSION")), 1.0)]);
    if cfg!(target_os = "linux") {
        let (rss, open_files) = (samples.get("process_resident_memory_bytes"), samples.get("process_open_fds"));
        assert!((1e6..1e9).contains(&rss) && (5.0..1e5).contains(&open_files), "{rss} {open_files}");
        assert!(samples.get("process_cpu_seconds_total") > 0.0);
        assert!(samples.get("process_max_fds") >= open_files);
        assert!(samples.get("process_start_time_seconds") > 1.7e9);
    }
}

#[tokio::test]
async fn the_set_of_series_never_changes() {
    let server = start_with_metrics(|_| {}).await;
    let mut before: Vec<_> = MetricSamples::scrape(&server).await.0.into_keys().collect();
    let (mut ana, mut bo, bo_login) = log_in_two(&server).await;
    call_and_hang_up(&mut ana, &mut bo, bo_login.me.token).await;
    for bad in ["{}", "nothing", r#"{"type":"made up"}"#, r#"{"type":"cancel","call":"c-1","reason":"whim"}"#] {
        ana.send_text(bad).await;
    }
    ana.next_error().await;
    let mut after: Vec<_> = MetricSamples::scrape(&server).await.0.into_keys().collect();
    before.sort();
    after.sort();
    assert_eq!(before, after);
}

#[tokio::test]
async fn metrics_are_not_on_the_client_port() {
    let public = start_with_metrics(|_| {}).await;
    assert_eq!(http_request(public.local_addr(), "GET /metrics", &[]).await.status, 404);
    let endpoint = public.metrics_addr().unwrap();
    assert_eq!(http_request(endpoint, "GET /", &[]).await.status, 404);
    assert_eq!(http_request(endpoint, "POST /metrics", &[]).await.status, 405);
    assert_eq!(start_server().await.metrics_addr(), None);
}
