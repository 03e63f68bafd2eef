//! Integration tests: the load generator's counters match what the real server and the echo baseline send.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail")]

use std::{path::Path, time::Duration};

use hutong_load::{
    call_schedule::CallResults,
    connect::TargetAddress,
    echo_baseline,
    protocols::{LoginMode, Protocol},
    worker_pool::{ClientBatch, WorkerPool},
};
use hutong_server::{Options, Server, Tls};

const TIMEOUT: Duration = Duration::from_secs(20);
const USERS: u32 = 60;

fn workers() -> WorkerPool {
    WorkerPool::start(Path::new(env!("CARGO_BIN_EXE_hutong-load")), 2).unwrap()
}

async fn hutong(tls: Option<Tls>) -> (Server, TargetAddress) {
    let is_tls = tls.is_some();
    let server = Server::bind(Options { tls, ..Options::listen_on(([127, 0, 0, 1], 0).into()) }).await.unwrap();
    let target = TargetAddress { address: server.local_addr(), tls: is_tls };
    (server, target)
}

fn clients(protocol: Protocol, first: u32, count: u32) -> ClientBatch {
    ClientBatch { protocol, mode: LoginMode::LogIn, first, count, total_clients: USERS }
}

fn assert_all_completed(results: &CallResults, scheduled: u64) {
    assert_eq!(
        (results.scheduled, results.completed, results.refused, results.unfinished),
        (scheduled, scheduled, 0, 0)
    );
    assert_eq!(results.times.iter().map(|(_, count)| count).sum::<u64>(), scheduled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_clients_know_all_others_and_scheduled_calls_are_made() {
    let (server, target) = hutong(None).await;
    let mut workers = workers();
    workers.open(target, clients(Protocol::Hutong, 0, USERS)).await.unwrap();
    let all = u64::from(USERS) * u64::from(USERS - 1);
    let counts =
        workers.wait_until("all clients to know all others", TIMEOUT, |counts| counts.known == all).await.unwrap();
    assert_eq!((counts.ready, counts.closed), (u64::from(USERS), 0));
    assert_eq!(server.users_online(), USERS as usize);

    let results = workers.run_calls(40.0, 0.25, 1.0, 1_000).await.unwrap();
    assert_all_completed(&results, 40);

    // Logouts and logins are sent to all others.
    let before = workers.wait_until_quiet(TIMEOUT).await.unwrap();
    let changes = workers.run_churn(20.0, 0.4).await.unwrap();
    assert_eq!(changes, 8);
    let counts = workers
        .wait_until("all clients to know all others again", TIMEOUT, |counts| counts.known == all)
        .await
        .unwrap();
    // The server batches a logout and a login within 40 ms into one message.
    assert!(counts.since(before).entries >= changes / 2 * u64::from(USERS - 2), "{:?}", counts.since(before));
    workers.stop().await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_echo_baseline_and_a_tls_server_can_be_measured() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let echo = tokio::spawn(echo_baseline::serve(address, echo_baseline::HELD_BUFFER));
    let directory = std::env::temp_dir().join(format!("hutong-load-test-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let (server, secured) = hutong(Some(Tls::self_signed(&directory, &["127.0.0.1".to_owned()]).unwrap())).await;
    for (protocol, target) in [(Protocol::Echo, TargetAddress { address, tls: false }), (Protocol::Hutong, secured)] {
        let mut workers = workers();
        workers.open(target, clients(protocol, 0, 8)).await.unwrap();
        workers.wait_until("all clients", TIMEOUT, |counts| counts.ready == 8).await.unwrap();
        assert_all_completed(&workers.run_calls(20.0, 0.0, 0.5, 1_000).await.unwrap(), 10);
        workers.stop().await;
    }
    echo.abort();
    server.shutdown().await;
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_is_an_error() {
    let (server, target) = hutong(None).await;
    let mut workers = workers();
    workers.open(target, clients(Protocol::Hutong, 0, 4)).await.unwrap();
    workers.wait_until("all clients", TIMEOUT, |counts| counts.ready == 4).await.unwrap();
    server.shutdown().await;
    let problem =
        workers.wait_until("a condition that is never met", TIMEOUT, |_| false).await.unwrap_err().to_string();
    assert!(problem.contains("connections closed"), "{problem}");
    assert!(workers.open(target, clients(Protocol::Hutong, 4, 2)).await.is_err());
    workers.stop().await;
}
