//! Soak test: the program under long load, with every failure that clients meet. Afterwards it must hold no state and no memory.

#![cfg(target_os = "linux")]
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "test helpers may fail the test")]

#[path = "../common/mod.rs"]
mod common;

mod fake_engine;
mod simulated_user;
mod soak_link;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{TestClient, call_and_hang_up, http_request, program::ServerProgram, with_timeout};
use simulated_user::{Incidents, SoakPhase};
use tokio::{sync::watch, task::JoinSet};

/// Time in which the server must forget clients that vanished, and calls that could be claimed.
const FORGET_TIMEOUT: Duration = Duration::from_secs(100);

/// Memory growth in KiB between the warm-up and the end: what the allocator keeps after a burst. Leaking 1 KiB per call or per
/// connection would exceed it in ten minutes.
const MAX_GROWTH_KIB: usize = 6 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_soak_leaks_nothing() {
    soak(30, Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes ten minutes, or HUTONG_SOAK_SECONDS"]
async fn a_soak_of_ten_minutes_leaks_nothing() {
    let seconds = std::env::var("HUTONG_SOAK_SECONDS").map_or(600, |seconds| seconds.parse().expect("a number"));
    soak(300, Duration::from_secs(seconds)).await;
}

async fn soak(users: usize, time: Duration) {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("ticket-key");
    let arguments = |listen: &str| {
        ["--listen", listen, "--ticket-key-file", key.to_str().unwrap(), "--metrics", "127.0.0.1:0"].map(str::to_owned)
    };
    let start = async |listen: &str| {
        let arguments = arguments(listen);
        ServerProgram::start(&arguments.each_ref().map(String::as_str)).await
    };
    let program = start("127.0.0.1:0").await;
    let address = program.address;

    let (phase, phases) = watch::channel(SoakPhase::Incidents);
    let incidents = Arc::new(Incidents::default());
    let mut tasks = JoinSet::new();
    for number in 0..users {
        tasks.spawn(simulated_user::run(address, number, users, phases.clone(), incidents.clone()));
    }
    tokio::time::sleep(time / 2).await;
    program.signal("-KILL").await;
    program.wait().await;
    let first_half = incidents.calls();
    let program = start(&address.to_string()).await;
    let start_stats = program.stats();
    // Warm-up: all users have reconnected, and some calls have ended.
    tokio::time::sleep(time / 8).await;
    let warm = program.stats();
    tokio::time::sleep(time / 4).await;
    // No more incidents: open calls run to their end.
    phase.send_replace(SoakPhase::Calm);
    tokio::time::sleep(time / 8).await;
    let late = program.stats();
    phase.send_replace(SoakPhase::End);
    while let Some(ended) = tasks.join_next().await {
        ended.expect("client has ended cleanly");
    }
    let empty_after = wait_until_empty(&program).await;
    program.wait_for_open_files_at_most(start_stats.open_files + 1, FORGET_TIMEOUT).await;
    let end = program.stats();
    let calls = incidents.calls();
    println!(
        "{users} users, {} s: {incidents:?}; {first_half} of {calls} calls before the server was killed",
        time.as_secs()
    );
    println!("start {start_stats:?}, warm {warm:?}, late {late:?}, end {end:?}, empty after {empty_after:.1?}");
    assert!(first_half > 0 && calls > first_half, "calls were set up before and after the kill");
    assert!(
        end.peak_rss_kib < warm.rss_kib.max(start_stats.rss_kib) + MAX_GROWTH_KIB,
        "memory: warm {warm:?}, end {end:?}"
    );
    assert!(!program.log().contains("panicked"), "{}", program.log());

    let (mut ana, _) = TestClient::login(address, "Ana after the soak").await;
    let (mut bo, login) = TestClient::login(address, "Bo after the soak").await;
    assert!(login.users.len() <= 1, "no other users are left: {:?}", login.users);
    call_and_hang_up(&mut ana, &mut bo, login.me.token).await;
}

/// Waits until the metrics show no WebSocket, user or call. Returns how long that took.
async fn wait_until_empty(program: &ServerProgram) -> Duration {
    let start = Instant::now();
    loop {
        let remaining = open_counts(program).await;
        if remaining.iter().all(|(_, number)| *number == 0.0) {
            return start.elapsed();
        }
        assert!(start.elapsed() < FORGET_TIMEOUT, "{remaining:?} after {FORGET_TIMEOUT:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Values of the gauges of WebSocket connections, calls and users.
async fn open_counts(program: &ServerProgram) -> Vec<(String, f64)> {
    const GAUGES: [&str; 3] = ["hutong_websockets ", "hutong_calls ", "hutong_users{"];
    let response = http_request(metrics_address(program).await, "GET /metrics", &[]).await;
    let lines = response.text().lines().filter(|line| GAUGES.iter().any(|name| line.starts_with(name)));
    let counts: Vec<_> = lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(series, number)| (series.to_owned(), number.parse().unwrap()))
        .collect();
    assert!(counts.len() > GAUGES.len(), "{}", response.text());
    counts
}

/// Address of the metrics port, from the log.
async fn metrics_address(program: &ServerProgram) -> SocketAddr {
    with_timeout("metrics address", program.wait_for_log("/metrics", 1)).await;
    let log = program.log();
    let (_, url) = log.rsplit_once("metrics at http://").unwrap();
    url.split('/').next().unwrap().parse().unwrap()
}
