//! Closing frees everything.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use hutong_media::{Error, Kind, Message, SdpKind};

#[tokio::test]
async fn ends_events_and_tasks() {
    let runtime = tokio::runtime::Handle::current().metrics();
    let before = runtime.num_alive_tasks();
    let (mut offering, mut answering) = common::pair().await;
    assert!(runtime.num_alive_tasks() > before);
    for side in [&mut offering, &mut answering] {
        side.peer.close().await.unwrap();
        assert_eq!(side.events.next().await, None);
        assert_eq!(side.events.next().await, None);
    }
    let ended = async {
        while runtime.num_alive_tasks() > before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ended).await.expect("all tasks end");
}

#[tokio::test]
async fn refuses_everything_afterwards() {
    let side = common::side(common::config()).await;
    side.peer.close().await.unwrap();
    assert_eq!(side.peer.close().await, Ok(()));
    assert_eq!(side.peer.offer().await, Err(Error::Closed));
    assert_eq!(side.peer.answer().await, Err(Error::Closed));
    assert_eq!(side.peer.restart_ice().await, Err(Error::Closed));
    assert_eq!(side.peer.set_remote(SdpKind::Offer, "").await, Err(Error::Closed));
    assert_eq!(side.peer.send_video(common::picture(0, true, 100)), Err(Error::Closed));
    assert_eq!(side.peer.send_voice(common::voice(0)).await, Err(Error::Closed));
    assert_eq!(side.peer.send_message(&Message::Text("x".into())).await, Err(Error::Closed));
}

/// Ten connections, one after the other, with media both ways.
#[tokio::test]
async fn leaves_no_task_thread_or_socket() {
    let runtime = tokio::runtime::Handle::current().metrics();
    // What a process opens once.
    connect_and_close().await;
    let settled = async || {
        let mut before = None;
        // Sockets of tasks that end are closed in their own time.
        for _ in 0..200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let now = (count("/proc/self/fd"), count("/proc/self/task"), runtime.num_alive_tasks());
            if now.2 == 0 && before == Some(now) {
                break;
            }
            before = Some(now);
        }
        before
    };
    let before = settled().await;
    for _ in 0..10 {
        connect_and_close().await;
    }
    assert_eq!(settled().await, before);
}

async fn connect_and_close() {
    let (mut offering, mut answering) = common::pair().await;
    for (from, to) in [(&mut offering, &mut answering)] {
        from.peer.send_video(common::picture(0, true, 5_000)).unwrap();
        from.peer.send_voice(common::voice(0)).await.unwrap();
        to.frame(Kind::Video).await;
    }
    answering.peer.close().await.unwrap();
    offering.peer.close().await.unwrap();
}

fn count(directory: &str) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

#[tokio::test]
async fn happens_when_dropped() {
    let runtime = tokio::runtime::Handle::current().metrics();
    let before = runtime.num_alive_tasks();
    let (offering, answering) = common::pair().await;
    for side in [offering, answering] {
        let common::Side { peer, mut events, .. } = side;
        drop(peer);
        assert_eq!(events.next().await, None);
    }
    let ended = async {
        while runtime.num_alive_tasks() > before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ended).await.expect("all tasks end");
}
