//! Media and negotiation between the two sides of a call.

use hutong_core::{MediaCommand, MediaEvent};
use hutong_protocol::{IceServer, MediaKind, SdpKind};
use wasm_bindgen_test::wasm_bindgen_test;

use super::call_sides::{Inbox, TestSide, call, live, next_offer};
use crate::media::{LocalSource, connect_browser, tracks};

#[wasm_bindgen_test]
async fn two_peers_exchange_video_and_release_their_devices() {
    let (caller, callee) = (TestSide::new(1), TestSide::new(2));
    let mut devices = caller.acquire(MediaKind::Video).await;
    devices.extend(callee.acquire(MediaKind::Video).await);
    assert_eq!(live(&devices), 4);
    call(&caller, &callee).await;
    caller.views.next(|view| view.remote.video.then_some(())).await;
    callee.views.next(|view| view.remote.video.then_some(())).await;

    caller.engine.switch(caller.peer, LocalSource::Camera, false);
    callee.views.next(|view| (!view.remote.camera && !view.remote.video).then_some(())).await;
    assert_eq!(live(&devices), 3, "a camera that is off is released");
    caller.engine.switch(caller.peer, LocalSource::Camera, true);
    let view = caller.views.next(|view| view.local.camera.is_on().then_some(view)).await;
    devices.extend(view.local_stream.iter().flat_map(tracks));
    callee.views.next(|view| view.remote.video.then_some(())).await;
    caller.engine.switch(caller.peer, LocalSource::Microphone, false);
    callee.views.next(|view| (!view.remote.microphone).then_some(())).await;

    caller.close().await;
    callee.close().await;
    assert_eq!(live(&devices), 0);
}

#[wasm_bindgen_test]
async fn a_callee_who_answers_by_voice_still_receives_the_callers_video() {
    let (caller, callee) = (TestSide::new(1), TestSide::new(2));
    caller.acquire(MediaKind::Video).await;
    assert_eq!(callee.acquire(MediaKind::Voice).await.len(), 1);
    call(&caller, &callee).await;
    callee.views.next(|view| view.remote.video.then_some(())).await;
    caller.views.next(|view| (!view.remote.camera).then_some(())).await;
    caller.close().await;
    callee.close().await;
}

#[wasm_bindgen_test]
async fn in_a_voice_call_either_side_can_turn_its_camera_on_without_renegotiation() {
    let (caller, callee) = (TestSide::new(1), TestSide::new(2));
    caller.acquire(MediaKind::Voice).await;
    callee.acquire(MediaKind::Voice).await;
    call(&caller, &callee).await;
    for (one, other) in [(&caller, &callee), (&callee, &caller)] {
        other.views.next(|view| (!view.remote.camera && !view.remote.video).then_some(())).await;
        one.engine.switch(one.peer, LocalSource::Camera, true);
        let view = other.views.next(|view| view.remote.video.then_some(view)).await;
        let remote = view.remote_stream.unwrap();
        assert_eq!(live(&tracks(&remote)), 2, "audio and video are played");
        let decoded = async || sum(&other.engine.stats(other.peer).await, "inbound-rtp", "framesDecoded");
        while decoded().await < 5.0 {}
    }
    for side in [&caller, &callee] {
        assert!(!side.events.items.borrow().iter().any(|it| matches!(it, MediaEvent::LocalDescription { .. })));
        side.close().await;
    }
}

/// The sum of a counter over all entries of this type.
fn sum(stats: &[serde_json::Value], kind: &str, name: &str) -> f64 {
    stats.iter().filter(|entry| entry["type"] == kind).filter_map(|entry| entry[name].as_f64()).sum()
}

#[wasm_bindgen_test]
async fn colliding_offers_are_resolved_by_the_polite_side() {
    let (caller, callee) = (TestSide::new(1), TestSide::new(2));
    caller.acquire(MediaKind::Voice).await;
    callee.acquire(MediaKind::Voice).await;
    call(&caller, &callee).await;
    for side in [&caller, &callee] {
        side.engine.perform(MediaCommand::RestartIce { peer: side.peer });
    }
    let polite = next_offer(&caller).await;
    let impolite = next_offer(&callee).await;
    // Each side receives the other's offer while its own is pending. The impolite side ignores it.
    let offer = |peer, sdp, polite| MediaCommand::SetRemoteDescription { peer, kind: SdpKind::Offer, sdp, polite };
    callee.engine.perform(offer(callee.peer, polite, false));
    caller.engine.perform(offer(caller.peer, impolite, true));
    let answer = |event| match event {
        MediaEvent::LocalDescription { kind: SdpKind::Answer, sdp, .. } => Some(sdp),
        MediaEvent::Problem { .. } => panic!("a collision is no problem"),
        _ => None,
    };
    let sdp = caller.events.next(answer).await;
    callee.engine.perform(MediaCommand::SetRemoteDescription {
        peer: callee.peer,
        kind: SdpKind::Answer,
        sdp,
        polite: false,
    });
    // Now no offer is pending: the impolite side accepts the next one.
    caller.engine.perform(MediaCommand::RestartIce { peer: caller.peer });
    let next = next_offer(&caller).await;
    callee.engine.perform(offer(callee.peer, next, false));
    callee.events.next(answer).await;
    caller.close().await;
    callee.close().await;
}

#[wasm_bindgen_test]
async fn the_browser_accepts_other_ice_servers_after_the_first_offer() {
    let connection = connect_browser(&[], Inbox::new().callback()).unwrap();
    connection.offer(false).await.unwrap();
    let servers = |username: &str| IceServer {
        urls: vec!["turn:127.0.0.1:9?transport=tcp".into()],
        username: Some(username.into()),
        credential: Some("secret".into()),
    };
    for username in ["1:1", "2:1"] {
        assert_eq!(connection.set_ice_servers(&[servers(username)]).await, Ok(()));
    }
    connection.offer(true).await.unwrap();
    connection.close();
}
