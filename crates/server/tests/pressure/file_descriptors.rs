//! Exhausted file descriptors.

use std::time::Duration;

use tokio::{io::AsyncWriteExt, net::TcpStream, time::Instant};

use super::{bystanders::Bystanders, raw_sockets::HANDSHAKE};
use crate::common::{TIMEOUT, TestClient, program::ServerProgram, with_timeout};

/// Limit of open files of the server: enough to start, and a few dozen connections.
const OPEN_FILES_LIMIT: usize = 64;

#[tokio::test]
async fn a_server_without_free_descriptors_recovers_and_logs_it_rarely() {
    let program = ServerProgram::start_with_shell(&format!("ulimit -n {OPEN_FILES_LIMIT}; exec \"$0\""), &[]).await;
    let bystanders = Bystanders::start(program.address).await;
    let mut attackers = Vec::new();
    while program.stats().open_files < OPEN_FILES_LIMIT || attackers.len() < OPEN_FILES_LIMIT {
        attackers.push(with_timeout("TCP connect", TcpStream::connect(program.address)).await.unwrap());
    }
    // At the limit, each closed connection is replaced at once.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(4) {
        drop(attackers.remove(0));
        let mut next = with_timeout("TCP connect", TcpStream::connect(program.address)).await.unwrap();
        next.write_all(HANDSHAKE.as_bytes()).await.unwrap();
        attackers.push(next);
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    let log = program.log();
    let warnings = log.lines().filter(|line| line.contains("cannot accept")).count();
    bystanders.assert_unaffected("exhausted descriptors");
    assert!((1..=3).contains(&warnings), "expected 1 to 3 warnings, found {warnings}:\n{log}");

    drop(attackers);
    let mut late = tokio::time::timeout(TIMEOUT, TestClient::login(program.address, "Cy")).await.unwrap().0;
    late.send_text("{}").await;
    late.next_error().await;
    assert!(program.stats().open_files < OPEN_FILES_LIMIT / 2, "descriptors are free again: {:?}", program.stats());
}
