//! Video frames arrive complete, in order, and with their timestamps.

use hutong_media::{Error, Event, MediaType};

use crate::common;

/// In both directions, with sizes from one packet to more than a hundred.
#[tokio::test]
async fn video_frames_arrive_complete_and_in_order() {
    let _lock = common::shared().await;
    let (mut offerer, mut answerer) = common::connected_pair().await;
    exchange(&mut offerer, &mut answerer).await;
    exchange(&mut answerer, &mut offerer).await;
}

async fn exchange(sender: &mut common::TestPeer, receiver: &mut common::TestPeer) {
    let mut start = None;
    for number in 0..20_u64 {
        // 1,158 and 1,161 bytes leave a last packet of a few bytes.
        let size = [100, 150_000, 1_158, 1_161, 3_000][number as usize % 5];
        let sent = common::video_frame(number, number % 10 == 0, size);
        sender.peer.send_video(sent.clone()).unwrap();
        let received = receiver.frame(MediaType::Video).await;
        assert_eq!(received.data, sent.data, "frame {number}");
        assert_eq!(received.keyframe, sent.keyframe, "frame {number}");
        let start = *start.get_or_insert(received.timestamp - sent.timestamp);
        assert_eq!(received.timestamp - start, sent.timestamp, "frame {number}");
    }
}

#[tokio::test]
async fn the_first_video_frame_must_be_a_keyframe() {
    let _lock = common::shared().await;
    let (mut offerer, _answering) = common::connected_pair().await;
    assert_eq!(offerer.peer.send_video(common::video_frame(0, false, 100)), Err(Error::KeyframeNeeded));
    offerer.wait_for(Event::KeyframeNeeded).await;
    assert_eq!(offerer.peer.send_video(common::video_frame(1, true, 100)), Ok(()));
}

#[tokio::test]
async fn frames_of_invalid_size_are_rejected() {
    let _lock = common::shared().await;
    let (offerer, _answering) = common::connected_pair().await;
    let mut frame = common::video_frame(0, true, 100);
    frame.data = bytes::Bytes::new();
    assert_eq!(offerer.peer.send_video(frame.clone()), Err(Error::InvalidSize));
    frame.data = vec![0; (2 << 20) + 1].into();
    assert_eq!(offerer.peer.send_video(frame.clone()), Err(Error::InvalidSize));
    assert_eq!(offerer.peer.send_audio(frame).await, Err(Error::NotSending));
}
