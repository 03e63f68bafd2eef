//! Those who connect and are gone, at every stage of it.

use std::{net::SocketAddr, time::Duration};

use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};

use super::{
    SLACK,
    others::Others,
    sockets::{HANDSHAKE, client_hello, connect, frame, will_break},
};
use crate::common::program::Program;

/// How many come at once.
const AT_ONCE: usize = 64;

/// A farewell's 2 s, and what else is still under way.
const PATIENCE: Duration = Duration::from_secs(25);

#[tokio::test]
async fn who_comes_and_goes_leaves_nothing_behind() {
    coming_and_going(3_000).await;
}

#[tokio::test]
#[ignore = "fifty thousand connections"]
async fn fifty_thousand_come_and_go_and_leave_nothing_behind() {
    coming_and_going(50_000).await;
}

async fn coming_and_going(many: usize) {
    let directory = tempfile::tempdir().unwrap();
    let program = Program::start(&["--self-signed", directory.path().to_str().unwrap()]).await;
    let others = Others::arrive(program.address).await;
    // What the allocator has to have at hand for so many at once, it keeps.
    crowd(program.address, 0..many / 10).await;
    let before = program.numbers();
    crowd(program.address, many / 10..many).await;
    let after = program.numbers();
    others.have_noticed_nothing("coming and going");
    // The two others are gone as well now.
    let took = program.has_no_more_files_than(before.files, PATIENCE).await;
    let end = program.numbers();
    println!("{many} connections: {before:?}, then {after:?}, in the end {end:?} after {took:.1?}");
    assert!(after.peak < before.memory + SLACK, "{before:?}, then {after:?}");
}

async fn crowd(address: SocketAddr, numbers: std::ops::Range<usize>) {
    let hello: &'static [u8] = client_hello().leak();
    let mut crowd = JoinSet::new();
    for number in numbers {
        if crowd.len() >= AT_ONCE {
            crowd.join_next().await.unwrap().unwrap();
        }
        crowd.spawn(come_and_go(address, number, hello));
    }
    crowd.join_all().await;
}

/// Four stages; every other one breaks instead of closing.
async fn come_and_go(address: SocketAddr, number: usize, hello: &[u8]) {
    let mut stream = connect(address, number).await;
    match number % 4 {
        0 => {}
        1 => stream.write_all(hello).await.unwrap(),
        2 => stream.write_all(format!("{HANDSHAKE}\r\n").as_bytes()).await.unwrap(),
        _ => {
            let text = format!(r#"{{"type":"hello","name":"passing by {number}"}}"#);
            stream.write_all(format!("{HANDSHAKE}\r\n").as_bytes()).await.unwrap();
            stream.write_all(&frame(0x81, text.as_bytes())).await.unwrap();
        }
    }
    // Half of them hear what they are answered.
    if !number.is_multiple_of(4) && (number / 4).is_multiple_of(2) {
        heard(&stream).await;
    }
    if (number / 8).is_multiple_of(2) {
        will_break(&stream);
    }
}

async fn heard(stream: &TcpStream) {
    tokio::time::timeout(PATIENCE, stream.readable()).await.expect("an answer").unwrap();
}
