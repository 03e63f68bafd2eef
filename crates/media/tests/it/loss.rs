//! Retransmission of lost packets.

use std::time::Duration;

use hutong_media::MediaType;

use crate::common;
use crate::common::network_emulator::{NetworkEmulator, ProxyLink, TO_ANSWERER};

/// Number of frames checked.
const FRAMES: u64 = 250;
/// One of this many video packets is lost.
const LOSS_INTERVAL: u64 = 25;

#[tokio::test]
async fn lost_packets_are_retransmitted_once() {
    let _lock = common::shared().await;
    let mut offerer = common::test_peer(common::config()).await;
    let mut answerer = common::test_peer(common::config()).await;
    let loss_rule = Box::new(|number| number % LOSS_INTERVAL == 0);
    let network = NetworkEmulator::with_loss_rule(ProxyLink::default(), ProxyLink::default(), loss_rule).await;
    let offer = offerer.peer.offer().await.unwrap();
    common::connect(&mut offerer, &mut answerer, &offer, common::no_candidate, |candidate| {
        network.substitute(candidate)
    })
    .await;

    let send = async {
        // As much as the start bitrate allows.
        let mut timer = tokio::time::interval(Duration::from_millis(30));
        // On a busy machine frames must not pile up.
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // More than are checked: later packets reveal a loss.
        for number in 0..FRAMES + 50 {
            timer.tick().await;
            offerer.peer.send_video(common::video_frame(number, number == 0, 3_000)).unwrap();
        }
    };
    let receive = async {
        for number in 0..FRAMES {
            let frame = answerer.frame(MediaType::Video).await;
            assert_eq!(frame.data, common::video_frame(number, number == 0, 3_000).data, "frame {number}");
        }
    };
    tokio::join!(send, receive);

    let counts = network.counters(TO_ANSWERER);
    let lost = counts.video / LOSS_INTERVAL;
    assert!(lost >= FRAMES * 3 / LOSS_INTERVAL, "{lost} were lost");
    assert!((lost / 2..=lost * 2).contains(&counts.rtx), "{lost} were lost, {} retransmitted", counts.rtx);
}
