//! Connection churn: clients that connect and disconnect, at every stage of the handshakes.

use std::{net::SocketAddr, time::Duration};

use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};

use super::{
    BASE_GROWTH_KIB,
    bystanders::Bystanders,
    raw_sockets::{HANDSHAKE, client_hello, connect, frame, reset_on_close},
};
use crate::common::program::ServerProgram;

/// Connections that are open at once.
const CONCURRENT: usize = 64;

/// Time for the close handshakes, of 2 s each, and the tasks behind them.
const TIMEOUT: Duration = Duration::from_secs(25);

#[tokio::test]
async fn connection_churn_leaks_neither_memory_nor_descriptors() {
    run_churn(3_000).await;
}

#[tokio::test]
#[ignore = "fifty thousand connections"]
async fn connection_churn_of_fifty_thousand_leaks_neither_memory_nor_descriptors() {
    run_churn(50_000).await;
}

async fn run_churn(connections: usize) {
    let directory = tempfile::tempdir().unwrap();
    let program = ServerProgram::start(&["--self-signed", directory.path().to_str().unwrap()]).await;
    let bystanders = Bystanders::start(program.address).await;
    // Warm-up: the allocator keeps the memory for this many concurrent connections.
    open_and_drop(program.address, 0..connections / 10).await;
    let before = program.stats();
    open_and_drop(program.address, connections / 10..connections).await;
    let after = program.stats();
    bystanders.assert_unaffected("connection churn");
    // The bystanders have disconnected too.
    let took = program.wait_for_open_files_at_most(before.open_files, TIMEOUT).await;
    let end = program.stats();
    println!("{connections} connections: before {before:?}, after {after:?}, at the end {end:?} after {took:.1?}");
    assert!(after.peak_rss_kib < before.rss_kib + BASE_GROWTH_KIB, "before {before:?}, after {after:?}");
}

/// Opens and drops connections with these numbers.
async fn open_and_drop(address: SocketAddr, numbers: std::ops::Range<usize>) {
    let hello: &'static [u8] = client_hello().leak();
    let mut tasks = JoinSet::new();
    for number in numbers {
        if tasks.len() >= CONCURRENT {
            tasks.join_next().await.unwrap().unwrap();
        }
        tasks.spawn(connect_once(address, number, hello));
    }
    tasks.join_all().await;
}

/// Connects up to one of four stages, then closes or resets the connection.
async fn connect_once(address: SocketAddr, number: usize, hello: &[u8]) {
    let mut stream = connect(address, number).await;
    match number % 4 {
        0 => {}
        1 => stream.write_all(hello).await.unwrap(),
        2 => stream.write_all(format!("{HANDSHAKE}\r\n").as_bytes()).await.unwrap(),
        _ => {
            let text = format!(r#"{{"type":"hello","name":"churn {number}"}}"#);
            stream.write_all(format!("{HANDSHAKE}\r\n").as_bytes()).await.unwrap();
            stream.write_all(&frame(0x81, text.as_bytes())).await.unwrap();
        }
    }
    // Half of them wait for the first response.
    if !number.is_multiple_of(4) && (number / 4).is_multiple_of(2) {
        wait_readable(&stream).await;
    }
    if (number / 8).is_multiple_of(2) {
        reset_on_close(&stream);
    }
}

async fn wait_readable(stream: &TcpStream) {
    tokio::time::timeout(TIMEOUT, stream.readable()).await.expect("response").unwrap();
}
