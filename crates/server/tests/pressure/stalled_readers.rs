//! Clients that stop reading while presence changes and a call partner sends them messages.

use std::time::Duration;

use hutong_protocol::{ClientMessage, SdpKind};
use tokio::task::JoinSet;

use super::{BASE_GROWTH_KIB, bystanders::Bystanders, raw_sockets::login_with_small_buffer};
use crate::common::{TestClient, program::ServerProgram, set_up_call};

/// Memory per stalled reader in KiB: queues of 512 KiB, which the last message may exceed, and a batch being written.
const PER_READER_KIB: usize = 2 * 1024;

/// Time from the first unread message to the close. Most of what the callers send is over their budget and refused to them, so
/// the server closes when a ping stays unanswered.
const TIMEOUT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn stalled_readers_are_disconnected() {
    run_stalled_readers(6).await;
}

#[tokio::test]
#[ignore = "sends 150 MB"]
async fn dozens_of_stalled_readers_are_disconnected() {
    run_stalled_readers(48).await;
}

async fn run_stalled_readers(readers: usize) {
    let program = ServerProgram::start(&[]).await;
    let address = program.address;
    let bystanders = Bystanders::start(address).await;
    let mut tasks = JoinSet::new();
    let before = program.stats();
    let mut stalled = Vec::new();
    for number in 0..readers {
        let (mut caller, _) = TestClient::login(address, &format!("caller {number}")).await;
        let (mut target, login) = login_with_small_buffer(address, &format!("stalled {number}")).await;
        let call = set_up_call(&mut caller, &mut target, login.me.token).await;
        stalled.push(target);
        tasks.spawn(async move {
            let sdp = "x".repeat(60_000);
            loop {
                caller.send(&ClientMessage::Description { call, kind: SdpKind::Offer, sdp: sdp.clone() }).await;
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        });
    }
    tasks.spawn(async move {
        for number in 0.. {
            let (_visitor, _) = TestClient::login(address, &format!("visitor {number}")).await;
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    });
    // The callers stay connected. The server closes the stalled readers, whose own sockets stay open. A visitor may be connected.
    let expected = before.open_files + readers + 1;
    let took = program.wait_for_open_files_at_most(expected, TIMEOUT).await;
    tasks.shutdown().await;
    let after = program.stats();
    println!("{readers} stalled readers: before {before:?}, after {after:?}, disconnected after {took:.1?}");
    bystanders.assert_unaffected("stalled readers");
    drop(stalled);
    assert!(
        after.peak_rss_kib < before.rss_kib + readers * PER_READER_KIB + BASE_GROWTH_KIB,
        "before {before:?}, after {after:?}"
    );
}
