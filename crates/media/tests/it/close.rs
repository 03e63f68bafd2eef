//! Closing frees everything.

use std::time::Duration;

use hutong_media::{Error, Kind, Message};
use hutong_protocol::SdpKind;

use crate::common;

#[tokio::test]
async fn ends_events_and_tasks() {
    let _turn = common::beside_others().await;
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
    let _turn = common::beside_others().await;
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

/// The test below, in a process of its own: it counts what the whole process has.
#[tokio::test]
async fn leaves_no_task_thread_or_socket() {
    let _turn = common::beside_others().await;
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "close::inside_a_process_of_its_own", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}

/// Ten connections, one after the other, with media both ways.
#[tokio::test]
#[ignore = "runs in a process of its own"]
async fn inside_a_process_of_its_own() {
    // What a process opens once.
    connect_and_close().await;
    let before = settled().await;
    for _ in 0..10 {
        connect_and_close().await;
    }
    assert_eq!(settled().await, before);
}

/// What the process and the runtime of the test have open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    descriptors: usize,
    threads: usize,
    tasks: usize,
}

impl Open {
    fn now() -> Self {
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        Self { descriptors: count("/proc/self/fd"), threads: count("/proc/self/task"), tasks }
    }
}

/// Waits until no task runs and nothing is opened or closed any more: sockets of tasks that end are closed in their own time.
async fn settled() -> Open {
    let mut before = Open::now();
    let mut changes = vec![before];
    for _ in 0..1_000 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let now = Open::now();
        if now == before && now.tasks == 0 {
            return now;
        }
        if now != before {
            changes.push(now);
        }
        before = now;
    }
    panic!("not settled after 10 s: {before:?}, after {changes:?}");
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
    let _turn = common::beside_others().await;
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
