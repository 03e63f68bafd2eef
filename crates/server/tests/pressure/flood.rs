//! Those who send as fast as they can, and those who send as much as they may, for ever.

use std::time::{Duration, Instant};

use hutong_protocol::{ClientMessage, MediaKind, SdpKind, Token, limits::MESSAGES_PER_SECOND};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
};

use super::{
    SLACK,
    others::Others,
    sockets::{frame, raw_login},
};
use crate::common::{Client, program::Program, set_up_call};

/// Memory that a flood may hold for each of its connections, in KiB: one message as it is read and decoded, and its answers.
const EACH: usize = 512;

#[tokio::test]
async fn a_flood_runs_off() {
    flood(4, Duration::from_secs(5)).await;
}

#[tokio::test]
#[ignore = "a minute of all that the machine can send"]
async fn a_long_flood_runs_off() {
    flood(64, Duration::from_secs(60)).await;
}

/// So many connections that each send without a pause, and come again when they are closed.
async fn flood(many: usize, time: Duration) {
    let program = Program::start(&[]).await;
    let address = program.address;
    let others = Others::arrive(address).await;
    let mut crowd = JoinSet::new();
    let before = program.numbers();
    for number in 0..many {
        crowd.spawn(async move {
            let offering = ClientMessage::Offering { to: Token(number as u64), media: MediaKind::Voice };
            let small = frame(0x81, serde_json::to_string(&offering).unwrap().as_bytes());
            let (begin, more) = match number % 4 {
                0 => (vec![], small.repeat(100)),
                1 => (vec![], frame(0x81, &[b'['; 60_000])),
                2 => (vec![], frame(0x89, &[b'x'; 125]).repeat(100)),
                // A message of fragments of nothing never becomes one, so that no rate counts it.
                _ => (frame(0x01, b"{"), frame(0x00, b"").repeat(1_000)),
            };
            for time in 0.. {
                let mut stream = raw_login(address, &format!("flood {number} {time}")).await;
                let _closed = stream.write_all(&begin).await;
                while stream.write_all(&more).await.is_ok() {}
            }
        });
    }
    tokio::time::sleep(time).await;
    crowd.shutdown().await;
    let after = program.numbers();
    others.have_noticed_nothing("a flood");
    let took = program.has_no_more_files_than(before.files, Duration::from_secs(20)).await;
    println!("a flood of {many}: {before:?}, then {after:?}, run off after {took:.1?}");
    assert!(after.peak < before.memory + many * EACH + SLACK, "{before:?}, then {after:?}");
}

#[tokio::test]
async fn what_is_allowed_may_go_on_for_ever() {
    at_the_limit(10, Duration::from_secs(8)).await;
}

#[tokio::test]
#[ignore = "two minutes of a hundred thousand messages each"]
async fn what_is_allowed_may_go_on_for_ever_and_costs_nothing_more() {
    at_the_limit(40, Duration::from_secs(120)).await;
}

/// So many pairs of which one side sends as many messages as it may: half of them reach the other side, half are wrong and
/// answered.
async fn at_the_limit(pairs: usize, time: Duration) {
    /// What may come on top between the first quarter and the end, in KiB: a message and its answer, kept for every second, would
    /// be past it.
    const GROWTH: usize = 8 * 1024;
    let program = Program::start(&[]).await;
    let address = program.address;
    let others = Others::arrive(address).await;
    let mut crowd = JoinSet::new();
    for number in 0..pairs {
        let (mut ana, _) = Client::login(address, &format!("busy {number}")).await;
        let (mut bo, login) = Client::login(address, &format!("target {number}")).await;
        let call = set_up_call(&mut ana, &mut bo, login.me.token).await;
        crowd.spawn(async move {
            use futures_util::{SinkExt, StreamExt};
            let pause = Duration::from_secs(1) / (MESSAGES_PER_SECOND - 2);
            let (mut ana_says, mut ana_hears) = ana.socket.split();
            let description = ClientMessage::Description { call, kind: SdpKind::Offer, sdp: "x".repeat(2_000) };
            let offering = ClientMessage::Offering { to: login.me.token, media: MediaKind::Voice };
            let texts = [description, offering].map(|message| serde_json::to_string(&message).unwrap());
            let says = async {
                let mut next = Instant::now();
                for number in 0.. {
                    let text = texts[number % 2].clone();
                    ana_says.send(tokio_tungstenite::tungstenite::Message::text(text)).await.unwrap();
                    next += pause;
                    tokio::time::sleep_until(next.into()).await;
                }
            };
            let hears = async { while let Some(Ok(_)) = ana_hears.next().await {} };
            let other_hears = async { while let Some(Ok(_)) = bo.socket.next().await {} };
            tokio::select! {
                () = says => {}
                () = hears => panic!("it was closed, and had broken no rule"),
                () = other_hears => panic!("the other was closed"),
            }
        });
    }
    tokio::time::sleep(time / 4).await;
    let before = program.numbers();
    tokio::time::sleep(time * 3 / 4).await;
    let after = program.numbers();
    println!("{pairs} at the limit: {before:?}, then {after:?}");
    assert!(crowd.try_join_next().is_none(), "everybody is there, and nobody was refused");
    others.have_noticed_nothing("clients at their limit");
    assert!(after.peak < before.memory + GROWTH, "{before:?}, then {after:?}");
    assert_eq!(after.files, before.files);
}

/// Pings that are answered, and whose answers nobody reads.
#[tokio::test]
#[ignore = "half a minute"]
async fn answers_that_nobody_reads_are_not_kept() {
    const MANY: usize = 200;
    let program = Program::start(&[]).await;
    let address = program.address;
    let mut crowd = JoinSet::new();
    for number in 0..MANY {
        let stream = raw_login(address, &format!("pinging {number}")).await;
        socket2::SockRef::from(&stream).set_recv_buffer_size(4096).unwrap();
        crowd.spawn(async move {
            let (mut hears, mut says) = stream.into_split();
            let mut welcome = [0; 64];
            let _begun = hears.read(&mut welcome).await;
            let ping = frame(0x89, &[b'x'; 125]);
            while says.write_all(&ping).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(21)).await;
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = program.numbers();
    tokio::time::sleep(Duration::from_secs(25)).await;
    let after = program.numbers();
    println!("{MANY} that ping and do not read: {before:?}, then {after:?}");
    assert!(after.peak < before.memory + SLACK / 2, "{before:?}, then {after:?}");
}
