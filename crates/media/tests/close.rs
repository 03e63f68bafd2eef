//! Closing frees everything.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use hutong_media::{Error, Message, SdpKind};

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
