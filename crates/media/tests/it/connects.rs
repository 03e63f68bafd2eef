//! Connecting with trickled candidates, and again after an ICE restart.

use std::time::{Duration, Instant};

use hutong_media::{Config, Error, Event, MediaType, PeerOperation};
use hutong_protocol::SdpKind;

use crate::common;

#[tokio::test]
async fn peers_connect_with_trickled_candidates() {
    let _lock = common::shared().await;
    let (mut offerer, mut answerer) = common::connected_pair().await;
    for side in [&mut offerer, &mut answerer] {
        side.wait_for(Event::DataChannelOpen).await;
    }
    offerer.peer.close().await.unwrap();
    answerer.peer.close().await.unwrap();
}

#[tokio::test]
async fn an_offer_has_the_codecs_but_no_candidates() {
    let _lock = common::shared().await;
    let offerer = common::test_peer(common::config()).await;
    let offer = offerer.peer.offer().await.unwrap();
    assert!(!offer.contains("a=candidate"));
    for line in ["a=rtpmap:96 VP8/90000", "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96", "a=rtpmap:111 opus/48000/2"] {
        assert!(offer.contains(line), "{line}");
    }
    for feedback in ["a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli", "a=rtcp-fb:96 ccm fir", "a=rtcp-fb:96 transport-cc"]
    {
        assert!(offer.contains(feedback), "{feedback}");
    }
    assert!(offer.contains("a=ssrc-group:FID"), "the RTX stream is announced");
}

#[tokio::test]
async fn peers_reconnect_after_an_ice_restart() {
    let _lock = common::shared().await;
    let (mut offerer, mut answerer) = common::connected_pair().await;
    offerer.peer.send_video(common::video_frame(0, true, 2_000)).unwrap();
    answerer.frame(MediaType::Video).await;
    let offer = offerer.peer.ice_restart_offer().await.unwrap();
    common::connect(&mut offerer, &mut answerer, &offer, |candidate| candidate, |candidate| candidate).await;
    offerer.peer.send_video(common::video_frame(1, true, 2_000)).unwrap();
    assert_eq!(answerer.frame(MediaType::Video).await.data, common::video_frame(1, true, 2_000).data);
}

/// Browsers reject an answer with another role than that of the existing association.
#[tokio::test]
async fn later_answers_keep_the_dtls_roles() {
    let _lock = common::shared().await;
    let (offerer, answerer) = common::connected_pair().await;
    for (from, to, role) in [(&answerer, &offerer, "passive"), (&offerer, &answerer, "active")] {
        let offer = from.peer.ice_restart_offer().await.unwrap();
        to.peer.set_remote_description(SdpKind::Offer, &offer).await.unwrap();
        let answer = to.peer.answer().await.unwrap();
        assert!(answer.contains(&format!("a=setup:{role}")), "{answer}");
        from.peer.set_remote_description(SdpKind::Answer, &answer).await.unwrap();
    }
}

#[tokio::test]
async fn the_offer_of_the_other_side_replaces_a_pending_one() {
    let _lock = common::shared().await;
    let (mut offerer, mut answerer) = common::connected_pair().await;
    let ignored = answerer.peer.ice_restart_offer().await.unwrap();
    let offer = offerer.peer.ice_restart_offer().await.unwrap();
    assert_ne!(ignored, offer);
    common::connect(&mut offerer, &mut answerer, &offer, |candidate| candidate, |candidate| candidate).await;
    offerer.peer.send_video(common::video_frame(1, true, 2_000)).unwrap();
    assert_eq!(answerer.frame(MediaType::Video).await.data, common::video_frame(1, true, 2_000).data);
    // The other side can restart afterwards.
    let offer = answerer.peer.ice_restart_offer().await.unwrap();
    common::connect(&mut answerer, &mut offerer, &offer, |candidate| candidate, |candidate| candidate).await;
    offerer.peer.send_video(common::video_frame(2, true, 2_000)).unwrap();
    assert_eq!(answerer.frame(MediaType::Video).await.data, common::video_frame(2, true, 2_000).data);
}

#[tokio::test]
async fn peers_connect_when_one_side_sends_audio_only() {
    let _lock = common::shared().await;
    let mut offerer = common::test_peer(common::config()).await;
    let mut answerer = common::test_peer(Config { sends_video: false, ..common::config() }).await;
    let offer = offerer.peer.offer().await.unwrap();
    common::connect(&mut offerer, &mut answerer, &offer, |candidate| candidate, |candidate| candidate).await;
    assert_eq!(answerer.peer.send_video(common::video_frame(0, true, 100)), Err(Error::NotSending));
    offerer.peer.send_video(common::video_frame(0, true, 100)).unwrap();
    assert_eq!(answerer.frame(MediaType::Video).await.data, common::video_frame(0, true, 100).data);
    answerer.peer.send_audio(common::audio_packet(0)).await.unwrap();
    assert_eq!(offerer.frame(MediaType::Audio).await.data, common::audio_packet(0).data);
}

#[tokio::test]
async fn invalid_descriptions_are_rejected() {
    let _lock = common::shared().await;
    let side = common::test_peer(common::config()).await;
    for sdp in ["", "nonsense", "v=0\r\n"] {
        for kind in [SdpKind::Offer, SdpKind::Answer] {
            assert_eq!(
                side.peer.set_remote_description(kind, sdp).await,
                Err(Error::Failed(PeerOperation::SetRemoteDescription)),
                "{kind:?} {sdp:?}"
            );
        }
    }
    assert_eq!(side.peer.answer().await, Err(Error::Failed(PeerOperation::CreateDescription)));
    assert_eq!(side.peer.send_video(common::video_frame(0, true, 100)), Err(Error::NotConnected));
}

/// The first connectivity check finds the path, the second nominates it 100 ms later. Without [`hutong_media`]'s workaround, the
/// library would start the handshake with the third.
#[tokio::test]
async fn dtls_starts_as_soon_as_ice_is_connected() {
    let _lock = common::shared().await;
    let mut quickest = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        let (offerer, answerer) = common::connected_pair().await;
        quickest = quickest.min(start.elapsed());
        offerer.peer.close().await.unwrap();
        answerer.peer.close().await.unwrap();
    }
    assert!(quickest < Duration::from_millis(200), "{quickest:?}");
}
