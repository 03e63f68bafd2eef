//! Those who never finish what they begin, and those who are gone without a word, all at once.

use std::time::Duration;

use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, sleep_until},
};

use super::{
    SLACK,
    others::Others,
    sockets::{HANDSHAKE, client_hello, connect, frame, raw_login, vanish},
};
use crate::common::program::Program;

/// Longer than the longest that the server waits for anybody: 45 s of silence, and 2 s for a farewell.
const PATIENCE: Duration = Duration::from_secs(60);

/// Memory that each of them may hold meanwhile, in KiB. One in eleven has a head of up to 16 KiB, and two a message of up to 64 KiB that
/// is being put together, in a buffer that may be twice as large; a TLS connection has some 30 KiB, and a task with its socket about
/// five.
const EACH: usize = 40;

/// How often each of them sends a little more.
const DRIP: Duration = Duration::from_millis(200);

#[tokio::test]
async fn who_never_finishes_has_to_leave() {
    slow(20).await;
}

#[tokio::test]
#[ignore = "thousands of connections for a minute"]
async fn who_never_finishes_has_to_leave_by_the_thousand() {
    slow(900).await;
}

/// `many` of each kind.
async fn slow(many: usize) {
    let directory = tempfile::tempdir().unwrap();
    let program = Program::start(&["--self-signed", directory.path().to_str().unwrap()]).await;
    let others = Others::arrive(program.address).await;
    let before = program.numbers();

    let hello = client_hello();
    let rest: Vec<u8> = hello.iter().copied().skip(5).collect();
    let mut drips = Vec::new();
    for number in 0..many {
        let address = program.address;
        // Says nothing.
        drips.push(Drip::new(connect(address, number).await, &[], vec![]));
        // The head of a request, byte by byte.
        drips.push(Drip::new(
            connect(address, number).await,
            b"G",
            HANDSHAKE.as_bytes().iter().map(|byte| vec![*byte]).collect(),
        ));
        // A head without an end.
        drips.push(Drip::new(
            connect(address, number).await,
            HANDSHAKE.as_bytes(),
            vec![b"x-more: and more\r\n".to_vec()],
        ));
        // A handshake in TLS that stops in its first message.
        drips.push(Drip::new(
            connect(address, number).await,
            &hello[..5],
            rest.iter().map(|byte| vec![*byte]).collect(),
        ));
        // One that stops after it.
        drips.push(Drip::new(connect(address, number).await, &hello, vec![]));
        // A WebSocket without hello.
        drips.push(Drip::new(connect(address, number).await, format!("{HANDSHAKE}\r\n").as_bytes(), vec![]));
        // Users, from here on. A message byte by byte:
        let user = |kind: &str| format!("{kind} {number}");
        let mut endless = frame(0x81, &[b' '; 60_000]);
        let start = endless.split_off(8);
        let drip = Drip::new(raw_login(address, &user("dripping")).await, &endless, vec![start[..1].to_vec()]);
        drips.push(drip);
        // A frame that says that it is huge (a length of 2^40).
        let huge = [0x81, 0x80 | 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        drips.push(Drip::new(raw_login(address, &user("huge")).await, &huge, vec![vec![b' '; 1000]]));
        // A message of fragments without end, with something in them and with nothing:
        let begin = frame(0x01, b"{");
        drips.push(Drip::new(raw_login(address, &user("pieces")).await, &begin, vec![frame(0x00, &[b' '; 100])]));
        drips.push(Drip::new(raw_login(address, &user("nothing")).await, &begin, vec![frame(0x00, b"")]));
        // Gone without a word.
        let gone = raw_login(address, &user("gone")).await;
        gone.readable().await.unwrap();
        vanish(&gone);
        drips.push(Drip::new(gone, &[], vec![]));
    }
    let dripping = tokio::spawn(drip_all(drips));
    let took = program.has_no_more_files_than(before.files, PATIENCE).await;
    dripping.abort();
    let after = program.numbers();
    println!("{} slow connections: {before:?}, then {after:?}, all gone after {took:.1?}", many * 11);
    others.have_noticed_nothing("slow connections");
    assert!(after.peak < before.memory + many * 11 * EACH + SLACK, "{before:?}, then {after:?}");
}

/// A connection on which a little comes again and again.
struct Drip {
    stream: TcpStream,
    begins: Vec<u8>,
    /// What comes then, piece by piece; the last again and again.
    pieces: Vec<Vec<u8>>,
    next: usize,
}

impl Drip {
    fn new(stream: TcpStream, begins: &[u8], pieces: Vec<Vec<u8>>) -> Self {
        Self { stream, begins: begins.to_vec(), pieces, next: 0 }
    }

    /// A connection that the server has closed takes nothing, and that is well.
    async fn drip(&mut self) {
        if let Some(piece) = self.pieces.get(self.next.min(self.pieces.len().saturating_sub(1))) {
            let _closed = self.stream.try_write(piece);
            self.next += 1;
        }
    }
}

async fn drip_all(mut drips: Vec<Drip>) {
    for drip in &mut drips {
        let begins = std::mem::take(&mut drip.begins);
        let _closed = drip.stream.write_all(&begins).await;
    }
    let mut next = Instant::now();
    loop {
        for drip in &mut drips {
            drip.drip().await;
        }
        next += DRIP;
        sleep_until(next).await;
    }
}
