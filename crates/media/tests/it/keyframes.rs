//! A request for a keyframe reaches the other side's encoder.

use hutong_media::{Event, Kind};

use crate::common;

#[tokio::test]
async fn a_request_arrives_both_ways() {
    let _turn = common::beside_others().await;
    let (mut offering, mut answering) = common::pair().await;
    exchange(&mut offering, &mut answering).await;
    exchange(&mut answering, &mut offering).await;
}

async fn exchange(from: &mut common::Side, to: &mut common::Side) {
    from.peer.send_video(common::picture(0, true, 5_000)).unwrap();
    to.frame(Kind::Video).await;
    to.peer.request_keyframe();
    from.wait_for(Event::KeyframeWanted).await;
    from.peer.send_video(common::picture(1, true, 5_000)).unwrap();
    assert!(to.frame(Kind::Video).await.keyframe);
}
