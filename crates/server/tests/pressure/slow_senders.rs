//! Clients that never complete a request, handshake or message, and clients that vanish without closing.

use std::time::Duration;

use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, sleep_until},
};

use super::{
    BASE_GROWTH_KIB,
    bystanders::Bystanders,
    raw_sockets::{HANDSHAKE, client_hello, connect, frame, raw_login, vanish},
};
use crate::common::program::ServerProgram;

/// Longer than the longest timeout of the server: 20 s for a request head or a TLS handshake, 15 s of silence, and 2 s for
/// the close handshake.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Memory per connection in KiB, on average. One in eleven has a head of up to 16 KiB, two have a message of up to 64 KiB in a
/// buffer of up to twice that size, a TLS connection has about 30 KiB, and a task with its socket about 5 KiB.
const PER_CONNECTION_KIB: usize = 40;

/// Interval at which each client sends a little more.
const DRIP_INTERVAL: Duration = Duration::from_millis(200);

#[tokio::test]
async fn slow_senders_are_disconnected() {
    run_slow_senders(20).await;
}

#[tokio::test]
#[ignore = "opens ten thousand connections for a minute"]
async fn thousands_of_slow_senders_are_disconnected() {
    run_slow_senders(900).await;
}

/// Runs `per_kind` connections of each of eleven kinds.
async fn run_slow_senders(per_kind: usize) {
    let directory = tempfile::tempdir().unwrap();
    let program = ServerProgram::start(&["--self-signed", directory.path().to_str().unwrap()]).await;
    let bystanders = Bystanders::start(program.address).await;
    let before = program.stats();

    let hello = client_hello();
    let rest: Vec<u8> = hello.iter().copied().skip(5).collect();
    let mut drips = Vec::new();
    for number in 0..per_kind {
        let address = program.address;
        // Sends nothing.
        drips.push(Drip::new(connect(address, number).await, &[], vec![]));
        // A request head, byte by byte.
        drips.push(Drip::new(
            connect(address, number).await,
            b"G",
            HANDSHAKE.as_bytes().iter().map(|byte| vec![*byte]).collect(),
        ));
        // A request head that never ends.
        drips.push(Drip::new(
            connect(address, number).await,
            HANDSHAKE.as_bytes(),
            vec![b"x-more: and more\r\n".to_vec()],
        ));
        // A TLS handshake whose first message never completes.
        drips.push(Drip::new(
            connect(address, number).await,
            &hello[..5],
            rest.iter().map(|byte| vec![*byte]).collect(),
        ));
        // A TLS handshake that stops after its first message.
        drips.push(Drip::new(connect(address, number).await, &hello, vec![]));
        // A WebSocket without a hello.
        drips.push(Drip::new(connect(address, number).await, format!("{HANDSHAKE}\r\n").as_bytes(), vec![]));
        // From here on logged in. A message, byte by byte.
        let user = |kind: &str| format!("{kind} {number}");
        let mut message = frame(0x81, &[b' '; 60_000]);
        let payload = message.split_off(8);
        let drip = Drip::new(raw_login(address, &user("dripping")).await, &message, vec![payload[..1].to_vec()]);
        drips.push(drip);
        // A frame header with a length of 2^40.
        let huge = [0x81, 0x80 | 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        drips.push(Drip::new(raw_login(address, &user("huge")).await, &huge, vec![vec![b' '; 1000]]));
        // Messages of fragments that never end, with and without content.
        let begin = frame(0x01, b"{");
        drips.push(Drip::new(raw_login(address, &user("pieces")).await, &begin, vec![frame(0x00, &[b' '; 100])]));
        drips.push(Drip::new(raw_login(address, &user("nothing")).await, &begin, vec![frame(0x00, b"")]));
        // A client that vanishes without closing.
        let gone = raw_login(address, &user("gone")).await;
        gone.readable().await.unwrap();
        vanish(&gone);
        drips.push(Drip::new(gone, &[], vec![]));
    }
    let dripping = tokio::spawn(drip_all(drips));
    let took = program.wait_for_open_files_at_most(before.open_files, TIMEOUT).await;
    dripping.abort();
    let after = program.stats();
    println!("{} slow connections: before {before:?}, after {after:?}, all closed after {took:.1?}", per_kind * 11);
    bystanders.assert_unaffected("slow senders");
    assert!(
        after.peak_rss_kib < before.rss_kib + per_kind * 11 * PER_CONNECTION_KIB + BASE_GROWTH_KIB,
        "before {before:?}, after {after:?}"
    );
}

/// A connection that sends a first part at once, then one piece at each interval.
struct Drip {
    stream: TcpStream,
    first: Vec<u8>,
    /// The last piece is repeated forever.
    pieces: Vec<Vec<u8>>,
    next: usize,
}

impl Drip {
    fn new(stream: TcpStream, first: &[u8], pieces: Vec<Vec<u8>>) -> Self {
        Self { stream, first: first.to_vec(), pieces, next: 0 }
    }

    /// Sends the next piece. Ignores errors of a connection that the server has closed.
    async fn send_next(&mut self) {
        if let Some(piece) = self.pieces.get(self.next.min(self.pieces.len().saturating_sub(1))) {
            let _closed = self.stream.try_write(piece);
            self.next += 1;
        }
    }
}

async fn drip_all(mut drips: Vec<Drip>) {
    for drip in &mut drips {
        let first = std::mem::take(&mut drip.first);
        let _closed = drip.stream.write_all(&first).await;
    }
    let mut next = Instant::now();
    loop {
        for drip in &mut drips {
            drip.send_next().await;
        }
        next += DRIP_INTERVAL;
        sleep_until(next).await;
    }
}
