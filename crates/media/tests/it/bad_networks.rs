//! Calls over networks with low bandwidth, loss and outages.

use std::time::{Duration, Instant};

use hutong_core::Connectivity;

use crate::common;
use crate::common::call::OneWayCall;
use crate::common::network_emulator::{NetworkEmulator, ProxyLink};

async fn call(link: ProxyLink) -> (OneWayCall, NetworkEmulator) {
    let mut offerer = common::test_peer(common::config()).await;
    let mut answerer = common::test_peer(common::config()).await;
    let network = NetworkEmulator::new(link, link).await;
    let offer = offerer.peer.offer().await.unwrap();
    common::connect(&mut offerer, &mut answerer, &offer, common::no_candidate, |candidate| {
        network.substitute(candidate)
    })
    .await;
    (OneWayCall::new(offerer, answerer), network)
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// With queues of 400 ms and 100 ms.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bitrate_settles_below_the_bottleneck() {
    let _lock = common::exclusive().await;
    for queue in [25_000, 6_250] {
        let link =
            ProxyLink { bits_per_second: Some(500e3), queue, delay: Duration::from_millis(20), ..ProxyLink::default() };
        let (mut call, _network) = call(link).await;
        call.run(seconds(5)).await;
        call.run(seconds(9)).await;
        call.check_pace();
        let record = &call.record;
        assert!(record.target(seconds(5)) <= 500_000, "{:?}", record.targets);
        // One sample a second: the estimator probes for more from time to time.
        let settled: Vec<u32> = (5..14).map(|second| record.target(seconds(second))).collect();
        assert!(settled.iter().all(|target| *target <= 550_000), "{settled:?}");
        let mean = settled.iter().sum::<u32>() / 9;
        assert!((150_000..=500_000).contains(&mean), "{settled:?}");
        let gap = record.longest_gap(seconds(5), seconds(14));
        assert!(gap <= seconds(2), "{gap:?} without a frame");
        let late =
            record.audio.iter().filter(|(at, age)| *at > seconds(5) && *age > Duration::from_millis(300)).count();
        assert!(late * 10 <= record.audio.len(), "{late} of {} audio packets are late", record.audio.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_continues_under_loss_and_delay() {
    let _lock = common::exclusive().await;
    let link = ProxyLink { loss: 0.03, delay: Duration::from_millis(50), ..ProxyLink::default() };
    let (mut call, _network) = call(link).await;
    call.run(seconds(15)).await;
    call.check_pace();
    let record = &call.record;
    let gap = record.longest_gap(seconds(1), seconds(15));
    assert!(gap <= seconds(1), "{gap:?} without a frame");
    assert!(record.target(seconds(15)) >= 500_000, "{:?}", record.targets);
    assert!(
        record.audio.len() * 100 >= record.audio_sent * 90,
        "{} of {} audio packets",
        record.audio.len(),
        record.audio_sent
    );
}

/// Without an ICE restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_recovers_after_an_outage() {
    let _lock = common::exclusive().await;
    let (mut call, network) = call(ProxyLink { delay: Duration::from_millis(20), ..ProxyLink::default() }).await;
    call.run(seconds(4)).await;
    network.change(|link| link.is_up = false);
    call.run(seconds(8)).await;
    network.change(|link| link.is_up = true);
    let restored = call.now();
    let received = call.record.audio.len();
    call.run(seconds(5)).await;
    call.check_pace();
    let record = &call.record;
    let first = record.frames.iter().find(|(at, _)| *at >= restored).expect("a frame").0 - restored;
    assert!(first <= seconds(3), "the first frame came after {first:?}");
    let gap = record.longest_gap(restored + seconds(3), restored + seconds(5));
    assert!(gap <= Duration::from_millis(500), "{gap:?} without a frame");
    // Audio resumes at once, and is not stale.
    let (at, _) = record.audio[received];
    assert!(at - restored <= Duration::from_millis(500), "audio came after {:?}", at - restored);
    let oldest = record.audio[received..].iter().map(|(_, age)| *age).max().unwrap();
    assert!(oldest <= Duration::from_secs(1), "audio of {oldest:?} ago");
    assert!(record.target(restored + seconds(5)) > 300_000, "{:?}", record.targets);
    assert_eq!(record.connectivity.first().map(|(_, state)| *state), Some(Connectivity::Disconnected));
    assert_eq!(record.connectivity.last().map(|(_, state)| *state), Some(Connectivity::Connected));
}

/// The ICE restart starts after the outage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_recovers_with_an_ice_restart_after_an_outage() {
    let _lock = common::exclusive().await;
    let (mut call, network) = call(ProxyLink { delay: Duration::from_millis(20), ..ProxyLink::default() }).await;
    call.run(seconds(3)).await;
    network.change(|link| link.is_up = false);
    call.run(seconds(8)).await;
    network.change(|link| link.is_up = true);
    let restored = call.now();
    let offer = call.sender.peer.ice_restart_offer().await.unwrap();
    let OneWayCall { sender, receiver, .. } = &mut call;
    common::connect(sender, receiver, &offer, common::no_candidate, |candidate| network.substitute(candidate)).await;
    call.run(seconds(3)).await;
    call.check_pace();
    let first = call.record.frames.iter().find(|(at, _)| *at >= restored).expect("a frame");
    assert!(first.0 - restored <= seconds(3), "the first frame came after {:?}", first.0 - restored);
    assert!(call.record.longest_gap(first.0, call.now()) <= seconds(1));
}

/// The ICE restart starts during the outage, and the application would not retry for seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ice_restart_during_an_outage_succeeds_as_soon_as_it_ends() {
    let _lock = common::exclusive().await;
    let (mut call, network) = call(ProxyLink { delay: Duration::from_millis(20), ..ProxyLink::default() }).await;
    call.run(seconds(1)).await;
    network.change(|link| link.is_up = false);
    let offer = call.sender.peer.ice_restart_offer().await.unwrap();
    let OneWayCall { sender, receiver, .. } = &mut call;
    let outage = async {
        tokio::time::sleep(seconds(4)).await;
        network.change(|link| link.is_up = true);
        Instant::now()
    };
    let reconnect =
        common::connect(sender, receiver, &offer, common::no_candidate, |candidate| network.substitute(candidate));
    let (ended_at, ()) = tokio::join!(outage, reconnect);
    assert!(ended_at.elapsed() <= seconds(1), "connected {:?} after the outage", ended_at.elapsed());
    let restored = call.now();
    call.run(seconds(2)).await;
    call.check_pace();
    assert!(call.record.frames.iter().any(|(at, _)| *at >= restored), "no frame");
}

/// The camera is off for a while, the microphone stays on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn video_pauses_and_resumes() {
    let _lock = common::exclusive().await;
    let (mut call, _network) = call(ProxyLink { delay: Duration::from_millis(10), ..ProxyLink::default() }).await;
    call.camera = false;
    call.run(seconds(3)).await;
    assert_eq!(call.record.frames, []);
    for _ in 0..2 {
        call.camera = true;
        let on = call.now();
        call.run(seconds(2)).await;
        call.check_pace();
        let (at, keyframe) = *call.record.frames.iter().find(|(at, _)| *at >= on).expect("a frame");
        assert!(keyframe && at - on <= seconds(1), "the first frame came after {:?}", at - on);
        call.camera = false;
        let off = call.now();
        call.run(seconds(3)).await;
        call.check_pace();
        assert!(
            call.record.longest_gap(off + Duration::from_millis(700), call.now()) >= seconds(2),
            "frames arrived while the camera was off"
        );
    }
    assert!(call.record.target(call.now()) >= 500_000, "{:?}", call.record.targets);
    call.receiver.peer.close().await.unwrap();
}
