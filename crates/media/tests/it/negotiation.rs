//! Offers as browsers make them: video is negotiated before a track exists.

use hutong_media::{Error, MediaType};
use hutong_protocol::SdpKind;

use crate::common;

/// Replaces or removes lines in the offer's video section.
fn edit_video_section(offer: &str, mut replace: impl FnMut(&str) -> Option<String>) -> String {
    let mut is_video = false;
    let mut edited = String::new();
    for line in offer.split_inclusive("\r\n") {
        let line = line.trim_end();
        if line.starts_with("m=") {
            is_video = line.starts_with("m=video");
        }
        if let Some(line) = if is_video { replace(line) } else { Some(line.to_owned()) } {
            edited.push_str(&line);
            edited.push_str("\r\n");
        }
    }
    edited
}

fn describes_a_track(line: &str) -> bool {
    ["a=ssrc", "a=msid"].iter().any(|start| line.starts_with(start))
}

/// The offerer receives video, and has no camera.
#[tokio::test]
async fn video_flows_to_a_receive_only_offerer() {
    let _lock = common::shared().await;
    let mut offerer = common::test_peer(common::config()).await;
    let mut answerer = common::test_peer(common::config()).await;
    let offer = offerer.peer.offer().await.unwrap();
    let offer = edit_video_section(&offer, |line| {
        (!describes_a_track(line)).then(|| if line == "a=sendrecv" { "a=recvonly".into() } else { line.to_owned() })
    });
    assert!(offer.contains("a=recvonly"));
    common::connect(&mut offerer, &mut answerer, &offer, |candidate| candidate, |candidate| candidate).await;
    send_audio_then_video(&mut answerer, &mut offerer).await;
}

/// The offerer may send video later, and has no track for it yet.
#[tokio::test]
async fn video_flows_to_an_offerer_without_a_track() {
    let _lock = common::shared().await;
    let mut offerer = common::test_peer(common::config()).await;
    let mut answerer = common::test_peer(common::config()).await;
    let offer = offerer.peer.offer().await.unwrap();
    let offer = edit_video_section(&offer, |line| (!describes_a_track(line)).then(|| line.to_owned()));
    assert!(
        offer.contains("m=video")
            && !edit_video_section(&offer, |line| describes_a_track(line).then(String::new)).contains("ssrc-group")
    );
    common::connect(&mut offerer, &mut answerer, &offer, |candidate| candidate, |candidate| candidate).await;
    send_audio_then_video(&mut answerer, &mut offerer).await;
}

/// Sends audio for a while, then video.
async fn send_audio_then_video(sender: &mut common::TestPeer, receiver: &mut common::TestPeer) {
    for number in 0..100 {
        sender.peer.send_audio(common::audio_packet(number)).await.unwrap();
        receiver.frame(MediaType::Audio).await;
    }
    assert_eq!(sender.peer.send_video(common::video_frame(0, false, 3_000)), Err(Error::KeyframeNeeded));
    for number in 0..20 {
        sender.peer.send_video(common::video_frame(number, number == 0, 3_000)).unwrap();
        assert_eq!(receiver.frame(MediaType::Video).await.data, common::video_frame(number, number == 0, 3_000).data);
    }
}

/// The offerer does not accept video.
#[tokio::test]
async fn video_that_the_offerer_does_not_accept_is_dropped() {
    let _lock = common::shared().await;
    let mut offerer = common::test_peer(hutong_media::Config { sends_video: false, ..common::config() }).await;
    let mut answerer = common::test_peer(common::config()).await;
    let offer = offerer.peer.offer().await.unwrap();
    common::connect(&mut offerer, &mut answerer, &offer, |candidate| candidate, |candidate| candidate).await;
    for number in 0..100 {
        let sent = answerer.peer.send_video(common::video_frame(number, number == 0, 3_000));
        assert!(matches!(sent, Ok(()) | Err(Error::KeyframeNeeded)), "{sent:?}");
    }
    answerer.peer.send_audio(common::audio_packet(0)).await.unwrap();
    assert_eq!(offerer.frame(MediaType::Audio).await.data, common::audio_packet(0).data);
}

/// The offerer has H.264 only, as some devices do.
#[tokio::test]
async fn without_a_common_video_codec_the_answer_rejects_video_and_audio_flows() {
    let _lock = common::shared().await;
    let mut offerer = common::test_peer(common::config()).await;
    let mut answerer = common::test_peer(common::config()).await;
    let offer = offerer.peer.offer().await.unwrap();
    let foreign = edit_video_section(&offer, |line| Some(line.replace("VP8/", "H264/")));
    assert!(foreign.contains("H264/90000"), "{foreign}");
    common::connect(&mut offerer, &mut answerer, &foreign, |candidate| candidate, |candidate| candidate).await;
    for (sender, receiver) in [(0, 1), (1, 0)] {
        let peers = [&mut offerer, &mut answerer];
        for number in 0..20 {
            peers[sender].peer.send_audio(common::audio_packet(number)).await.unwrap();
            assert_eq!(peers[receiver].frame(MediaType::Audio).await.data, common::audio_packet(number).data);
        }
        // It is dropped, and ends nothing.
        for number in 0..100 {
            let sent = peers[sender].peer.send_video(common::video_frame(number, number == 0, 3_000));
            assert!(matches!(sent, Ok(()) | Err(Error::KeyframeNeeded)), "{sent:?}");
        }
        peers[sender].peer.send_audio(common::audio_packet(20)).await.unwrap();
        peers[receiver].frame(MediaType::Audio).await;
    }
}

/// Browsers leave attributes in a section that they reject, even streams.
#[tokio::test]
async fn an_answer_that_rejects_video_with_attributes_in_its_section_is_accepted() {
    let _lock = common::shared().await;
    let offerer = common::test_peer(common::config()).await;
    let answerer = common::test_peer(common::config()).await;
    let offer = offerer.peer.offer().await.unwrap();
    let foreign = edit_video_section(&offer, |line| Some(line.replace("VP8/", "H264/")));
    answerer.peer.set_remote_description(SdpKind::Offer, &foreign).await.unwrap();
    let answer = answerer.peer.answer().await.unwrap();
    let of_browser = "a=mid:1\r\n\
        a=ice-ufrag:6tT7\r\n\
        a=ice-pwd:R4V/yzzJY07Xvl2Lw2VZM6uX\r\n\
        a=setup:active\r\n\
        a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
        a=sendrecv\r\n\
        a=msid:1144fe08 7d5f3cf4\r\n\
        a=rtcp-mux\r\n\
        a=ssrc:3999176578 cname:Ef5eqltedNom7DKD\r\n";
    let answer = answer.replace("a=mid:1\r\n", of_browser);
    assert!(answer.contains("m=video 0") && answer.contains("a=ssrc:3999176578"), "{answer}");
    offerer.peer.set_remote_description(SdpKind::Answer, &answer).await.unwrap();
}
