//! What is lost on the way is sent again, once.

use std::time::Duration;

use hutong_media::Kind;

use crate::common;
use crate::common::path::{Link, Path, THERE};

/// How many frames are looked at.
const FRAMES: u64 = 250;
/// One of so many packets of the picture is lost.
const LOST: u64 = 25;

#[tokio::test]
async fn no_frame_is_lost_with_a_packet() {
    let _turn = common::beside_others().await;
    let mut offering = common::side(common::config()).await;
    let mut answering = common::side(common::config()).await;
    let sieve = Box::new(|number| number % LOST == 0);
    let path = Path::with_sieve(Link::default(), Link::default(), sieve).await;
    let offer = offering.peer.offer().await.unwrap();
    common::connect(&mut offering, &mut answering, &offer, common::path::none, |candidate| path.instead(candidate))
        .await;

    let send = async {
        // As much as the first estimate allows.
        let mut pace = tokio::time::interval(Duration::from_millis(30));
        // A machine that is busy with other things must not let frames pile up.
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // More than are looked at: a loss is noticed by what follows.
        for number in 0..FRAMES + 50 {
            pace.tick().await;
            offering.peer.send_video(common::picture(number, number == 0, 3_000)).unwrap();
        }
    };
    let receive = async {
        for number in 0..FRAMES {
            let frame = answering.frame(Kind::Video).await;
            assert_eq!(frame.data, common::picture(number, number == 0, 3_000).data, "frame {number}");
        }
    };
    tokio::join!(send, receive);

    let counts = path.counts(THERE);
    let lost = counts.pictures / LOST;
    assert!(lost >= FRAMES * 3 / LOST, "{lost} were lost");
    assert!((lost / 2..=lost * 2).contains(&counts.repeated), "{lost} were lost, {} repeated", counts.repeated);
}
