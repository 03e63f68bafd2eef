//! Voice arrives, none of it dropped.

use hutong_media::Kind;

use crate::common;

#[tokio::test]
async fn arrives_both_ways() {
    let _turn = common::beside_others().await;
    let (mut offering, mut answering) = common::pair().await;
    exchange(&mut offering, &mut answering).await;
    exchange(&mut answering, &mut offering).await;
}

/// More at once than wait to be sent: the sender waits, and nothing is dropped.
async fn exchange(from: &mut common::Side, to: &mut common::Side) {
    const COUNT: u64 = 120;
    let send = async {
        for number in 0..COUNT {
            from.peer.send_voice(common::voice(number)).await.unwrap();
        }
    };
    let receive = async {
        let mut start = None;
        for number in 0..COUNT {
            let received = to.frame(Kind::Voice).await;
            let sent = common::voice(number);
            assert_eq!(received.data, sent.data, "packet {number}");
            let start = *start.get_or_insert(received.timestamp - sent.timestamp);
            assert_eq!(received.timestamp - start, sent.timestamp, "packet {number}");
        }
    };
    tokio::join!(send, receive);
}
