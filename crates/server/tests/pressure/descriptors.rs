//! No descriptors are left.

use std::time::Duration;

use tokio::{io::AsyncWriteExt, net::TcpStream, time::Instant};

use super::{others::Others, sockets::HANDSHAKE};
use crate::common::{Client, PATIENCE, program::Program, soon};

/// What the server may have open in all: enough to start, and a few dozen connections.
const LIMIT: usize = 64;

#[tokio::test]
async fn a_server_without_descriptors_waits_for_some_and_goes_on() {
    let program = Program::start_by(&format!("ulimit -n {LIMIT}; exec \"$0\""), &[]).await;
    let others = Others::arrive(program.address).await;
    let mut greedy = Vec::new();
    while program.numbers().files < LIMIT || greedy.len() < LIMIT {
        greedy.push(soon("connecting", TcpStream::connect(program.address)).await.unwrap());
    }
    // At the edge: again and again one goes, and another takes its place at once.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(4) {
        drop(greedy.remove(0));
        let mut next = soon("connecting", TcpStream::connect(program.address)).await.unwrap();
        next.write_all(HANDSHAKE.as_bytes()).await.unwrap();
        greedy.push(next);
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    let said = program.said();
    let complaints = said.lines().filter(|line| line.contains("cannot accept")).count();
    // Whoever was there before could go on.
    others.have_noticed_nothing("no descriptors");
    assert!((1..=3).contains(&complaints), "it says so, and not without end: {complaints} times\n{said}");

    drop(greedy);
    let mut late =
        tokio::time::timeout(PATIENCE, Client::login(program.address, "Cy, who came later")).await.unwrap().0;
    late.send_text("{}").await;
    late.error().await;
    assert!(program.numbers().files < LIMIT / 2, "what they had is there again: {:?}", program.numbers());
}
