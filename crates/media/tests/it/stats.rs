//! Statistics say what happened, and nothing that was not measured.

use std::time::Duration;

use hutong_media::{MediaKind, Peer, Stats};
use serde_json::Value;

use crate::common;
use crate::common::call::Call;
use crate::common::path::{Link, Path};

const DELAY: Duration = Duration::from_millis(40);

async fn call(seconds: u64) -> Call {
    let mut offering = common::side(common::config()).await;
    let mut answering = common::side(common::config()).await;
    let link = Link { delay: DELAY, loss: 0.02, ..Link::default() };
    let path = Path::new(link, link).await;
    let offer = offering.peer.offer().await.unwrap();
    common::connect(&mut offering, &mut answering, &offer, common::path::none, |candidate| path.instead(candidate))
        .await;
    let mut call = Call::new(offering, answering);
    call.run(Duration::from_secs(seconds)).await;
    call
}

/// What there is of a type, as JSON.
async fn of(peer: &Peer, typ: &str) -> Vec<Value> {
    let all = peer.stats().await;
    let values = all.iter().map(|stats| serde_json::to_value(stats).unwrap());
    values.filter(|value| value["type"] == typ).collect()
}

/// The only one of a type and kind.
async fn one(peer: &Peer, typ: &str, kind: &str) -> Value {
    let mut all = of(peer, typ).await;
    all.retain(|value| value["kind"] == kind);
    assert_eq!(all.len(), 1, "{typ} {kind}: {all:?}");
    all.remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn say_what_was_sent_and_received() {
    let _turn = common::beside_others().await;
    let call = call(7).await;
    let (sending, receiving) = (&call.sending.peer, &call.receiving.peer);

    let sent = one(sending, "outbound-rtp", "video").await;
    let received = one(receiving, "inbound-rtp", "video").await;
    let frames = call.seen.frames.len() as u64;
    let counted = received["framesReceived"].as_u64().unwrap();
    assert!(counted >= frames && counted <= frames + 5, "{received} but {frames}");
    assert!(sent["framesSent"].as_u64().unwrap() >= counted, "{sent}");
    assert!(received["keyFramesReceived"].as_u64().unwrap() >= 1, "{received}");
    assert_eq!((&received["frameWidth"], &received["frameHeight"]), (&640.into(), &480.into()));
    assert!(received["nackCount"].as_u64().unwrap() > 0 && sent["nackCount"].as_u64().unwrap() > 0);
    assert!(sent["retransmittedPacketsSent"].as_u64().unwrap() > 0, "{sent}");
    assert!(received["retransmittedPacketsReceived"].as_u64().unwrap() > 0, "{received}");
    assert!(received["packetsLost"].as_i64().unwrap() > 0, "{received}");
    let jitter = received["jitter"].as_f64().unwrap();
    assert!(jitter > 0.0 && jitter < 1.0, "{received}");
    assert!(sent["targetBitrate"].as_f64().unwrap() >= 100_000.0);
    let (out, arrived) = (sent["bytesSent"].as_u64().unwrap(), received["bytesReceived"].as_u64().unwrap());
    assert!(arrived <= out && arrived * 10 >= out * 9, "{arrived} of {out}");
    assert_eq!(received["ssrc"], sent["ssrc"]);

    let voice = one(receiving, "inbound-rtp", "audio").await;
    assert!(
        voice["packetsReceived"].as_u64().unwrap() * 10 >= call.seen.said as u64 * 8,
        "{voice} of {}",
        call.seen.said
    );
    assert_eq!(voice.get("framesReceived"), None, "not of voice");

    let codecs: Vec<_> = of(sending, "codec").await.iter().map(|codec| codec["mimeType"].clone()).collect();
    assert_eq!(codecs, ["video/VP8", "audio/opus"]);
    assert!(of(sending, "codec").await.iter().any(|codec| codec["id"] == sent["codecId"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn say_how_long_the_way_is() {
    let _turn = common::beside_others().await;
    let call = call(6).await;
    let peer = &call.sending.peer;
    let remote = one(peer, "remote-inbound-rtp", "video").await;
    let time = remote["roundTripTime"].as_f64().expect("a round trip");
    // A machine that is busy adds to it.
    assert!((0.08..2.0).contains(&time), "{remote}");
    assert!(remote["roundTripTimeMeasurements"].as_u64().unwrap() >= 1);
    assert!(remote["fractionLost"].as_f64().unwrap() <= 0.5);

    let pairs = of(peer, "candidate-pair").await;
    let transport = of(peer, "transport").await;
    assert_eq!((pairs.len(), transport.len()), (1, 1));
    assert_eq!(transport[0]["selectedCandidatePairId"], pairs[0]["id"]);
    assert_eq!(transport[0]["dtlsState"], "connected");
    assert!(transport[0]["bytesSent"].as_u64().unwrap() > 100_000);
    let time = pairs[0]["currentRoundTripTime"].as_f64().expect("a round trip");
    assert!((0.08..2.0).contains(&time), "{}", pairs[0]);
    assert!(pairs[0]["availableOutgoingBitrate"].as_f64().unwrap() > 100_000.0);
    let local = of(peer, "local-candidate").await;
    assert_eq!(local[0]["id"], pairs[0]["localCandidateId"]);
    assert_eq!(local[0]["candidateType"], "host");
}

#[tokio::test]
async fn know_nothing_before_there_is_anything() {
    let _turn = common::beside_others().await;
    let side = common::side(common::config()).await;
    for stats in side.peer.stats().await {
        assert!(matches!(stats, Stats::Transport(_)), "{stats:?}");
    }
    side.peer.close().await.unwrap();
    assert_eq!(side.peer.stats().await, []);
}

/// A report that never came has no figures.
#[tokio::test]
async fn leave_out_what_is_not_known() {
    let _turn = common::beside_others().await;
    let (offering, mut answering) = common::pair().await;
    offering.peer.send_video(common::picture(0, true, 1_000)).unwrap();
    answering.frame(hutong_media::Kind::Video).await;
    let all = offering.peer.stats().await;
    assert!(!all.iter().any(|stats| matches!(stats, Stats::RemoteInboundRtp(_))), "{all:?}");
    let Some(Stats::OutboundRtp(sent)) =
        all.iter().find(|stats| matches!(stats, Stats::OutboundRtp(sent) if sent.kind == MediaKind::Video))
    else {
        panic!("{all:?}")
    };
    assert_eq!((sent.frames_sent, sent.key_frames_sent, &sent.remote_id), (Some(1), Some(1), &None));
    let printed = format!("{all:?}");
    assert!(!printed.contains("127.0.0.1"), "{printed}");
}

/// Voice and picture that were captured together are told so, whatever lies between capture and sending.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn voice_and_picture_are_on_one_clock() {
    let _turn = common::beside_others().await;
    let (offering, mut answering) = common::pair().await;
    let start = tokio::time::Instant::now();
    let send = async {
        // The picture is given 150 ms later than it was captured, as by a slow encoder; voice at once.
        for tick in 0.. {
            tokio::time::sleep_until(start + Duration::from_millis(20) * tick as u32).await;
            let mut voice = common::voice(tick);
            voice.timestamp = 5_000_000 + tick * 20_000;
            let captured = voice.timestamp;
            offering.peer.send_voice(voice).await.unwrap();
            if tick >= 8 && tick % 2 == 0 {
                let mut picture = common::picture(tick, tick == 8, 500);
                picture.timestamp = captured - 150_000;
                offering.peer.send_video(picture).unwrap();
            }
        }
    };
    let receive = async {
        let mut last = (None, None);
        while (last.0.is_none() || last.1.is_none()) && start.elapsed() < Duration::from_secs(20) {
            let wait = tokio::time::timeout(Duration::from_secs(5), answering.events.next());
            if let Some(hutong_media::Event::Frame(frame)) = wait.await.unwrap() {
                let number = u64::from_be_bytes(match frame.kind {
                    hutong_media::Kind::Voice => frame.data[1..9].try_into().unwrap(),
                    hutong_media::Kind::Video => {
                        frame.data[if frame.keyframe { 10 } else { 3 }..][..8].try_into().unwrap()
                    }
                });
                let Some(captured) = frame.captured else { continue };
                match frame.kind {
                    hutong_media::Kind::Voice => last.0 = Some((number * 20_000, captured)),
                    hutong_media::Kind::Video => last.1 = Some((number * 20_000 - 150_000, captured)),
                }
            }
        }
        last
    };
    let (voice, picture) = tokio::select! {
        last = receive => last,
        () = send => unreachable!("it goes on"),
    };
    let (voice, picture) = (voice.expect("a report on voice"), picture.expect("a report on the picture"));
    let apart = voice.1.abs_diff(picture.1).abs_diff(voice.0.abs_diff(picture.0));
    assert!(apart <= 5_000, "{apart} microseconds apart");
}
