//! Statistics are complete, and contain only measured values.

use std::time::Duration;

use hutong_media::{MediaType, Peer, Stats};
use serde_json::Value;

use crate::common;
use crate::common::call::OneWayCall;
use crate::common::network_emulator::{NetworkEmulator, ProxyLink};

const DELAY: Duration = Duration::from_millis(40);

async fn call(seconds: u64) -> OneWayCall {
    let mut offerer = common::test_peer(common::config()).await;
    let mut answerer = common::test_peer(common::config()).await;
    let link = ProxyLink { delay: DELAY, loss: 0.02, ..ProxyLink::default() };
    let network = NetworkEmulator::new(link, link).await;
    let offer = offerer.peer.offer().await.unwrap();
    common::connect(&mut offerer, &mut answerer, &offer, common::no_candidate, |candidate| {
        network.substitute(candidate)
    })
    .await;
    let mut call = OneWayCall::new(offerer, answerer);
    call.run(Duration::from_secs(seconds)).await;
    call
}

/// Statistics objects of a type, as JSON.
async fn of_type(peer: &Peer, typ: &str) -> Vec<Value> {
    let all = peer.stats().await;
    let values = all.iter().map(|stats| serde_json::to_value(stats).unwrap());
    values.filter(|value| value["type"] == typ).collect()
}

/// The only statistics object of a type and kind, as JSON.
async fn single(peer: &Peer, typ: &str, kind: &str) -> Value {
    let mut all = of_type(peer, typ).await;
    all.retain(|value| value["kind"] == kind);
    assert_eq!(all.len(), 1, "{typ} {kind}: {all:?}");
    all.remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rtp_stats_count_what_was_sent_and_received() {
    let _lock = common::shared().await;
    let call = call(7).await;
    let (sender, receiver) = (&call.sender.peer, &call.receiver.peer);

    let sent = single(sender, "outbound-rtp", "video").await;
    let received = single(receiver, "inbound-rtp", "video").await;
    let frames = call.record.frames.len() as u64;
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
    let (sent_bytes, received_bytes) =
        (sent["bytesSent"].as_u64().unwrap(), received["bytesReceived"].as_u64().unwrap());
    assert!(received_bytes <= sent_bytes && received_bytes * 10 >= sent_bytes * 9, "{received_bytes} of {sent_bytes}");
    assert_eq!(received["ssrc"], sent["ssrc"]);

    let audio = single(receiver, "inbound-rtp", "audio").await;
    assert!(
        audio["packetsReceived"].as_u64().unwrap() * 10 >= call.record.audio_sent as u64 * 8,
        "{audio} of {}",
        call.record.audio_sent
    );
    assert_eq!(audio.get("framesReceived"), None, "video only");

    let codecs: Vec<_> = of_type(sender, "codec").await.iter().map(|codec| codec["mimeType"].clone()).collect();
    assert_eq!(codecs, ["video/VP8", "audio/opus"]);
    assert!(of_type(sender, "codec").await.iter().any(|codec| codec["id"] == sent["codecId"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stats_report_the_round_trip_time() {
    let _lock = common::shared().await;
    let call = call(6).await;
    let peer = &call.sender.peer;
    let remote = single(peer, "remote-inbound-rtp", "video").await;
    let time = remote["roundTripTime"].as_f64().expect("a round trip");
    // A busy machine adds to it.
    assert!((0.08..2.0).contains(&time), "{remote}");
    assert!(remote["roundTripTimeMeasurements"].as_u64().unwrap() >= 1);
    assert!(remote["fractionLost"].as_f64().unwrap() <= 0.5);

    let pairs = of_type(peer, "candidate-pair").await;
    let transport = of_type(peer, "transport").await;
    assert_eq!((pairs.len(), transport.len()), (1, 1));
    assert_eq!(transport[0]["selectedCandidatePairId"], pairs[0]["id"]);
    assert_eq!(transport[0]["dtlsState"], "connected");
    assert!(transport[0]["bytesSent"].as_u64().unwrap() > 100_000);
    let time = pairs[0]["currentRoundTripTime"].as_f64().expect("a round trip");
    assert!((0.08..2.0).contains(&time), "{}", pairs[0]);
    assert!(pairs[0]["availableOutgoingBitrate"].as_f64().unwrap() > 100_000.0);
    let local = of_type(peer, "local-candidate").await;
    assert_eq!(local[0]["id"], pairs[0]["localCandidateId"]);
    assert_eq!(local[0]["candidateType"], "host");
}

#[tokio::test]
async fn an_unconnected_peer_has_transport_stats_only() {
    let _lock = common::shared().await;
    let side = common::test_peer(common::config()).await;
    for stats in side.peer.stats().await {
        assert!(matches!(stats, Stats::Transport(_)), "{stats:?}");
    }
    side.peer.close().await.unwrap();
    assert_eq!(side.peer.stats().await, []);
}

/// Before the first receiver report.
#[tokio::test]
async fn unknown_stats_are_omitted() {
    let _lock = common::shared().await;
    let (offerer, mut answerer) = common::connected_pair().await;
    offerer.peer.send_video(common::video_frame(0, true, 1_000)).unwrap();
    answerer.frame(hutong_media::MediaType::Video).await;
    let all = offerer.peer.stats().await;
    assert!(!all.iter().any(|stats| matches!(stats, Stats::RemoteInboundRtp(_))), "{all:?}");
    let Some(Stats::OutboundRtp(sent)) =
        all.iter().find(|stats| matches!(stats, Stats::OutboundRtp(sent) if sent.kind == MediaType::Video))
    else {
        panic!("{all:?}")
    };
    assert_eq!((sent.frames_sent, sent.key_frames_sent, &sent.remote_id), (Some(1), Some(1), &None));
    let printed = format!("{all:?}");
    assert!(!printed.contains("127.0.0.1"), "{printed}");
}

/// Audio and video captured at the same time get the same capture time, whatever the delay between capture and sending.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audio_and_video_share_one_capture_clock() {
    let _lock = common::shared().await;
    let (offerer, mut answerer) = common::connected_pair().await;
    let start = tokio::time::Instant::now();
    let send = async {
        // Video is sent 150 ms after capture, as by a slow encoder; audio at once.
        for tick in 0.. {
            tokio::time::sleep_until(start + Duration::from_millis(20) * tick as u32).await;
            let mut audio = common::audio_packet(tick);
            audio.timestamp = 5_000_000 + tick * 20_000;
            let captured_at = audio.timestamp;
            offerer.peer.send_audio(audio).await.unwrap();
            if tick >= 8 && tick % 2 == 0 {
                let mut video = common::video_frame(tick, tick == 8, 500);
                video.timestamp = captured_at - 150_000;
                offerer.peer.send_video(video).unwrap();
            }
        }
    };
    let receive = async {
        let mut last = (None, None);
        while (last.0.is_none() || last.1.is_none()) && start.elapsed() < Duration::from_secs(20) {
            let wait = tokio::time::timeout(Duration::from_secs(5), answerer.events.next());
            if let Some(hutong_media::Event::Frame(frame)) = wait.await.unwrap() {
                let number = u64::from_be_bytes(match frame.kind {
                    hutong_media::MediaType::Audio => frame.data[1..9].try_into().unwrap(),
                    hutong_media::MediaType::Video => {
                        frame.data[if frame.keyframe { 10 } else { 3 }..][..8].try_into().unwrap()
                    }
                });
                let Some(captured_at) = frame.captured_at else { continue };
                match frame.kind {
                    hutong_media::MediaType::Audio => last.0 = Some((number * 20_000, captured_at)),
                    hutong_media::MediaType::Video => last.1 = Some((number * 20_000 - 150_000, captured_at)),
                }
            }
        }
        last
    };
    let (audio, video) = tokio::select! {
        last = receive => last,
        () = send => unreachable!("it never ends"),
    };
    let (audio, video) = (audio.expect("a report on audio"), video.expect("a report on video"));
    let error = audio.1.abs_diff(video.1).abs_diff(audio.0.abs_diff(video.0));
    assert!(error <= 5_000, "off by {error} microseconds");
}
