//! Exhausted file descriptors.

use std::time::Duration;

use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{bystanders::Bystanders, raw_sockets::HANDSHAKE};
use crate::common::{TIMEOUT, TestClient, http_request, program::ServerProgram, with_timeout};

/// Limit of open files of the server: enough to start, and a few dozen connections.
const OPEN_FILES_LIMIT: usize = 64;

/// Time within which a health check must be answered: probes give up soon after.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(1);

/// Starts the program, and takes all of its file descriptors with silent connections. The program closes silent connections that it
/// has accepted for good after 20 s.
async fn start_without_descriptors() -> (ServerProgram, Bystanders, Vec<TcpStream>) {
    let program = ServerProgram::start_with_shell(&format!("ulimit -n {OPEN_FILES_LIMIT}; exec \"$0\""), &[]).await;
    let bystanders = Bystanders::start(program.address).await;
    let mut attackers = Vec::new();
    for _ in 0..OPEN_FILES_LIMIT {
        attackers.push(with_timeout("TCP connect", TcpStream::connect(program.address)).await.unwrap());
    }
    program.wait_for_log("without a free file descriptor", 1).await;
    (program, bystanders, attackers)
}

async fn assert_health_is_answered(program: &ServerProgram) {
    let health = timeout(HEALTH_TIMEOUT, http_request(program.address, "GET /healthz", &[])).await;
    assert_eq!(health.expect("health check is answered in time").text(), "ok");
}

#[tokio::test]
async fn a_server_without_free_descriptors_answers_health_checks_recovers_and_logs_it_rarely() {
    let (program, bystanders, mut attackers) = start_without_descriptors().await;
    // Each closed connection is replaced at once.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(4) {
        drop(attackers.remove(0));
        let mut next = with_timeout("TCP connect", TcpStream::connect(program.address)).await.unwrap();
        next.write_all(HANDSHAKE.as_bytes()).await.unwrap();
        attackers.push(next);
        assert_health_is_answered(&program).await;
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    let log = program.log();
    let warnings = log.lines().filter(|line| line.contains("cannot accept")).count();
    bystanders.assert_unaffected("exhausted descriptors");
    assert!((1..=3).contains(&warnings), "expected 1 to 3 warnings, found {warnings}:\n{log}");

    drop(attackers);
    let recovered = async {
        while http_request(program.address, "GET /readyz", &[]).await.status == 503 {
            tokio::task::yield_now().await;
        }
    };
    with_timeout("free descriptors", recovered).await;
    let mut late = timeout(TIMEOUT, TestClient::login(program.address, "Cy")).await.unwrap().0;
    late.send_text("{}").await;
    late.next_error().await;
    program.wait_for_open_files_at_most(OPEN_FILES_LIMIT * 2 / 3, TIMEOUT).await;
}

#[tokio::test]
async fn the_accept_loop_does_not_spin_without_descriptors() {
    /// A spinning loop takes all of it.
    const INTERVAL: Duration = Duration::from_secs(2);
    let (program, bystanders, attackers) = start_without_descriptors().await;
    bystanders.assert_unaffected("exhausted descriptors");
    let before = program.stats().cpu_time;
    tokio::time::sleep(INTERVAL).await;
    let used = program.stats().cpu_time - before;
    assert!(used < INTERVAL / 10, "{used:?} of processor time in {INTERVAL:?}");
    assert_health_is_answered(&program).await;
    drop(attackers);
}
