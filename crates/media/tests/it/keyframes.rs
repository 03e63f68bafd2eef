//! Keyframe requests.

use hutong_media::{Event, MediaType};

use crate::common;

#[tokio::test]
async fn a_keyframe_request_reaches_the_remote_encoder() {
    let _lock = common::shared().await;
    let (mut offerer, mut answerer) = common::connected_pair().await;
    exchange(&mut offerer, &mut answerer).await;
    exchange(&mut answerer, &mut offerer).await;
}

async fn exchange(sender: &mut common::TestPeer, receiver: &mut common::TestPeer) {
    sender.peer.send_video(common::video_frame(0, true, 5_000)).unwrap();
    receiver.frame(MediaType::Video).await;
    receiver.peer.request_keyframe();
    sender.wait_for(Event::KeyframeNeeded).await;
    sender.peer.send_video(common::video_frame(1, true, 5_000)).unwrap();
    assert!(receiver.frame(MediaType::Video).await.keyframe);
}
