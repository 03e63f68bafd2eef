//! Offers of others: with places for a picture that nobody uses yet.

use hutong_media::{Error, Kind};

use crate::common;

/// The offer, with the picture's section changed, line by line.
fn change(offer: &str, mut line: impl FnMut(&str) -> Option<String>) -> String {
    let mut is_video = false;
    let mut changed = String::new();
    for one in offer.split_inclusive("\r\n") {
        let one = one.trim_end();
        if one.starts_with("m=") {
            is_video = one.starts_with("m=video");
        }
        if let Some(one) = if is_video { line(one) } else { Some(one.to_owned()) } {
            changed.push_str(&one);
            changed.push_str("\r\n");
        }
    }
    changed
}

fn is_of_a_track(line: &str) -> bool {
    ["a=ssrc", "a=msid"].iter().any(|start| line.starts_with(start))
}

/// Whoever offers wants to see, and has no camera.
#[tokio::test]
async fn a_picture_flows_to_who_only_receives() {
    let _turn = common::beside_others().await;
    let mut offering = common::side(common::config()).await;
    let mut answering = common::side(common::config()).await;
    let offer = offering.peer.offer().await.unwrap();
    let offer = change(&offer, |line| {
        (!is_of_a_track(line)).then(|| if line == "a=sendrecv" { "a=recvonly".into() } else { line.to_owned() })
    });
    assert!(offer.contains("a=recvonly"));
    common::connect(&mut offering, &mut answering, &offer, |candidate| candidate, |candidate| candidate).await;
    later(&mut answering, &mut offering).await;
}

/// Whoever offers may show something later, and has no track for it yet.
#[tokio::test]
async fn a_picture_flows_to_who_has_no_track_yet() {
    let _turn = common::beside_others().await;
    let mut offering = common::side(common::config()).await;
    let mut answering = common::side(common::config()).await;
    let offer = offering.peer.offer().await.unwrap();
    let offer = change(&offer, |line| (!is_of_a_track(line)).then(|| line.to_owned()));
    assert!(
        offer.contains("m=video")
            && !change(&offer, |line| is_of_a_track(line).then(String::new)).contains("ssrc-group")
    );
    common::connect(&mut offering, &mut answering, &offer, |candidate| candidate, |candidate| candidate).await;
    later(&mut answering, &mut offering).await;
}

/// Voice for a while, then a picture.
async fn later(from: &mut common::Side, to: &mut common::Side) {
    for number in 0..100 {
        from.peer.send_voice(common::voice(number)).await.unwrap();
        to.frame(Kind::Voice).await;
    }
    assert_eq!(from.peer.send_video(common::picture(0, false, 3_000)), Err(Error::KeyframeNeeded));
    for number in 0..20 {
        from.peer.send_video(common::picture(number, number == 0, 3_000)).unwrap();
        assert_eq!(to.frame(Kind::Video).await.data, common::picture(number, number == 0, 3_000).data);
    }
}

/// Whoever offers takes no picture at all.
#[tokio::test]
async fn a_picture_that_nobody_takes_is_dropped() {
    let _turn = common::beside_others().await;
    let mut offering = common::side(hutong_media::Config { video: false, ..common::config() }).await;
    let mut answering = common::side(common::config()).await;
    let offer = offering.peer.offer().await.unwrap();
    common::connect(&mut offering, &mut answering, &offer, |candidate| candidate, |candidate| candidate).await;
    for number in 0..100 {
        let sent = answering.peer.send_video(common::picture(number, number == 0, 3_000));
        assert!(matches!(sent, Ok(()) | Err(Error::KeyframeNeeded)), "{sent:?}");
    }
    answering.peer.send_voice(common::voice(0)).await.unwrap();
    assert_eq!(offering.frame(Kind::Voice).await.data, common::voice(0).data);
}
