//! Calls over networks that are narrow, lossy and interrupted.

use std::time::{Duration, Instant};

use hutong_core::Connectivity;

use crate::common;
use crate::common::call::Call;
use crate::common::path::{Link, Path};

async fn call(link: Link) -> (Call, Path) {
    let mut offering = common::side(common::config()).await;
    let mut answering = common::side(common::config()).await;
    let path = Path::new(link, link).await;
    let offer = offering.peer.offer().await.unwrap();
    common::connect(&mut offering, &mut answering, &offer, common::path::none, |candidate| path.instead(candidate))
        .await;
    (Call::new(offering, answering), path)
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// With a queue of 400 ms and one of 100 ms.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settles_below_a_bottleneck() {
    let _turn = common::alone().await;
    for queue in [25_000, 6_250] {
        let link = Link { bits_per_second: Some(500e3), queue, delay: Duration::from_millis(20), ..Link::default() };
        let (mut call, _path) = call(link).await;
        call.run(seconds(5)).await;
        call.run(seconds(9)).await;
        call.check_pace();
        let seen = &call.seen;
        assert!(seen.target(seconds(5)) <= 500_000, "{:?}", seen.targets);
        // Every second: now and then it tries for more.
        let settled: Vec<u32> = (5..14).map(|second| seen.target(seconds(second))).collect();
        assert!(settled.iter().all(|target| *target <= 550_000), "{settled:?}");
        let mean = settled.iter().sum::<u32>() / 9;
        assert!((150_000..=500_000).contains(&mean), "{settled:?}");
        let gap = seen.longest_gap(seconds(5), seconds(14));
        assert!(gap <= seconds(2), "{gap:?} without a frame");
        let late = seen.voice.iter().filter(|(at, age)| *at > seconds(5) && *age > Duration::from_millis(300)).count();
        assert!(late * 10 <= seen.voice.len(), "{late} of {} packets of voice are late", seen.voice.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bears_loss_and_delay() {
    let _turn = common::alone().await;
    let link = Link { loss: 0.03, delay: Duration::from_millis(50), ..Link::default() };
    let (mut call, _path) = call(link).await;
    call.run(seconds(15)).await;
    call.check_pace();
    let seen = &call.seen;
    let gap = seen.longest_gap(seconds(1), seconds(15));
    assert!(gap <= seconds(1), "{gap:?} without a frame");
    assert!(seen.target(seconds(15)) >= 500_000, "{:?}", seen.targets);
    assert!(seen.voice.len() * 100 >= seen.said * 90, "{} of {} packets of voice", seen.voice.len(), seen.said);
}

/// Without anybody doing anything about it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn comes_back_after_an_outage() {
    let _turn = common::alone().await;
    let (mut call, path) = call(Link { delay: Duration::from_millis(20), ..Link::default() }).await;
    call.run(seconds(4)).await;
    path.change(|link| link.is_up = false);
    call.run(seconds(8)).await;
    path.change(|link| link.is_up = true);
    let back = call.now();
    let heard = call.seen.voice.len();
    call.run(seconds(5)).await;
    call.check_pace();
    let seen = &call.seen;
    let first = seen.frames.iter().find(|(at, _)| *at >= back).expect("a frame").0 - back;
    assert!(first <= seconds(3), "the first frame came after {first:?}");
    let gap = seen.longest_gap(back + seconds(3), back + seconds(5));
    assert!(gap <= Duration::from_millis(500), "{gap:?} without a frame");
    // Voice is there at once, and none of it is old.
    let (at, _) = seen.voice[heard];
    assert!(at - back <= Duration::from_millis(500), "voice came after {:?}", at - back);
    let oldest = seen.voice[heard..].iter().map(|(_, age)| *age).max().unwrap();
    assert!(oldest <= Duration::from_secs(1), "voice of {oldest:?} ago");
    assert!(seen.target(back + seconds(5)) > 300_000, "{:?}", seen.targets);
    assert_eq!(seen.connectivity.first().map(|(_, is)| *is), Some(Connectivity::Disconnected));
    assert_eq!(seen.connectivity.last().map(|(_, is)| *is), Some(Connectivity::Connected));
}

/// With what a caller may do about it, once there is a way to the other side again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ice_restart_after_an_outage_brings_it_back() {
    let _turn = common::alone().await;
    let (mut call, path) = call(Link { delay: Duration::from_millis(20), ..Link::default() }).await;
    call.run(seconds(3)).await;
    path.change(|link| link.is_up = false);
    call.run(seconds(8)).await;
    path.change(|link| link.is_up = true);
    let back = call.now();
    let offer = call.sending.peer.restart_ice().await.unwrap();
    let Call { sending, receiving, .. } = &mut call;
    common::connect(sending, receiving, &offer, common::path::none, |candidate| path.instead(candidate)).await;
    call.run(seconds(3)).await;
    call.check_pace();
    let first = call.seen.frames.iter().find(|(at, _)| *at >= back).expect("a frame");
    assert!(first.0 - back <= seconds(3), "the first frame came after {:?}", first.0 - back);
    assert!(call.seen.longest_gap(first.0, call.now()) <= seconds(1));
}

/// Whoever restarts ICE does not know how long the outage still lasts, and the next restart is seconds away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ice_restart_in_an_outage_brings_it_back_as_soon_as_that_is_over() {
    let _turn = common::alone().await;
    let (mut call, path) = call(Link { delay: Duration::from_millis(20), ..Link::default() }).await;
    call.run(seconds(1)).await;
    path.change(|link| link.is_up = false);
    let offer = call.sending.peer.restart_ice().await.unwrap();
    let Call { sending, receiving, .. } = &mut call;
    let outage = async {
        tokio::time::sleep(seconds(4)).await;
        path.change(|link| link.is_up = true);
        Instant::now()
    };
    let again = common::connect(sending, receiving, &offer, common::path::none, |candidate| path.instead(candidate));
    let (over, ()) = tokio::join!(outage, again);
    assert!(over.elapsed() <= seconds(1), "connected {:?} after it was over", over.elapsed());
    let back = call.now();
    call.run(seconds(2)).await;
    call.check_pace();
    assert!(call.seen.frames.iter().any(|(at, _)| *at >= back), "no frame");
}

/// A camera that is off for a while, and a voice that goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_pauses_and_goes_on() {
    let _turn = common::alone().await;
    let (mut call, _path) = call(Link { delay: Duration::from_millis(10), ..Link::default() }).await;
    call.camera = false;
    call.run(seconds(3)).await;
    assert_eq!(call.seen.frames, []);
    for _ in 0..2 {
        call.camera = true;
        let on = call.now();
        call.run(seconds(2)).await;
        call.check_pace();
        let (at, keyframe) = *call.seen.frames.iter().find(|(at, _)| *at >= on).expect("a frame");
        assert!(keyframe && at - on <= seconds(1), "the first came after {:?}", at - on);
        call.camera = false;
        let off = call.now();
        call.run(seconds(3)).await;
        call.check_pace();
        assert!(call.seen.longest_gap(off + Duration::from_millis(700), call.now()) >= seconds(2), "it was off");
    }
    assert!(call.seen.target(call.now()) >= 500_000, "{:?}", call.seen.targets);
    call.receiving.peer.close().await.unwrap();
}
