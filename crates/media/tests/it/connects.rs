//! Two peers find each other with candidates that follow the descriptions, and again after an ICE restart.

use std::time::{Duration, Instant};

use hutong_media::{Config, Error, Event, Kind, Step};
use hutong_protocol::SdpKind;

use crate::common;

#[tokio::test]
async fn with_trickled_candidates() {
    let _turn = common::beside_others().await;
    let (mut offering, mut answering) = common::pair().await;
    for side in [&mut offering, &mut answering] {
        side.wait_for(Event::ChannelOpen).await;
    }
    offering.peer.close().await.unwrap();
    answering.peer.close().await.unwrap();
}

#[tokio::test]
async fn descriptions_carry_no_candidates_but_the_codecs() {
    let _turn = common::beside_others().await;
    let offering = common::side(common::config()).await;
    let offer = offering.peer.offer().await.unwrap();
    assert!(!offer.contains("a=candidate"));
    for line in ["a=rtpmap:96 VP8/90000", "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96", "a=rtpmap:111 opus/48000/2"] {
        assert!(offer.contains(line), "{line}");
    }
    for feedback in ["a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli", "a=rtcp-fb:96 ccm fir", "a=rtcp-fb:96 transport-cc"]
    {
        assert!(offer.contains(feedback), "{feedback}");
    }
    assert!(offer.contains("a=ssrc-group:FID"), "the stream of retransmissions is named");
}

#[tokio::test]
async fn again_after_an_ice_restart() {
    let _turn = common::beside_others().await;
    let (mut offering, mut answering) = common::pair().await;
    offering.peer.send_video(common::picture(0, true, 2_000)).unwrap();
    answering.frame(Kind::Video).await;
    let offer = offering.peer.restart_ice().await.unwrap();
    common::connect(&mut offering, &mut answering, &offer, |candidate| candidate, |candidate| candidate).await;
    offering.peer.send_video(common::picture(1, true, 2_000)).unwrap();
    assert_eq!(answering.frame(Kind::Video).await.data, common::picture(1, true, 2_000).data);
}

#[tokio::test]
async fn with_voice_alone_on_one_side() {
    let _turn = common::beside_others().await;
    let mut offering = common::side(common::config()).await;
    let mut answering = common::side(Config { video: false, ..common::config() }).await;
    let offer = offering.peer.offer().await.unwrap();
    common::connect(&mut offering, &mut answering, &offer, |candidate| candidate, |candidate| candidate).await;
    assert_eq!(answering.peer.send_video(common::picture(0, true, 100)), Err(Error::NotSending));
    offering.peer.send_video(common::picture(0, true, 100)).unwrap();
    assert_eq!(answering.frame(Kind::Video).await.data, common::picture(0, true, 100).data);
    answering.peer.send_voice(common::voice(0)).await.unwrap();
    assert_eq!(offering.frame(Kind::Voice).await.data, common::voice(0).data);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let _turn = common::beside_others().await;
    let side = common::side(common::config()).await;
    for sdp in ["", "nonsense", "v=0\r\n"] {
        for kind in [SdpKind::Offer, SdpKind::Answer] {
            assert_eq!(side.peer.set_remote(kind, sdp).await, Err(Error::Failed(Step::Remote)), "{kind:?} {sdp:?}");
        }
    }
    assert_eq!(side.peer.answer().await, Err(Error::Failed(Step::Describe)));
    assert_eq!(side.peer.send_video(common::picture(0, true, 100)), Err(Error::NotConnected));
}

/// The path is found with the first check, chosen with the second, 100 ms later; and nothing else waits. The library alone begins the
/// handshake with the third.
#[tokio::test]
async fn the_handshake_begins_as_soon_as_there_is_a_path() {
    let _turn = common::beside_others().await;
    let mut quickest = Duration::MAX;
    for _ in 0..5 {
        let begun = Instant::now();
        let (offering, answering) = common::pair().await;
        quickest = quickest.min(begun.elapsed());
        offering.peer.close().await.unwrap();
        answering.peer.close().await.unwrap();
    }
    assert!(quickest < Duration::from_millis(200), "{quickest:?}");
}
