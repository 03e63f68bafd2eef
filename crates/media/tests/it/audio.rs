//! Audio packets arrive, and none is dropped.

use hutong_media::MediaType;

use crate::common;

#[tokio::test]
async fn audio_arrives_in_both_directions() {
    let _lock = common::shared().await;
    let (mut offerer, mut answerer) = common::connected_pair().await;
    exchange(&mut offerer, &mut answerer).await;
    exchange(&mut answerer, &mut offerer).await;
}

/// Sends more packets at once than the queue holds: the sender waits, and nothing is dropped.
async fn exchange(sender: &mut common::TestPeer, receiver: &mut common::TestPeer) {
    const COUNT: u64 = 120;
    let send = async {
        for number in 0..COUNT {
            sender.peer.send_audio(common::audio_packet(number)).await.unwrap();
        }
    };
    let receive = async {
        let mut start = None;
        for number in 0..COUNT {
            let received = receiver.frame(MediaType::Audio).await;
            let sent = common::audio_packet(number);
            assert_eq!(received.data, sent.data, "packet {number}");
            let start = *start.get_or_insert(received.timestamp - sent.timestamp);
            assert_eq!(received.timestamp - start, sent.timestamp, "packet {number}");
        }
    };
    tokio::join!(send, receive);
}
