//! Pictures arrive whole, in order, with their timestamps.

use hutong_media::{Error, Event, Kind};

use crate::common;

/// Both ways, of sizes from below one packet to more than a hundred.
#[tokio::test]
async fn arrive_whole_and_in_order() {
    let _turn = common::beside_others().await;
    let (mut offering, mut answering) = common::pair().await;
    exchange(&mut offering, &mut answering).await;
    exchange(&mut answering, &mut offering).await;
}

async fn exchange(from: &mut common::Side, to: &mut common::Side) {
    let mut start = None;
    for number in 0..20_u64 {
        // One of 1,158 and one of 1,161 bytes leave a last packet of very few.
        let size = [100, 150_000, 1_158, 1_161, 3_000][number as usize % 5];
        let sent = common::picture(number, number % 10 == 0, size);
        from.peer.send_video(sent.clone()).unwrap();
        let received = to.frame(Kind::Video).await;
        assert_eq!(received.data, sent.data, "frame {number}");
        assert_eq!(received.keyframe, sent.keyframe, "frame {number}");
        let start = *start.get_or_insert(received.timestamp - sent.timestamp);
        assert_eq!(received.timestamp - start, sent.timestamp, "frame {number}");
    }
}

#[tokio::test]
async fn begin_with_a_keyframe() {
    let _turn = common::beside_others().await;
    let (mut offering, _answering) = common::pair().await;
    assert_eq!(offering.peer.send_video(common::picture(0, false, 100)), Err(Error::KeyframeNeeded));
    offering.wait_for(Event::KeyframeWanted).await;
    assert_eq!(offering.peer.send_video(common::picture(1, true, 100)), Ok(()));
}

#[tokio::test]
async fn of_a_wrong_size_are_refused() {
    let _turn = common::beside_others().await;
    let (offering, _answering) = common::pair().await;
    let mut frame = common::picture(0, true, 100);
    frame.data = bytes::Bytes::new();
    assert_eq!(offering.peer.send_video(frame.clone()), Err(Error::Size));
    frame.data = vec![0; (2 << 20) + 1].into();
    assert_eq!(offering.peer.send_video(frame.clone()), Err(Error::Size));
    assert_eq!(offering.peer.send_voice(frame).await, Err(Error::NotSending));
}
