//! What the two sides of a call see and agree on.

use hutong_core::{MediaCommand, MediaEvent};
use hutong_protocol::{MediaKind, SdpKind};
use wasm_bindgen_test::wasm_bindgen_test;

use super::sides::{Side, call, live, restart};
use crate::media::{Source, tracks};

#[wasm_bindgen_test]
async fn two_peers_see_each_other_and_let_go_of_everything() {
    let (caller, called) = (Side::new(1), Side::new(2));
    let mut devices = caller.acquire(MediaKind::Video).await;
    devices.extend(called.acquire(MediaKind::Video).await);
    assert_eq!(live(&devices), 4);
    call(&caller, &called).await;
    caller.views.next(|view| view.other.picture.then_some(())).await;
    called.views.next(|view| view.other.picture.then_some(())).await;

    caller.engine.switch(caller.peer, Source::Camera, false);
    called.views.next(|view| (!view.other.camera && !view.other.picture).then_some(())).await;
    assert_eq!(live(&devices), 3, "a camera that is off is let go");
    caller.engine.switch(caller.peer, Source::Camera, true);
    let view = caller.views.next(|view| view.own.camera.is_on().then_some(view)).await;
    devices.extend(view.local.iter().flat_map(tracks));
    called.views.next(|view| view.other.picture.then_some(())).await;
    caller.engine.switch(caller.peer, Source::Microphone, false);
    called.views.next(|view| (!view.other.microphone).then_some(())).await;

    caller.close().await;
    called.close().await;
    assert_eq!(live(&devices), 0);
}

#[wasm_bindgen_test]
async fn who_answers_by_voice_still_sees_the_caller() {
    let (caller, called) = (Side::new(1), Side::new(2));
    caller.acquire(MediaKind::Video).await;
    assert_eq!(called.acquire(MediaKind::Voice).await.len(), 1);
    call(&caller, &called).await;
    called.views.next(|view| view.other.picture.then_some(())).await;
    caller.views.next(|view| (!view.other.camera).then_some(())).await;
    caller.close().await;
    called.close().await;
}

#[wasm_bindgen_test]
async fn in_a_voice_call_either_side_can_turn_its_camera_on_without_a_further_description() {
    let (caller, called) = (Side::new(1), Side::new(2));
    caller.acquire(MediaKind::Voice).await;
    called.acquire(MediaKind::Voice).await;
    call(&caller, &called).await;
    for (one, other) in [(&caller, &called), (&called, &caller)] {
        other.views.next(|view| (!view.other.camera && !view.other.picture).then_some(())).await;
        one.engine.switch(one.peer, Source::Camera, true);
        let view = other.views.next(|view| view.other.picture.then_some(view)).await;
        let remote = view.remote.unwrap();
        assert_eq!(live(&tracks(&remote)), 2, "voice and picture are played");
        let decoded = async || one_number(&other.engine.stats(other.peer).await, "inbound-rtp", "framesDecoded");
        while decoded().await < 5.0 {}
    }
    for side in [&caller, &called] {
        assert!(!side.events.things.borrow().iter().any(|it| matches!(it, MediaEvent::LocalDescription { .. })));
        side.close().await;
    }
}

/// The sum of a figure over all entries of this type.
fn one_number(stats: &[serde_json::Value], kind: &str, name: &str) -> f64 {
    stats.iter().filter(|entry| entry["type"] == kind).filter_map(|entry| entry[name].as_f64()).sum()
}

#[wasm_bindgen_test]
async fn offers_that_collide_end_in_one_agreement() {
    let (caller, called) = (Side::new(1), Side::new(2));
    caller.acquire(MediaKind::Voice).await;
    called.acquire(MediaKind::Voice).await;
    call(&caller, &called).await;
    for side in [&caller, &called] {
        side.engine.perform(MediaCommand::RestartIce { peer: side.peer });
    }
    let polite = restart(&caller).await;
    let impolite = restart(&called).await;
    // Each gets the other's offer while its own stands. The impolite side passes over what it gets.
    let offer = |peer, sdp, polite| MediaCommand::Remote { peer, kind: SdpKind::Offer, sdp, polite };
    called.engine.perform(offer(called.peer, polite, false));
    caller.engine.perform(offer(caller.peer, impolite, true));
    let answer = |event| match event {
        MediaEvent::LocalDescription { kind: SdpKind::Answer, sdp, .. } => Some(sdp),
        MediaEvent::Problem { .. } => panic!("a collision is no failure"),
        _ => None,
    };
    let sdp = caller.events.next(answer).await;
    called.engine.perform(MediaCommand::Remote { peer: called.peer, kind: SdpKind::Answer, sdp, polite: false });
    // Now no offer stands on either side: even the impolite one takes the next.
    caller.engine.perform(MediaCommand::RestartIce { peer: caller.peer });
    let next = restart(&caller).await;
    called.engine.perform(offer(called.peer, next, false));
    called.events.next(answer).await;
    caller.close().await;
    called.close().await;
}
