//! Those who stop reading, while people come and go and somebody sends them what belongs to a call.

use std::time::Duration;

use hutong_protocol::{ClientMessage, SdpKind};
use tokio::task::JoinSet;

use super::{SLACK, others::Others, sockets::narrow_login};
use crate::common::{Client, program::Program, set_up_call};

/// Memory that one of them may hold, in KiB: 512 KiB of messages that wait, half as much that the queue's last message may be
/// past it, and a batch that is being written.
const EACH: usize = 2 * 1024;

/// From the first message that is not read to the close: what the two systems take in between is filled at 3 MB/s.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn who_stops_reading_is_left_behind() {
    not_reading(6).await;
}

#[tokio::test]
#[ignore = "a hundred and fifty megabytes of messages"]
async fn who_stops_reading_is_left_behind_by_the_dozen() {
    not_reading(48).await;
}

async fn not_reading(many: usize) {
    let program = Program::start(&[]).await;
    let address = program.address;
    let others = Others::arrive(address).await;
    let mut crowd = JoinSet::new();
    let before = program.numbers();
    let mut deaf = Vec::new();
    for number in 0..many {
        let (mut caller, _) = Client::login(address, &format!("caller {number}")).await;
        let (mut called, login) = narrow_login(address, &format!("deaf {number}")).await;
        let call = set_up_call(&mut caller, &mut called, login.me.token).await;
        deaf.push(called);
        crowd.spawn(async move {
            let sdp = "x".repeat(60_000);
            // Until it is told that the other side has not kept up.
            loop {
                caller.send(&ClientMessage::Description { call, kind: SdpKind::Offer, sdp: sdp.clone() }).await;
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        });
    }
    crowd.spawn(async move {
        for number in 0.. {
            let (_visitor, _) = Client::login(address, &format!("visitor {number}")).await;
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    });
    // The callers stay; the deaf are closed, though their own ends stay open. A visitor may be there.
    let left = before.files + many + 1;
    let took = program.has_no_more_files_than(left, PATIENCE).await;
    crowd.shutdown().await;
    let after = program.numbers();
    println!("{many} that do not read: {before:?}, then {after:?}, left behind after {took:.1?}");
    others.have_noticed_nothing("clients that do not read");
    drop(deaf);
    assert!(after.peak < before.memory + many * EACH + SLACK, "{before:?}, then {after:?}");
}
