//! Floods: clients that send without a pause, and clients that send at the rate limit.

use std::time::{Duration, Instant};

use hutong_protocol::{ClientMessage, MediaKind, SdpKind, Token, limits::MESSAGES_PER_SECOND};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
};

use super::{
    BASE_GROWTH_KIB,
    bystanders::Bystanders,
    raw_sockets::{frame, raw_login},
};
use crate::common::{TestClient, program::ServerProgram, set_up_call};

/// Memory per flooding connection in KiB: one message as it is read and decoded, and the replies.
const PER_CONNECTION_KIB: usize = 512;

#[tokio::test]
async fn a_flood_does_not_affect_others() {
    flood(4, Duration::from_secs(5)).await;
}

#[tokio::test]
#[ignore = "floods for a minute at full speed"]
async fn a_long_flood_does_not_affect_others() {
    flood(64, Duration::from_secs(60)).await;
}

/// Runs connections that send without a pause, and reconnect when they are closed.
async fn flood(connections: usize, time: Duration) {
    let program = ServerProgram::start(&[]).await;
    let address = program.address;
    let bystanders = Bystanders::start(address).await;
    let mut tasks = JoinSet::new();
    let before = program.stats();
    for number in 0..connections {
        tasks.spawn(async move {
            let offering = ClientMessage::Offering { to: Token(number as u64), media: MediaKind::Voice };
            let small = frame(0x81, serde_json::to_string(&offering).unwrap().as_bytes());
            let (first, repeated) = match number % 4 {
                0 => (vec![], small.repeat(100)),
                1 => (vec![], frame(0x81, &[b'['; 60_000])),
                2 => (vec![], frame(0x89, &[b'x'; 125]).repeat(100)),
                // A message of empty fragments never completes.
                _ => (frame(0x01, b"{"), frame(0x00, b"").repeat(1_000)),
            };
            for attempt in 0.. {
                let mut stream = raw_login(address, &format!("flood {number} {attempt}")).await;
                let _closed = stream.write_all(&first).await;
                while stream.write_all(&repeated).await.is_ok() {}
            }
        });
    }
    tokio::time::sleep(time).await;
    tasks.shutdown().await;
    let after = program.stats();
    bystanders.assert_unaffected("flood");
    let took = program.wait_for_open_files_at_most(before.open_files, Duration::from_secs(20)).await;
    println!("flood of {connections} connections: before {before:?}, after {after:?}, closed after {took:.1?}");
    assert!(
        after.peak_rss_kib < before.rss_kib + connections * PER_CONNECTION_KIB + BASE_GROWTH_KIB,
        "before {before:?}, after {after:?}"
    );
}

#[tokio::test]
async fn clients_at_the_rate_limit_are_not_disconnected() {
    at_the_limit(10, Duration::from_secs(8)).await;
}

#[tokio::test]
#[ignore = "two minutes at the rate limit"]
async fn many_clients_at_the_rate_limit_are_not_disconnected_and_memory_stays_bounded() {
    at_the_limit(40, Duration::from_secs(120)).await;
}

/// Runs pairs in calls, of which one side sends at the rate limit: half of the messages are relayed, half are rejected.
async fn at_the_limit(pairs: usize, time: Duration) {
    /// Memory growth in KiB between the first quarter and the end. Leaking one message and its reply a second would exceed it.
    const MAX_GROWTH_KIB: usize = 8 * 1024;
    let program = ServerProgram::start(&[]).await;
    let address = program.address;
    let bystanders = Bystanders::start(address).await;
    let mut tasks = JoinSet::new();
    for number in 0..pairs {
        let (mut ana, _) = TestClient::login(address, &format!("busy {number}")).await;
        let (mut bo, login) = TestClient::login(address, &format!("target {number}")).await;
        let call = set_up_call(&mut ana, &mut bo, login.me.token).await;
        tasks.spawn(async move {
            use futures_util::{SinkExt, StreamExt};
            let pause = Duration::from_secs(1) / (MESSAGES_PER_SECOND - 2);
            let (mut ana_sink, mut ana_stream) = ana.socket.split();
            let description = ClientMessage::Description { call, kind: SdpKind::Offer, sdp: "x".repeat(2_000) };
            let offering = ClientMessage::Offering { to: login.me.token, media: MediaKind::Voice };
            let texts = [description, offering].map(|message| serde_json::to_string(&message).unwrap());
            let send = async {
                let mut next = Instant::now();
                for number in 0.. {
                    let text = texts[number % 2].clone();
                    ana_sink.send(tokio_tungstenite::tungstenite::Message::text(text)).await.unwrap();
                    next += pause;
                    tokio::time::sleep_until(next.into()).await;
                }
            };
            let read = async { while let Some(Ok(_)) = ana_stream.next().await {} };
            let target_read = async { while let Some(Ok(_)) = bo.socket.next().await {} };
            tokio::select! {
                () = send => {}
                () = read => panic!("the server closed a client within its rate limit"),
                () = target_read => panic!("the server closed the target of the messages"),
            }
        });
    }
    tokio::time::sleep(time / 4).await;
    let before = program.stats();
    tokio::time::sleep(time * 3 / 4).await;
    let after = program.stats();
    println!("{pairs} pairs at the rate limit: before {before:?}, after {after:?}");
    assert!(tasks.try_join_next().is_none(), "no client was disconnected");
    bystanders.assert_unaffected("clients at the rate limit");
    assert!(after.peak_rss_kib < before.rss_kib + MAX_GROWTH_KIB, "before {before:?}, after {after:?}");
    assert_eq!(after.open_files, before.open_files);
}

/// Clients that send pings and never read the pongs.
#[tokio::test]
#[ignore = "takes half a minute"]
async fn unread_pongs_do_not_accumulate() {
    const CLIENTS: usize = 200;
    let program = ServerProgram::start(&[]).await;
    let address = program.address;
    let mut tasks = JoinSet::new();
    for number in 0..CLIENTS {
        let stream = raw_login(address, &format!("pinging {number}")).await;
        socket2::SockRef::from(&stream).set_recv_buffer_size(4096).unwrap();
        tasks.spawn(async move {
            let (mut reader, mut writer) = stream.into_split();
            let mut welcome = [0; 64];
            let _received = reader.read(&mut welcome).await;
            let ping = frame(0x89, &[b'x'; 125]);
            while writer.write_all(&ping).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(21)).await;
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = program.stats();
    tokio::time::sleep(Duration::from_secs(25)).await;
    let after = program.stats();
    println!("{CLIENTS} clients that ping and do not read: before {before:?}, after {after:?}");
    assert!(after.peak_rss_kib < before.rss_kib + BASE_GROWTH_KIB / 2, "before {before:?}, after {after:?}");
}
