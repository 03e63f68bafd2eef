//! What the server says of itself in numbers, read as Prometheus reads it.

use std::{collections::HashMap, net::SocketAddr};

use hutong_protocol::{ClientMessage, MediaKind, RefusedCode, UserState};
use hutong_server::{Options, Server};
use prometheus_parse::{Scrape, Value};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::common::{Client, Login, call_and_hang_up, http, server, server_with, set_up_call};

/// What a scrape has found: each series as it is written, with its number. A histogram is there by its count.
struct Numbers(HashMap<String, f64>);

impl Numbers {
    async fn of(server: &Server) -> Self {
        let answer = http(server.metrics_addr().unwrap(), "GET /metrics", &[]).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        let scrape = Scrape::parse(answer.text().lines().map(|line| Ok(line.to_owned()))).unwrap();
        let numbers = scrape.samples.into_iter().map(|sample| {
            let mut series = sample.metric;
            for (label, value) in sample.labels.iter() {
                series.push_str(&format!(" {label}={value}"));
            }
            let number = match sample.value {
                Value::Counter(number) | Value::Gauge(number) | Value::Untyped(number) => number,
                Value::Histogram(buckets) => buckets.last().map_or(0.0, |bucket| bucket.count),
                Value::Summary(_) => panic!("{series} is a summary"),
            };
            (series, number)
        });
        Self(numbers.collect())
    }

    fn get(&self, series: &str) -> f64 {
        *self.0.get(series).unwrap_or_else(|| panic!("{series} is not among {:?}", self.0.keys()))
    }

    #[track_caller]
    fn are(&self, expected: &[(&str, f64)]) {
        for (series, number) in expected {
            assert_eq!(self.get(series), *number, "{series}");
        }
    }
}

async fn watched(change: impl FnOnce(&mut Options)) -> Server {
    server_with(|options| {
        options.metrics = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        change(options);
    })
    .await
}

async fn two(server: &Server) -> (Client, Client, Login) {
    let (mut ana, _) = Client::login(server.local_addr(), "Ana").await;
    let (bo, login) = Client::login(server.local_addr(), "Bo").await;
    ana.sees(login.me.token, UserState::Online).await;
    (ana, bo, login)
}

#[tokio::test]
async fn a_call_and_a_refusal_are_in_the_numbers() {
    let server = watched(|_| {}).await;
    Numbers::of(&server).await.are(&[
        ("hutong_connections", 0.0),
        ("hutong_websockets", 0.0),
        ("hutong_calls_ended_total reason=hangup", 0.0),
        ("hutong_call_setup_since_offering_seconds", 0.0),
    ]);

    let (mut ana, mut bo, bo_login) = two(&server).await;
    let mut twin = Client::open(server.local_addr()).await;
    twin.send(&ClientMessage::Hello { name: "ana".into(), resume: None, secret: None }).await;
    twin.is_refused(RefusedCode::NameTaken, CloseCode::Policy).await;
    drop(twin);
    let call = set_up_call(&mut ana, &mut bo, bo_login.me.token).await;
    ana.sees(bo_login.me.token, UserState::InCall).await;
    let during = Numbers::of(&server).await;
    during.are(&[
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
        // Three times hello, and what sets up a call: offering, accept, confirm, calling.
        ("hutong_received_messages_total", 7.0),
    ]);
    assert!(during.get("hutong_received_bytes_total") > 200.0);
    assert!(during.get("hutong_sent_bytes_total") > during.get("hutong_sent_messages_total") * 20.0);
    // Both came and are in a call; that they were connecting, and both coming, may have been told by the way. To two readers each.
    let changes = during.get("hutong_presence_changes_total");
    assert!((4.0..=6.0).contains(&changes), "{changes}");
    let deliveries = during.get("hutong_presence_deliveries_total");
    assert!((3.0..=8.0).contains(&deliveries), "{deliveries}");

    ana.send(&ClientMessage::Cancel { call, reason: hutong_protocol::CancelReason::Hangup }).await;
    for client in [&mut ana, &mut bo] {
        client.send(&ClientMessage::Released { call }).await;
    }
    ana.sees(bo_login.me.token, UserState::Online).await;
    ana.send(&ClientMessage::Offering { to: hutong_protocol::Token(1), media: MediaKind::Voice }).await;
    ana.error().await;
    Numbers::of(&server).await.are(&[
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
async fn who_comes_back_and_who_leaves_are_told_apart() {
    let server = watched(|_| {}).await;
    let (mut ana, bo, bo_login) = two(&server).await;
    drop(bo);
    ana.sees(bo_login.me.token, UserState::Offline).await;
    let mut bo = Client::open(server.local_addr()).await;
    bo.send(&ClientMessage::Hello { name: "Bo".into(), resume: Some(bo_login.ticket), secret: None }).await;
    bo.welcome().await;
    ana.socket.close(None).await.unwrap();
    ana.end().await;
    Numbers::of(&server).await.are(&[
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
    let server = watched(|options| options.tls = Some(tls)).await;
    let mut stream = tokio::net::TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(&[0x16, 3, 1, 0, 4, 1, 2, 3, 4]).await.unwrap();
    let mut rest = Vec::new();
    let _alert = crate::common::soon("the end", tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest)).await;
    Numbers::of(&server).await.are(&[("hutong_tls_handshakes_failed_total", 1.0)]);
}

#[tokio::test]
async fn the_build_and_the_process_are_in_the_numbers() {
    let server = watched(|_| {}).await;
    let numbers = Numbers::of(&server).await;
    numbers.are(&[(concat!("hutong_build_info version=", env!("CARGO_PKG_VERSION")), 1.0)]);
    if cfg!(target_os = "linux") {
        let (memory, files) = (numbers.get("process_resident_memory_bytes"), numbers.get("process_open_fds"));
        assert!((1e6..1e9).contains(&memory) && (5.0..1e5).contains(&files), "{memory} {files}");
        assert!(numbers.get("process_cpu_seconds_total") > 0.0);
        assert!(numbers.get("process_max_fds") >= files);
        assert!(numbers.get("process_start_time_seconds") > 1.7e9);
    }
}

#[tokio::test]
async fn series_are_as_many_after_anything_as_at_the_start() {
    let server = watched(|_| {}).await;
    let mut before: Vec<_> = Numbers::of(&server).await.0.into_keys().collect();
    let (mut ana, mut bo, bo_login) = two(&server).await;
    call_and_hang_up(&mut ana, &mut bo, bo_login.me.token).await;
    for bad in ["{}", "nothing", r#"{"type":"made up"}"#, r#"{"type":"cancel","call":"c-1","reason":"whim"}"#] {
        ana.send_text(bad).await;
    }
    ana.error().await;
    let mut after: Vec<_> = Numbers::of(&server).await.0.into_keys().collect();
    before.sort();
    after.sort();
    assert_eq!(before, after);
}

#[tokio::test]
async fn the_numbers_are_not_where_clients_come() {
    let public = watched(|_| {}).await;
    assert_eq!(http(public.local_addr(), "GET /metrics", &[]).await.status, 404);
    let endpoint = public.metrics_addr().unwrap();
    assert_eq!(http(endpoint, "GET /", &[]).await.status, 404);
    assert_eq!(http(endpoint, "POST /metrics", &[]).await.status, 405);
    assert_eq!(server().await.metrics_addr(), None);
}
