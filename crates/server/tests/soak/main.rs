//! The real program under load for long, with everything happening that happens to clients: after which it is as it was.

#![cfg(target_os = "linux")]
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail the test")]

#[path = "../common/mod.rs"]
mod common;

mod engine;
mod link;
mod person;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{Client, call_and_hang_up, http, program::Program, soon};
use person::{Seen, Weather};
use tokio::{sync::watch, task::JoinSet};

/// Until the server has given up the last of those who were gone without a word, and calls that could be claimed.
const FORGETS: Duration = Duration::from_secs(100);

/// What the memory may have grown by from when everybody had come to the end, in KiB: what the allocator keeps of one burst of
/// messages. A kilobyte lost with each call, or with each connection, would be more in ten minutes.
const GROWTH: usize = 6 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_life_under_load_leaves_nothing_behind() {
    soak(30, Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "ten minutes, or HUTONG_SOAK_SECONDS"]
async fn ten_minutes_under_load_leave_nothing_behind() {
    let seconds = std::env::var("HUTONG_SOAK_SECONDS").map_or(600, |seconds| seconds.parse().expect("a number"));
    soak(300, Duration::from_secs(seconds)).await;
}

async fn soak(people: usize, time: Duration) {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("ticket-key");
    let arguments = |listen: &str| {
        ["--listen", listen, "--ticket-key-file", key.to_str().unwrap(), "--metrics", "127.0.0.1:0"].map(str::to_owned)
    };
    let start = async |listen: &str| {
        let arguments = arguments(listen);
        Program::start(&arguments.each_ref().map(String::as_str)).await
    };
    let program = start("127.0.0.1:0").await;
    let address = program.address;

    let (weather, felt) = watch::channel(Weather::Rough);
    let seen = Arc::new(Seen::default());
    let mut crowd = JoinSet::new();
    for number in 0..people {
        crowd.spawn(person::live(address, number, people, felt.clone(), seen.clone()));
    }
    tokio::time::sleep(time / 2).await;
    program.signal("-KILL").await;
    program.ended().await;
    let first_half = seen.calls();
    let program = start(&address.to_string()).await;
    let began = program.numbers();
    // All have come back, and some calls are over.
    tokio::time::sleep(time / 8).await;
    let warm = program.numbers();
    tokio::time::sleep(time / 4).await;
    // No more mishaps: what is on now goes on to its end.
    weather.send_replace(Weather::Fair);
    tokio::time::sleep(time / 8).await;
    let late = program.numbers();
    weather.send_replace(Weather::Over);
    while let Some(ended) = crowd.join_next().await {
        ended.expect("a client came to its end as it should");
    }
    let quiet_after = nothing_is_left(&program).await;
    program.has_no_more_files_than(began.files + 1, FORGETS).await;
    let end = program.numbers();
    let calls = seen.calls();
    println!(
        "{people} people, {} s: {seen:?}; {first_half} of {calls} calls before the server was killed",
        time.as_secs()
    );
    println!("began {began:?}, warm {warm:?}, late {late:?}, in the end {end:?}, quiet after {quiet_after:.1?}");
    assert!(first_half > 0 && calls > first_half, "calls were on, before and after");
    assert!(end.peak < warm.memory.max(began.memory) + GROWTH, "memory: {warm:?}, then {end:?}");
    assert!(!program.said().contains("panicked"), "{}", program.said());

    let (mut ana, _) = Client::login(address, "Ana, who came after").await;
    let (mut bo, login) = Client::login(address, "Bo, who came after").await;
    assert!(login.users.len() <= 1, "nobody else is there: {:?}", login.users);
    call_and_hang_up(&mut ana, &mut bo, login.me.token).await;
}

/// Waits until the program says itself that it has no WebSocket, no user and no call. Its connections are counted by their
/// descriptors: its own number of them has the place in it that the listener holds for the next one.
async fn nothing_is_left(program: &Program) -> Duration {
    let start = Instant::now();
    loop {
        let left = counts(program).await;
        if left.iter().all(|(_, number)| *number == 0.0) {
            return start.elapsed();
        }
        assert!(start.elapsed() < FORGETS, "{left:?} after {FORGETS:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// What is there now, by its own numbers.
async fn counts(program: &Program) -> Vec<(String, f64)> {
    const THERE: [&str; 3] = ["hutong_websockets ", "hutong_calls ", "hutong_users{"];
    let answer = http(metrics(program).await, "GET /metrics", &[]).await;
    let lines = answer.text().lines().filter(|line| THERE.iter().any(|name| line.starts_with(name)));
    let counts: Vec<_> = lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(series, number)| (series.to_owned(), number.parse().unwrap()))
        .collect();
    assert!(counts.len() > THERE.len(), "{}", answer.text());
    counts
}

async fn metrics(program: &Program) -> SocketAddr {
    soon("the address of the numbers", program.until_said("/metrics", 1)).await;
    let said = program.said();
    let (_, url) = said.rsplit_once("metrics at http://").unwrap();
    url.split('/').next().unwrap().parse().unwrap()
}
