//! What the generator counts is what happened: over the real server and the echo baseline, each a process or a task of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail")]

use std::{path::Path, time::Duration};

use hutong_load::{
    control::{Clients, Workers},
    echo_baseline,
    link::Target,
    speak::{Entry, Protocol},
    world::Outcome,
};
use hutong_server::{Options, Server, Tls};

const PATIENCE: Duration = Duration::from_secs(20);
const USERS: u32 = 60;

fn workers() -> Workers {
    Workers::start(Path::new(env!("CARGO_BIN_EXE_hutong-load")), 2).unwrap()
}

async fn hutong(tls: Option<Tls>) -> (Server, Target) {
    let is_tls = tls.is_some();
    let server = Server::bind(Options { tls, ..Options::listen_on(([127, 0, 0, 1], 0).into()) }).await.unwrap();
    let target = Target { address: server.local_addr(), tls: is_tls };
    (server, target)
}

fn clients(protocol: Protocol, first: u32, count: u32) -> Clients {
    Clients { protocol, entry: Entry::LogIn, first, count, everybody: USERS }
}

fn check(outcome: &Outcome, asked: u64) {
    assert_eq!((outcome.asked, outcome.done, outcome.refused, outcome.unfinished), (asked, asked, 0, 0));
    assert_eq!(outcome.times.iter().map(|(_, count)| count).sum::<u64>(), asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_knows_everybody_and_calls_are_made_as_asked() {
    let (server, target) = hutong(None).await;
    let mut workers = workers();
    workers.open(target, clients(Protocol::Hutong, 0, USERS)).await.unwrap();
    let all = u64::from(USERS) * u64::from(USERS - 1);
    let counts = workers.until("everybody", PATIENCE, |counts| counts.known == all).await.unwrap();
    assert_eq!((counts.ready, counts.closed), (u64::from(USERS), 0));
    assert_eq!(server.users_online(), USERS as usize);

    let outcome = workers.call(40.0, 0.25, 1.0, 1_000).await.unwrap();
    check(&outcome, 40);

    // Whoever leaves is told of, and comes back.
    let before = workers.until_quiet(PATIENCE).await.unwrap();
    let changes = workers.churn(20.0, 0.4).await.unwrap();
    assert_eq!(changes, 8);
    let counts = workers.until("everybody again", PATIENCE, |counts| counts.known == all).await.unwrap();
    // A leaving and a coming within the server's 40 ms are told at once.
    assert!(counts.since(before).entries >= changes / 2 * u64::from(USERS - 2), "{:?}", counts.since(before));
    workers.end().await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_echo_baseline_and_tls_are_measured_alike() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let echo = tokio::spawn(echo_baseline::serve(address, echo_baseline::HELD_BUFFER));
    let directory = std::env::temp_dir().join(format!("hutong-load-test-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let (server, secured) = hutong(Some(Tls::self_signed(&directory, &["127.0.0.1".to_owned()]).unwrap())).await;
    for (protocol, target) in [(Protocol::Echo, Target { address, tls: false }), (Protocol::Hutong, secured)] {
        let mut workers = workers();
        workers.open(target, clients(protocol, 0, 8)).await.unwrap();
        workers.until("all", PATIENCE, |counts| counts.ready == 8).await.unwrap();
        check(&workers.call(20.0, 0.0, 0.5, 1_000).await.unwrap(), 10);
        workers.end().await;
    }
    echo.abort();
    server.shutdown().await;
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_is_no_silence() {
    let (server, target) = hutong(None).await;
    let mut workers = workers();
    workers.open(target, clients(Protocol::Hutong, 0, 4)).await.unwrap();
    workers.until("all", PATIENCE, |counts| counts.ready == 4).await.unwrap();
    server.shutdown().await;
    let problem = workers.until("what never comes", PATIENCE, |_| false).await.unwrap_err().to_string();
    assert!(problem.contains("connections ended"), "{problem}");
    assert!(workers.open(target, clients(Protocol::Hutong, 4, 2)).await.is_err());
    workers.end().await;
}
